"""The simulator gives the very timeline of the rules played tick by tick, on any scenario."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.load import load_policy
from hocket.taskgraph.check import check
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.simulate.world import simulate
from tests.taskgraph.deciders import DECIDERS, Adapted
from tests.taskgraph.oracle import Look, TickByTick
from tests.taskgraph.strategies import scenarios


def same(scenario: TaskGraphs, name: str, seed: int) -> None:
    """Both show a scheduler the same, and record the same."""
    seen: list[Look] = []
    decide = DECIDERS[name](scenario)

    def noting(look: Look) -> list[tuple[str, int, str]]:
        seen.append(look)
        answer: list[tuple[str, int, str]] = decide(look)
        return answer

    expected = TickByTick(scenario, noting, seed).play()
    policy = Adapted(DECIDERS[name](scenario))
    timeline = simulate(scenario, policy, seed=seed)  # type: ignore[arg-type]  # no struct
    assert policy.seen == seen
    assert timeline.columns() == expected.columns()
    assert timeline == expected
    assert check(scenario, timeline) == []


@pytest.mark.parametrize("name", DECIDERS)
@settings(max_examples=100)
@given(scenario=scenarios(), seed=st.integers(0, 3))
def test_event_driven_equals_tick_driven(name: str, scenario: TaskGraphs, seed: int) -> None:
    same(scenario, name, seed)


@pytest.mark.parametrize("name", ["met", "eft", "etf"])
@settings(max_examples=60)
@given(scenario=scenarios(), seed=st.integers(0, 3))
def test_run_time_heuristics_do_what_their_plain_forms_do(
    name: str, scenario: TaskGraphs, seed: int
) -> None:
    expected = TickByTick(scenario, DECIDERS[name](scenario), seed).play()
    timeline = simulate(scenario, load_policy(f"taskgraph/{name}"), seed=seed)
    assert [span._replace(reason="") for span in timeline.spans()] == [*expected.spans()]
    assert [*timeline.points()] == [*expected.points()]
