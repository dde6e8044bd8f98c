"""Ranks against their definitions, written as recursions, and against paths."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given

from hocket.taskgraph.model.graph import NEVER, Graph, Platform
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.planning.listing import critical_path
from hocket.taskgraph.planning.ranks import (
    adjusted_median,
    downward_ranks,
    mean_delays,
    optimistic_costs,
    static_levels,
    upward_ranks,
)
from tests.taskgraph.strategies import scenarios
from tests.taskgraph.textbook import compiled, one_graph

STATIC = scenarios(static=True, most_types=1, most_tasks=8)


def mean(graph: Graph, task: int) -> Fraction:
    times = [ticks for ticks in graph.durations[task] if ticks != NEVER]
    return Fraction(sum(times), len(times))


def delay(platform: Platform, volume: float) -> Fraction:
    count = range(len(platform.names))
    found = [platform.delay(volume, a, b) for a in count for b in count if a != b]
    return Fraction(sum(found), len(found)) if found else Fraction(0)


def paths(graph: Graph, task: int) -> list[list[int]]:
    """All paths from a task to the end."""
    rest = [path for after, _ in graph.outputs[task] for path in paths(graph, after)]
    return [[task, *path] for path in rest] or [[task]]


def length(graph: Graph, platform: Platform, path: list[int]) -> Fraction:
    volumes = [dict(graph.outputs[a])[b] for a, b in pairwise(path)]
    return sum((mean(graph, t) for t in path), Fraction(0)) + sum(
        (delay(platform, v) for v in volumes), Fraction(0)
    )


@given(STATIC)
def test_mean_delay(scenario: TaskGraphs) -> None:
    graph, platform = compiled(scenario)
    fast = mean_delays(platform)
    for volume in {v for pairs in graph.outputs for _, v in pairs} | {0.0, 7.3}:
        assert fast(volume) == pytest.approx(float(delay(platform, volume)))
        assert fast(volume) == pytest.approx(platform.mean_delay(volume))


@given(STATIC)
def test_upward_rank_is_the_longest_path_to_the_end(scenario: TaskGraphs) -> None:
    graph, platform = compiled(scenario)
    for task, rank in enumerate(upward_ranks(graph, platform)):
        longest = max(length(graph, platform, path) for path in paths(graph, task))
        assert rank == pytest.approx(float(longest))


@given(STATIC)
def test_downward_rank_is_the_longest_path_from_the_beginning(scenario: TaskGraphs) -> None:
    graph, platform = compiled(scenario)

    def rank(task: int) -> Fraction:
        return max(
            (
                rank(before) + mean(graph, before) + delay(platform, volume)
                for before, volume in graph.inputs[task]
            ),
            default=Fraction(0),
        )

    expected = [float(rank(task)) for task in range(len(graph.tasks))]
    assert downward_ranks(graph, platform) == pytest.approx(expected)


@given(STATIC)
def test_critical_path_is_a_longest_one(scenario: TaskGraphs) -> None:
    graph, platform = compiled(scenario)
    path = critical_path(graph, platform, upward_ranks(graph, platform))
    entries = [task for task, inputs in enumerate(graph.inputs) if not inputs]
    longest = max(length(graph, platform, p) for task in entries for p in paths(graph, task))
    assert not graph.inputs[path[0]]
    assert not graph.outputs[path[-1]]
    assert float(length(graph, platform, path)) == pytest.approx(float(longest))


@given(STATIC)
def test_optimistic_costs_are_their_recursion(scenario: TaskGraphs) -> None:
    graph, platform = compiled(scenario)

    def cost(task: int, p: int) -> Fraction:
        def through(after: int, volume: float, w: int) -> Fraction:
            way = Fraction(platform.delay(volume, p, p)) if w == p else delay(platform, volume)
            return cost(after, w) + graph.durations[after][w] + way

        return max(
            (
                min(through(after, volume, w) for w in graph.able[after])
                for after, volume in graph.outputs[task]
            ),
            default=Fraction(0),
        )

    for task, row in enumerate(optimistic_costs(graph, platform)):
        for p, value in enumerate(row):
            wanted = float(cost(task, p)) if p in graph.able[task] else NEVER
            assert value == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("times", "median"),
    [
        ((3, 9, 5), 5),
        ((2, 4, 8, 100), 6),
        ((7, None, 3), 7),
        ((7, None, None), 7),  # the median is infinite: the longest finite one
        ((4, 6, None, None), 6),
        ((4, 6, 9, None), 7.5),
    ],
)
def test_adjusted_median(times: tuple[int | None, ...], median: float) -> None:
    graph, _ = compiled(one_graph([times, (1,) * len(times)], {}))
    assert adjusted_median(graph, 0) == median


def test_static_levels() -> None:
    graph, _ = compiled(one_graph([(2, 4), (6, 10), (1, 1)], {(0, 1): 50, (0, 2): 50}))
    assert static_levels(graph) == [3 + 8, 8, 1]
