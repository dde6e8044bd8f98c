"""List schedulers against rules that all schedules keep, closed forms, and other code."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from hocket.taskgraph.model.graph import Graph, Platform
from hocket.taskgraph.model.processors import Communication, Function
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.planning.listing import METHODS, Planned, makespan, plan
from hocket.taskgraph.planning.ranks import upward_ranks
from tests.taskgraph.exact.brute import least_makespan
from tests.taskgraph.strategies import scenarios
from tests.taskgraph.textbook import compiled, one_graph

METHOD = pytest.mark.parametrize("method", METHODS)
STATIC = scenarios(static=True, most_types=1, most_tasks=8)


def broken(graph: Graph, platform: Platform, planned: list[Planned]) -> list[str]:
    """What is impossible in a plan."""
    found = []
    for t, (task, p, start, finish) in enumerate(planned):
        if task != t or p not in graph.able[t] or finish != start + graph.durations[t][p]:
            found.append(f"task {t}: {planned[t]}")
        stored, load, there = 0, 0, 0
        for before, volume in graph.inputs[t]:
            source = planned[before]
            if platform.shared:
                stored = max(
                    stored, source.finish + platform.through_memory(volume, source.processor)
                )
                load = max(load, platform.through_memory(volume, p))
            else:
                way = platform.transfer(volume, source.processor, p)
                there = max(there, source.finish + way)
        if start < max(there, stored + load):
            found.append(f"task {t} starts before its inputs are there")
    for p, capacity in enumerate(platform.capacity):
        for moment in {task.start for task in planned}:
            running = sum(
                task.processor == p and task.start <= moment < task.finish for task in planned
            )
            if running > capacity:
                found.append(f"processor {p} runs {running} tasks at {moment}")
    return found


@METHOD
@settings(max_examples=50)
@given(scenario=STATIC)
def test_plans_are_possible(method: str, scenario: TaskGraphs) -> None:
    graph, platform = compiled(scenario)
    planned = plan(graph, platform, method)
    assert broken(graph, platform, planned) == []
    assert makespan(graph, platform, method) == max(task.finish for task in planned)


@settings(max_examples=60)
@given(scenario=scenarios(static=True, most_types=1, most_tasks=4))
def test_no_plan_beats_the_optimum(scenario: TaskGraphs) -> None:
    least = least_makespan(scenario)
    lengths = {method: makespan(*compiled(scenario), method) for method in METHODS}
    assert all(length >= least for length in lengths.values())
    if len(scenario.types[0].tasks) == 1:
        assert set(lengths.values()) == {least}


@METHOD
def test_one_processor_works_without_a_break(method: str) -> None:
    scenario = one_graph([(3,), (5,), (0,), (8,)], {(0, 1): 9, (0, 3): 9, (2, 3): 9})
    assert makespan(*compiled(scenario), method) == 16


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"cpop", "dls"}))
def test_a_chain_without_data_runs_each_task_where_it_is_fastest(method: str) -> None:
    scenario = one_graph([(3, 7), (9, 2), (4, 5)], {(0, 1): 0, (1, 2): 0})
    assert makespan(*compiled(scenario), method) == 3 + 2 + 4


def test_a_critical_chain_stays_on_one_processor_in_cpop() -> None:
    scenario = one_graph([(3, 7), (9, 2), (4, 5)], {(0, 1): 0, (1, 2): 0})
    planned = plan(*compiled(scenario), "cpop")
    assert [task.processor for task in planned] == [1, 1, 1]


def test_cpop_leaves_the_processor_that_cannot_run_all_of_the_path() -> None:
    # P1 runs two of three tasks of the path, P2 one; the middle one finishes first on P2.
    scenario = one_graph([(3, None), (None, 2), (4, None)], {(0, 1): 0, (1, 2): 0})
    planned = plan(*compiled(scenario), "cpop")
    assert [task.processor for task in planned] == [0, 1, 0]


def test_min_min_and_max_min_differ_in_their_order() -> None:
    scenario = one_graph([(2, 2), (3, 3), (7, 7)], {})
    assert plan(*compiled(scenario), "min-min")[2] == Planned(2, 0, 2, 9)
    assert plan(*compiled(scenario), "max-min")[2] == Planned(2, 0, 0, 7)
    assert makespan(*compiled(scenario), "max-min") == 7


@METHOD
def test_independent_tasks_fill_all_slots(method: str) -> None:
    scenario = one_graph([(5,)] * 6, {}, capacity=3)
    assert makespan(*compiled(scenario), method) == 10


@METHOD
def test_shared_memory_delays_both_ways(method: str) -> None:
    talk = Communication(mode="shared-memory", memory={"P1": 2.0})
    scenario = one_graph([(3,), (4,)], {(0, 1): 10}, talk)
    assert makespan(*compiled(scenario), method) == 3 + 5 + 5 + 4


def naive_heft(graph: Graph, platform: Platform) -> list[Planned]:
    """HEFT by trying every start time at every processor, one tick after the other."""
    rank = upward_ranks(graph, platform)
    place = {task: i for i, task in enumerate(graph.order)}
    order = sorted(range(len(graph.tasks)), key=lambda task: (-rank[task], place[task]))
    done: dict[int, Planned] = {}

    def inputs_at(task: int, p: int) -> int:
        sources = [(done[before], volume) for before, volume in graph.inputs[task]]
        if not sources:
            return 0
        if not platform.shared:
            return max(s.finish + platform.transfer(v, s.processor, p) for s, v in sources)
        stored = max(s.finish + platform.through_memory(v, s.processor) for s, v in sources)
        return stored + max(platform.through_memory(v, p) for _, v in sources)

    def room(task: int, p: int, start: int) -> bool:
        end = start + graph.durations[task][p]
        return all(s.processor != p or end <= s.start or s.finish <= start for s in done.values())

    for task in order:
        options = []
        for p in graph.able[task]:
            start = inputs_at(task, p)
            while not room(task, p, start):
                start += 1
            options.append((start + graph.durations[task][p], p, start))
        finish, p, start = min(options)
        done[task] = Planned(task, p, start, finish)
    return [done[task] for task in range(len(graph.tasks))]


def simple(scenario: TaskGraphs) -> TaskGraphs:
    """One task at a time on each processor, and every task takes time."""
    processors = tuple(
        replace(
            processor,
            capacity=1,
            functions={
                name: Function(duration=max(function.duration, 1))
                for name, function in processor.functions.items()
            },
        )
        for processor in scenario.processors
    )
    return replace(scenario, processors=processors)


@given(scenario=STATIC.map(simple))
def test_heft_against_a_naive_one(scenario: TaskGraphs) -> None:
    # With several slots, and with tasks of no duration, where a gap is depends on the packing.
    graph, platform = compiled(scenario)
    assert plan(graph, platform, "heft") == naive_heft(graph, platform)
