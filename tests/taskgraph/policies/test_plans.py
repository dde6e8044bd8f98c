"""Following a given schedule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hocket.core.errors import InputError, NotApplicable
from hocket.core.timeline import Timeline
from hocket.taskgraph.generate.streams import Top
from hocket.taskgraph.model.jobs import Listed, Release, Stream
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.policies.plans import FollowPlan
from hocket.taskgraph.policies.runtime import ETF, Random
from hocket.taskgraph.policies.static import HEFT
from hocket.taskgraph.simulate.world import simulate
from tests.taskgraph.strategies import listed, scenarios
from tests.taskgraph.textbook import TOPCUOGLU, one_graph

PLAIN = one_graph([(4, 9), (9, 3)], {(0, 1): 5})


def spans(timeline: Timeline) -> list[tuple[str, str, int, int]]:
    return sorted((s.group, s.name, s.start, s.end) for s in timeline.spans("run"))


@st.composite
def known(draw: st.DrawFn) -> TaskGraphs:
    """Listed jobs, none of them cut off."""
    scenario = draw(scenarios())
    arrivals = draw(listed(scenario.types))
    return replace(scenario, arrivals=arrivals, horizon=None)


@given(scenarios(static=True), st.integers(0, 3))
def test_a_static_schedule_is_never_worse_when_followed(scenario: TaskGraphs, seed: int) -> None:
    timeline = simulate(scenario, Random(), seed=seed)
    again = simulate(scenario, FollowPlan.of(timeline))
    ends = {(group, name): end for group, name, _, end in spans(timeline)}
    assert all(end <= ends[group, name] for group, name, _, end in spans(again))
    # What is as early as its order allows stays where it is.
    assert spans(simulate(scenario, FollowPlan.of(again))) == spans(again)


@given(scenarios(static=True))
def test_a_schedule_of_heft_is_repeated(scenario: TaskGraphs) -> None:
    timeline = simulate(scenario, HEFT())
    assert spans(simulate(scenario, FollowPlan.of(timeline))) == spans(timeline)


@settings(max_examples=60)
@given(known(), st.integers(0, 3))
def test_order_is_kept_under_other_luck(scenario: TaskGraphs, seed: int) -> None:
    followed = FollowPlan.of(simulate(scenario, ETF(), seed=seed))
    timeline = simulate(scenario, followed, seed=seed + 1)
    place = {
        name: (lane, i)
        for lane, names in followed.sequences.items()
        for i, name in enumerate(names)
    }
    ran = [(place[f"{s.group}/{s.name}"], s.start, s.end) for s in timeline.spans("run")]
    for (lane, i), start, _ in ran:
        earlier = [end for (other, j), _, end in ran if other == lane and j < i]
        assert start >= max(earlier, default=0)


def test_reasons_and_text() -> None:
    policy = FollowPlan.of(simulate(PLAIN, HEFT()))
    assert policy == FollowPlan(sequences={"P1": ("G#0/t0",), "P2": ("G#0/t1",)})
    both = FollowPlan(sequences={"P1": ("G#0/t0", "G#0/t1")})
    reasons = [span.reason for span in simulate(PLAIN, both).spans("run")]
    assert reasons == ["first in the plan", "planned behind G#0/t0"]


def test_a_task_waits_for_one_of_a_job_that_has_not_come() -> None:
    scenario = replace(
        one_graph([(4,)], {}), arrivals=Listed(jobs=(Release(type="G"), Release(type="G", time=9)))
    )
    plan = FollowPlan(sequences={"P1": ("G#1/t0", "G#0/t0")})
    assert spans(simulate(scenario, plan)) == [("G#0", "t0", 13, 17), ("G#1", "t0", 9, 13)]


def test_numbers_count_arrivals() -> None:
    jobs = (Release(type="G", time=9), Release(type="G"))
    scenario = replace(one_graph([(4,)], {}), arrivals=Listed(jobs=jobs))
    plan = FollowPlan(sequences={"P1": ("G#0/t0", "G#1/t0")})
    assert spans(simulate(scenario, plan)) == [("G#0", "t0", 0, 4), ("G#1", "t0", 9, 13)]


def test_all_that_does_not_fit_is_told() -> None:
    scenario = one_graph([(4, None), (9, 3)], {(0, 1): 5})
    plan = FollowPlan(sequences={"P2": ("G#0/t0", "G#0/t0", "G#0/tx"), "P9": ()})
    with pytest.raises(InputError) as caught:
        simulate(scenario, plan)
    assert [str(problem) for problem in caught.value.problems] == [
        "there is no processor or slot 'P9'",
        "P2 cannot run 'G#0/t0'",
        "there is no task 'G#0/tx'",
        "task 'G#0/t1' is not planned",
        "'G#0/t0' is planned twice",
    ]


def test_slots_have_their_own_order() -> None:
    scenario = one_graph([(4,), (6,), (3,)], {}, capacity=2)
    plan = FollowPlan(sequences={"P1.0": ("G#0/t0", "G#0/t2"), "P1.1": ("G#0/t1",)})
    assert [(name, start) for _, name, start, _ in spans(simulate(scenario, plan))] == [
        ("t0", 0),
        ("t1", 0),
        ("t2", 4),
    ]
    with pytest.raises(InputError, match="no processor or slot 'P1'"):
        simulate(scenario, FollowPlan(sequences={"P1": ("G#0/t0", "G#0/t1", "G#0/t2")}))


def test_streams_are_refused() -> None:
    scenario = Top().make()
    assert isinstance(scenario.arrivals, Stream)
    assert "drawn at random" in FollowPlan().refuses(scenario)
    assert FollowPlan().refuses(TOPCUOGLU) == ""
    with pytest.raises(NotApplicable, match="taskgraph/plan cannot schedule this: its jobs are"):
        simulate(scenario, FollowPlan())
