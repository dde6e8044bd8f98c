"""The checker of applications: what the simulator plays is possible, what is changed is not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.check.analytics import check, idling
from hocket.cluster.generate.analytics import NAMED
from hocket.cluster.model.analytics import Analytics, Job, Overheads, Stage
from hocket.cluster.policies.cfq import CFQ
from hocket.cluster.policies.chance import Random
from hocket.cluster.policies.fair import UJF, Fair
from hocket.cluster.policies.fifo import FIFO
from hocket.cluster.policies.uwfq import UWFQ
from hocket.cluster.simulate.analytics import simulate
from hocket.core.policy import Policy
from hocket.core.timeline import Point, Span, Timeline
from tests.cluster.simulate.analytics_cases import applications

POLICIES = tuple(
    kind(partition=partition)
    for kind in (FIFO, Fair, UJF, CFQ, UWFQ, Random)
    for partition in (None, 0.7)
)

SCENARIO = Analytics(
    time_unit="s",
    cores=2,
    overheads=Overheads(job=1, stage=2, driver=1, task=1),
    jobs=(
        Job(
            name="a",
            user="ann",
            stages=(Stage(tasks=(4, 1, 2)), Stage(tasks=(3,), after=(0,), divisible=False)),
        ),
        Job(name="b", user="bob", stages=(Stage(tasks=(2, 2)), Stage(tasks=(1,)))),
        Job(name="c", user="ann", stages=(Stage(tasks=(1, 1)),), after="b", think=2),
    ),
)


def rules(scenario: Analytics, timeline: Timeline) -> set[str]:
    return {violation.rule for violation in check(scenario, timeline)}


def changed(
    timeline: Timeline,
    spans: Callable[[Span], Span | None] = lambda span: span,
    points: Callable[[Point], Point | None] = lambda point: point,
) -> Timeline:
    """The timeline with each span and point replaced; None drops it."""
    found = Timeline(timeline.unit, timeline.lanes)
    for span in timeline.spans():
        if (now := spans(span)) is not None:
            found.span(*now)
    for point in timeline.points():
        if (new := points(point)) is not None:
            found.point(*new)
    return found


@pytest.fixture
def played() -> Timeline:
    return simulate(SCENARIO, FIFO())


@given(applications(), st.sampled_from(POLICIES))
@settings(max_examples=200)
def test_whatever_the_simulator_plays_is_possible(scenario: Analytics, policy: Policy) -> None:
    assert check(scenario, simulate(scenario, policy)) == []


@pytest.mark.parametrize("name", ["s1", "s3", "s4"])
@pytest.mark.parametrize("policy", [Fair(), UWFQ(partition=0.5)], ids=["fair", "uwfq-p"])
def test_published_workloads_are_played_as_the_rules_say(name: str, policy: Policy) -> None:
    scenario = NAMED[name].make(3)
    assert check(scenario, simulate(scenario, policy)) == []


@given(applications(), st.data())
def test_a_task_that_is_moved_in_time_is_found(scenario: Analytics, data: st.DataObject) -> None:
    timeline = simulate(scenario, FIFO())
    spans = [*timeline.spans()]
    victim = data.draw(st.sampled_from(spans))
    by = data.draw(st.sampled_from([-3, -1, 1, 2, 7]))
    bad = changed(
        timeline,
        lambda span: (
            span._replace(start=span.start + by, end=span.end + by) if span == victim else span
        ),
    )
    # Tasks without any length are not compared with what else happens in their tick.
    lasting = all(span.end > span.start for span in spans)
    if lasting:  # a task that only starts later than it could is told of as an idle core
        assert check(scenario, bad) or idling(scenario, bad)


@given(applications(), st.data())
def test_a_task_that_takes_longer_or_shorter_is_found(
    scenario: Analytics, data: st.DataObject
) -> None:
    timeline = simulate(scenario, UJF(partition=data.draw(st.sampled_from([None, 0.7]))))
    victim = data.draw(st.sampled_from([*timeline.spans()]))
    by = data.draw(st.sampled_from([-1, 1, 4]))
    bad = changed(timeline, lambda s: s._replace(end=s.end + by) if s == victim else s)
    assert "duration" in rules(scenario, bad)


def test_tasks_missing_twice_or_unknown(played: Timeline) -> None:
    def drop(span: Span) -> Span | None:
        return None if (span.group, span.name) == ("a", "0.1") else span

    assert "missing" in rules(SCENARIO, changed(played, drop))
    twice = changed(played)
    twice.span(*next(played.spans()))
    assert {"twice", "core"} <= rules(SCENARIO, twice)
    for name in ("0", "0.x", "7.0", "-1.0", "0.1.2", "00.1"):
        strange = changed(played)
        strange.span("run", "core.0", "a", name, 90, 91)
        assert "unknown" in rules(SCENARIO, strange)
    strange = changed(played)
    strange.span("nap", "core.0", "a", "0.0", 90, 91)
    strange.point("oops", "", "a", "", 3)
    strange.point("done", "", "z", "", 3)
    assert "unknown" in rules(SCENARIO, strange)
    assert len(check(SCENARIO, strange)) == 3


def test_cores_hold_one_task_each_and_the_lowest_is_taken(played: Timeline) -> None:
    onto = changed(played, lambda s: s._replace(lane="core.0"))
    assert "core" in rules(SCENARIO, onto)
    for lane in ("core.2", "core.x", "node.1", "core.-1"):
        away = changed(played, lambda s, lane=lane: s._replace(lane=lane))
        assert "core" in rules(SCENARIO, away)
    swapped = {"core.0": "core.1", "core.1": "core.0"}
    assert "order" in rules(SCENARIO, changed(played, lambda s: s._replace(lane=swapped[s.lane])))
    single = Analytics(cores=2, jobs=(Job(name="a", user="u", stages=(Stage(tasks=(5,)),)),))
    second = changed(simulate(single, FIFO()), lambda s: s._replace(lane="core.1"))
    assert rules(single, second) == {"lowest"}


def test_a_core_that_idles_while_a_task_waits() -> None:
    scenario = Analytics(cores=2, jobs=(Job(name="a", user="u", stages=(Stage(tasks=(5, 5)),)),))
    timeline = Timeline("ms", ("core.0", "core.1"))
    timeline.point("submit", "", "a", "u", 0)
    timeline.point("queue", "", "a", "0", 0)
    timeline.span("run", "core.0", "a", "0.0", 0, 5)
    timeline.span("run", "core.0", "a", "0.1", 5, 10)
    timeline.point("done", "", "a", "", 10)
    assert check(scenario, timeline) == []
    assert [v.rule for v in idling(scenario, timeline)] == ["idle"]


def test_tasks_start_in_the_order_of_their_numbers() -> None:
    scenario = Analytics(cores=1, jobs=(Job(name="a", user="u", stages=(Stage(tasks=(5, 5)),)),))
    timeline = Timeline("ms", ("core.0",))
    timeline.point("submit", "", "a", "u", 0)
    timeline.point("queue", "", "a", "0", 0)
    timeline.span("run", "core.0", "a", "0.1", 0, 5)
    timeline.span("run", "core.0", "a", "0.0", 5, 10)
    timeline.point("done", "", "a", "", 10)
    assert rules(scenario, timeline) == {"order"}


@pytest.mark.parametrize(
    ("kind", "rule"), [("submit", "submit"), ("queue", "queue"), ("done", "done")]
)
def test_points_are_where_they_should_be(played: Timeline, kind: str, rule: str) -> None:
    for number in range(sum(1 for _ in played.points(kind))):
        victim = [*played.points(kind)][number]
        for by in (-1, 1):
            moved = changed(
                played,
                points=lambda p, v=victim, b=by: p._replace(time=p.time + b) if p == v else p,
            )
            assert rule in rules(SCENARIO, moved)
        dropped = changed(played, points=lambda p, v=victim: None if p == v else p)
        assert {"missing", rule} & rules(SCENARIO, dropped)
        twice = changed(played)
        twice.point(*victim)
        assert rule in rules(SCENARIO, twice)


def test_the_driver_queues_one_stage_after_another(played: Timeline) -> None:
    """Queued at once, in another order, or as if the driver took longer: none is possible."""
    quick = msgspec.structs.replace(SCENARIO, overheads=Overheads(job=2, stage=3, task=1))
    assert rules(SCENARIO, simulate(quick, FIFO())) == {"queue"}
    slow = msgspec.structs.replace(SCENARIO, overheads=Overheads(job=1, stage=2, driver=2, task=1))
    assert rules(SCENARIO, simulate(slow, FIFO())) == {"queue"}
    at = {(p.group, p.name): p.time for p in played.points("queue")}
    assert [at["a", "0"], at["b", "0"], at["b", "1"]] == [2, 3, 4]
    swapped = {("a", "0"): 3, ("b", "0"): 2}

    def swap(point: Point) -> Point:
        if point.kind != "queue":
            return point
        return point._replace(time=swapped.get((point.group, point.name), point.time))

    found = [v.message for v in check(SCENARIO, changed(played, points=swap)) if v.rule == "queue"]
    assert found == ["stage 0 of b is queued at 2 after one behind it"]


def test_a_job_belongs_to_its_user(played: Timeline) -> None:
    other = changed(played, points=lambda p: p._replace(name="eve") if p.kind == "submit" else p)
    assert rules(SCENARIO, other) == {"submit"}


def test_jobs_of_one_tick_are_numbered_in_the_order_of_the_scenario(played: Timeline) -> None:
    backwards = Timeline(played.unit, played.lanes)
    for span in played.spans():
        backwards.span(*span)
    for point in sorted(played.points(), key=lambda p: (p.time, p.kind != "submit", -ord(p.group))):
        backwards.point(*point)
    assert "number" in rules(SCENARIO, backwards)


def test_what_follows_a_job_without_length_may_come_behind_others_of_its_tick() -> None:
    """`b` comes at 2; so does `a`, but only when `z` has run there, which takes no time."""
    scenario = Analytics(
        cores=1,
        jobs=(
            Job(name="y", user="u", stages=(Stage(tasks=(2,)),)),
            Job(name="z", user="u", stages=(Stage(tasks=(0,)),)),
            Job(name="a", user="u", stages=(Stage(tasks=(1,)),), after="z"),
            Job(name="b", user="u", stages=(Stage(tasks=(1,)),), arrival=2),
        ),
    )
    timeline = simulate(scenario, FIFO())
    assert [p.group for p in timeline.points("submit")] == ["y", "z", "b", "a"]
    assert check(scenario, timeline) == []


def test_stages_that_cannot_be_cut_are_not() -> None:
    whole = Analytics(cores=2, jobs=(Job(name="a", user="u", stages=(Stage(tasks=(4,)),)),))
    stage = msgspec.structs.replace(whole.jobs[0].stages[0], divisible=False)
    job = msgspec.structs.replace(whole.jobs[0], stages=(stage,))
    solid = msgspec.structs.replace(whole, jobs=(job,))
    timeline = simulate(whole, FIFO(partition=0.002))
    assert len([*timeline.spans()]) == 2
    assert rules(whole, timeline) == set()
    assert rules(solid, timeline) == {"cut"}


def test_the_rounding_of_cut_stages_is_halves_up() -> None:
    scenario = Analytics(cores=1, jobs=(Job(name="a", user="u", stages=(Stage(tasks=(5,)),)),))

    def cut_into(*lengths: int) -> set[str]:
        timeline = Timeline("ms", ("core.0",))
        timeline.point("submit", "", "a", "u", 0)
        timeline.point("queue", "", "a", "0", 0)
        now = 0
        for task, length in enumerate(lengths):
            timeline.span("run", "core.0", "a", f"0.{task}", now, now + length)
            now += length
        timeline.point("done", "", "a", "", now)
        return rules(scenario, timeline)

    assert cut_into(3, 2) == set()  # 2.5, then 5
    assert cut_into(2, 3) == {"duration"}
    assert cut_into(2, 1, 2) == set()  # 1.67, 3.33, 5
    assert cut_into(2, 2, 1) == {"duration"}


def test_an_empty_timeline_misses_everything() -> None:
    assert rules(SCENARIO, Timeline("s")) == {"missing"}
