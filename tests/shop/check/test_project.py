import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hocket.core.timeline import Timeline
from hocket.shop.check.project import check
from hocket.shop.model import Activity, Lag, Mode, Project, Resource
from hocket.shop.policies.project import ProjectRandom
from hocket.shop.simulate.project import simulate
from hocket.solvers.mode_choice import thrifty_modes
from tests.shop import projects


def rules(project: Project, timeline: Timeline) -> set[str]:
    return {violation.rule for violation in check(project, timeline)}


def drawn(*spans: tuple[str, str, int, int]) -> Timeline:
    timeline = Timeline()
    for group, name, start, end in spans:
        timeline.span("run", "crew", group, name, start, end)
    return timeline


HOUSE = Project(
    activities=(
        Activity(
            name="walls",
            modes=(
                Mode(duration=3, demands={"crew": 1, "money": 3}, name="fast"),
                Mode(duration=5, demands={"crew": 1, "money": 1}, name="slow"),
            ),
        ),
        Activity(name="roof", modes=(Mode(duration=2, demands={"crew": 2}),), release=1),
        Activity(name="party", modes=(Mode(duration=0, demands={"money": 2}),)),
    ),
    resources=(
        Resource(name="crew", capacity=2),
        Resource(name="money", capacity=4, renewable=False),
    ),
    lags=(Lag(before="walls", after="roof", least=1, most=3),),
)


@pytest.mark.parametrize(
    ("spans", "broken"),
    [
        ([("walls", "slow", 0, 5), ("roof", "roof", 6, 8), ("party", "party", 8, 8)], set()),
        ([("walls", "slow", 0, 5), ("roof", "roof", 6, 8)], {"missing"}),
        ([("walls", "cheap", 0, 5), ("roof", "roof", 6, 8), ("party", "party", 8, 8)], {"mode"}),
        ([("walls", "slow", 0, 4), ("roof", "roof", 5, 7), ("party", "party", 8, 8)], {"duration"}),
        ([("walls", "slow", 0, 5), ("roof", "roof", 5, 7), ("party", "party", 8, 8)], {"lag"}),
        ([("walls", "slow", 0, 5), ("roof", "roof", 9, 11), ("party", "party", 8, 8)], {"lag"}),
        ([("walls", "fast", 0, 3), ("roof", "roof", 4, 6), ("party", "party", 8, 8)], {"stock"}),
        (
            [("walls", "slow", 0, 5), ("roof", "roof", 0, 2), ("party", "party", 8, 8)],
            {"lag", "release", "capacity"},
        ),
        (
            [("walls", "slow", -1, 4), ("roof", "roof", 6, 8), ("party", "party", 8, 8)],
            {"release"},
        ),
        (
            [
                ("walls", "slow", 0, 5),
                ("roof", "roof", 6, 8),
                ("roof", "roof", 8, 10),
                ("party", "party", 8, 8),
                ("cellar", "cellar", 0, 1),
            ],
            {"twice", "unknown"},
        ),
    ],
)
def test_every_rule_is_told_apart(spans: list[tuple[str, str, int, int]], broken: set[str]) -> None:
    assert rules(HOUSE, drawn(*spans)) == broken


def test_other_kinds_of_span_do_not_count() -> None:
    timeline = drawn(("walls", "slow", 0, 5), ("roof", "roof", 6, 8), ("party", "party", 8, 8))
    timeline.span("down", "crew", "walls", "slow", 5, 6)
    assert check(HOUSE, timeline) == []


def test_a_need_beyond_the_capacity_counts_even_without_duration() -> None:
    glance = Activity(name="a", modes=(Mode(duration=0, demands={"crew": 3}),))
    project = Project(activities=(glance,), resources=(Resource(name="crew", capacity=2),))
    assert rules(project, drawn(("a", "a", 4, 4))) == {"capacity"}


def test_messages_say_who_when_and_how_much() -> None:
    timeline = drawn(("walls", "slow", 0, 5), ("roof", "roof", 4, 6), ("party", "party", 8, 8))
    assert [str(v) for v in check(HOUSE, timeline)] == [
        "lag: the start of 'roof' is -1 after the finish of 'walls', at least 1 is required",
        "capacity: at 4, 'walls', 'roof' need 3 of 'crew', which has 2",
    ]


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3), st.integers(0, 2)), max_size=4),
)
def test_a_mutated_schedule_is_judged_as_by_trying_every_tick(
    seed: int, changes: list[tuple[int, int, int]]
) -> None:
    """Shift activities and swap modes: the checker agrees with the definitions on what results."""
    project = projects.small(random.Random(seed), activities=5, modes=3, lags=False)
    assume(thrifty_modes(project.network()) is not None)
    plan = projects.plan_of(project, simulate(project, ProjectRandom(), seed=seed))
    for i, shift, mode in changes:
        start, _ = plan[i]
        plan[i] = (start + shift, mode % len(project.activities[i].modes))
    timeline = Timeline()
    for activity, (start, k) in zip(project.activities, plan, strict=True):
        end = start + activity.modes[k].duration
        timeline.span("run", "", activity.name, activity.label(k), start, end)
    assert (check(project, timeline) == []) == projects.feasible(project, plan)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 500), st.lists(st.integers(0, 8), min_size=4, max_size=4))
def test_lags_are_judged_as_by_definition(seed: int, starts: list[int]) -> None:
    project = projects.small(random.Random(seed), activities=4, modes=1)
    plan = [(start, 0) for start in starts]
    timeline = Timeline()
    for activity, start in zip(project.activities, starts, strict=True):
        end = start + activity.modes[0].duration
        timeline.span("run", "", activity.name, activity.label(0), start, end)
    assert (check(project, timeline) == []) == projects.feasible(project, plan)
