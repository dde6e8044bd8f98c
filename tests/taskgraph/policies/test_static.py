"""Plans that are played: the simulator keeps the times of a plan, alone and in streams."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hocket.core.timeline import Span
from hocket.taskgraph.check import check
from hocket.taskgraph.generate.streams import Top
from hocket.taskgraph.model.jobs import Listed, Release
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.planning.listing import METHODS, makespan, plan
from hocket.taskgraph.planning.progress import Plan
from hocket.taskgraph.planning.timetable import Slot
from hocket.taskgraph.policies import static
from hocket.taskgraph.policies.static import HEFT, POLICIES, Static
from hocket.taskgraph.record import processor_of
from hocket.taskgraph.simulate.world import simulate
from tests.taskgraph.strategies import scenarios
from tests.taskgraph.textbook import TOPCUOGLU, compiled, one_graph

EACH = pytest.mark.parametrize("policy", [kind() for kind in POLICIES], ids=str)


def label(policy: Static) -> str:
    return policy.name.rpartition("/")[2]


def certain(scenario: TaskGraphs) -> TaskGraphs:
    """The scenario with nothing that makes tasks last longer or shorter than planned."""
    processors = tuple(
        replace(processor, governor="performance", frequency=None)
        for processor in scenario.processors
    )
    return replace(scenario, processors=processors, noise=0.0)


def test_every_method_has_its_policy() -> None:
    assert [label(kind()) for kind in POLICIES] == list(METHODS)


def test_heft_plays_the_textbook_schedule() -> None:
    spans = sorted(
        simulate(TOPCUOGLU, HEFT()).spans("run"), key=lambda span: (span.lane, span.start)
    )
    assert [(s.lane, s.name, s.start, s.end) for s in spans] == [
        ("P1", "t1", 27, 40),
        ("P1", "t7", 57, 62),
        ("P2", "t3", 18, 26),
        ("P2", "t5", 26, 42),
        ("P2", "t8", 56, 68),
        ("P2", "t9", 73, 80),
        ("P3", "t0", 0, 9),
        ("P3", "t2", 9, 28),
        ("P3", "t4", 28, 38),
        ("P3", "t6", 38, 49),
    ]
    assert spans[0].reason == "heft: planned from 27 to 40"


@EACH
@settings(max_examples=50)
@given(scenario=scenarios(static=True, most_types=1, most_tasks=9))
def test_one_graph_is_played_as_planned(policy: Static, scenario: TaskGraphs) -> None:
    graph, platform = compiled(scenario)
    timeline = simulate(scenario, policy)
    where = processor_of(scenario)
    played = sorted((s.name, where[s.lane].name, s.start, s.end) for s in timeline.spans("run"))
    planned = plan(graph, platform, label(policy))
    assert played == sorted(
        (graph.tasks[task], platform.names[p], start, end) for task, p, start, end in planned
    )
    assert timeline.end == makespan(graph, platform, label(policy))


@EACH
@settings(max_examples=40)
@given(scenario=scenarios(), seed=st.integers(0, 3))
def test_any_scenario_is_played(policy: Static, scenario: TaskGraphs, seed: int) -> None:
    timeline = simulate(scenario, policy, seed=seed)
    assert check(scenario, timeline) == []


@EACH
@settings(max_examples=40)
@given(scenario=scenarios().map(certain), seed=st.integers(0, 3))
def test_no_later_job_delays_what_is_planned(
    policy: Static, scenario: TaskGraphs, seed: int
) -> None:
    for span in simulate(scenario, policy, seed=seed).spans("run"):
        assert span.reason == f"{label(policy)}: planned from {span.start} to {span.end}"


@settings(max_examples=60)
@given(scenario=scenarios(), seed=st.integers(0, 3))
def test_moving_a_plan_that_is_kept_changes_nothing(scenario: TaskGraphs, seed: int) -> None:
    timeline = simulate(scenario, HEFT(), seed=seed)

    class AlwaysMoved(Plan):
        def _forget(self, slot: Slot) -> bool:
            super()._forget(slot)
            return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(static, "Plan", AlwaysMoved)
        assert simulate(scenario, HEFT(), seed=seed) == timeline


@EACH
def test_jobs_far_apart_are_planned_alone(policy: Static) -> None:
    alone = makespan(*compiled(TOPCUOGLU), label(policy))
    jobs = tuple(Release(type="G", time=time) for time in (0, 500, 1000))
    timeline = simulate(replace(TOPCUOGLU, arrivals=Listed(jobs=jobs)), policy)
    assert [point.time for point in timeline.points("done")] == [alone, 500 + alone, 1000 + alone]


def test_a_second_job_goes_into_the_gaps_of_the_first() -> None:
    # The first job leaves P2 idle from 0 to 14 + 10 and is not delayed; the second fits.
    two = one_graph([(4, 20), (20, 3)], {(0, 1): 10})
    one = one_graph([(30, 5)], {})
    kind = replace(one.types[0], name="H", tasks=one.types[0].tasks)
    functions = [
        {**p.functions, "h": q.functions["t0"]}
        for p, q in zip(two.processors, one.processors, strict=True)
    ]
    task = replace(kind.tasks[0], function="h")
    scenario = replace(
        two,
        types=(*two.types, replace(kind, tasks=(task,))),
        processors=tuple(
            replace(p, functions=f) for p, f in zip(two.processors, functions, strict=True)
        ),
        arrivals=Listed(jobs=(Release(type="G"), Release(type="H", time=3))),
    )
    timeline = simulate(scenario, HEFT())
    spans = {(s.group, s.name): (s.lane, s.start, s.end) for s in timeline.spans("run")}
    assert spans["G#0", "t1"] == ("P2", 14, 17)
    assert spans["H#1", "t0"] == ("P2", 3, 8)


@pytest.mark.parametrize("late", [True, False])
def test_what_differs_from_the_plan_is_moved(late: bool) -> None:
    chain = one_graph([(10,), (10,)], {(0, 1): 0})

    def play(second: int, seed: int) -> dict[tuple[str, str], Span]:
        jobs = (Release(type="G"), Release(type="G", time=second))
        timeline = simulate(
            replace(chain, noise=0.3, arrivals=Listed(jobs=jobs)), HEFT(), seed=seed
        )
        return {(span.group, span.name): span for span in timeline.spans("run")}

    def fits(spans: dict[tuple[str, str], Span]) -> bool:
        return spans["G#0", "t0"].end == end and spans["G#0", "t1"].end > 16

    # The first task ends at 14 or at 7 instead of 10: at 5 nothing is known of that, at 16 it is.
    end = 14 if late else 7
    seed = next(s for s in range(500) if fits(play(5, s)))
    assert play(5, seed)["G#1", "t0"].reason == "heft: planned from 20 to 30"
    then = f"heft: planned from {end + 10} to {end + 20}"
    assert play(16, seed)["G#1", "t0"].reason == then


@EACH
def test_full_systems_and_prefill(policy: Static) -> None:
    scenario = Top(profiles=5, horizon=2000).make()
    timeline = simulate(scenario, policy, seed=1)
    assert check(scenario, timeline) == []
    assert max(gauge.value for gauge in timeline.gauges("jobs")) == 3
    assert sum(1 for _ in timeline.points("blocked")) > 0
    assert sum(1 for _ in timeline.points("done")) > 15
    assert simulate(scenario, policy, seed=1).digest() == timeline.digest()
