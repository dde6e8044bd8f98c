from collections.abc import Iterable
from typing import ClassVar

import pytest

from hocket.core.errors import Deadlock, IllegalDecision, InputError
from hocket.core.kernel import Kernel
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.core.timeline import Gauge, Span
from hocket.shop.model import Activity, Lag, Mode, Project, Resource
from hocket.shop.policies.project import LFT
from hocket.shop.simulate.project import Begin, ProjectView, simulate


class Scripted(Policy, frozen=True, kw_only=True):
    """Starts what the script says, at the times it says."""

    name: ClassVar[str] = "test/scripted"
    script: tuple[tuple[int, int, int], ...] = ()  # (time, activity, mode)

    def begin(self, scenario: Project, streams: Streams) -> "_Reader":
        return _Reader(self.script)


class _Reader:
    def __init__(self, script: Iterable[tuple[int, int, int]]) -> None:
        self.script = list(script)
        self.seen: list[tuple[int, tuple[tuple[int, int], ...]]] = []

    def choose(self, view: ProjectView) -> Begin | None:
        self.seen.append((view.now, view.eligible))
        if not self.script or self.script[0][0] > view.now:
            return None
        _, activity, mode = self.script.pop(0)
        return Begin(activity, mode, "as written")


def job(name: str, duration: int, crew: int = 1, **other: int) -> Activity:
    return Activity(name=name, modes=(Mode(duration=duration, demands={"crew": crew}),), **other)


def project(*activities: Activity, crew: int = 2, lags: tuple[Lag, ...] = ()) -> Project:
    return Project(
        activities=activities, resources=(Resource(name="crew", capacity=crew),), lags=lags
    )


def test_a_worked_example_with_its_spans_and_gauges() -> None:
    house = project(
        job("walls", 3, crew=2),
        job("roof", 2),
        job("garden", 4, release=1),
        lags=(Lag(before="walls", after="roof"),),
    )
    timeline = simulate(house, Scripted(script=((0, 0, 0), (3, 2, 0), (3, 1, 0))))
    assert list(timeline.spans()) == [
        Span("run", "crew", "walls", "walls", 0, 3, "as written"),
        Span("run", "crew", "garden", "garden", 3, 7, "as written"),
        Span("run", "crew", "roof", "roof", 3, 5, "as written"),
    ]
    assert list(timeline.gauges()) == [
        Gauge("usage", "crew", time, value) for time, value in ((0, 0), (0, 2), (5, 1), (7, 0))
    ]
    assert timeline.lanes == ("crew",)


def test_decisions_are_taken_at_releases_finishes_and_when_lags_have_elapsed() -> None:
    policy = Scripted(script=((0, 0, 0), (7, 1, 0), (9, 2, 0)))
    reader = policy.begin(project(job("a", 1)), Streams(0))

    class Watched(Scripted, frozen=True, kw_only=True):
        def begin(self, scenario: Project, streams: Streams) -> _Reader:
            return reader

    simulate(
        project(
            job("a", 3),
            job("b", 2, release=5),
            job("c", 1),
            lags=(Lag(before="a", after="c", least=4),),
        ),
        Watched(),
    )
    assert reader.seen == [
        (0, ((0, 0),)),
        (5, ((1, 0),)),
        (7, ((1, 0), (2, 0))),
        (7, ((2, 0),)),
        (9, ((2, 0),)),
    ]


def test_activities_without_duration_let_their_successors_start_at_once() -> None:
    chain = project(
        job("start", 0),
        job("work", 2),
        job("end", 0),
        lags=(Lag(before="start", after="work"), Lag(before="work", after="end")),
    )
    spans = [(s.group, s.start, s.end) for s in simulate(chain, LFT()).spans()]
    assert spans == [("start", 0, 0), ("work", 0, 2), ("end", 2, 2)]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ([(0, 7, 0)], "there are 3 activities"),
        ([(0, -1, 0)], "there are 3 activities"),
        ([(0, 0, 4)], "it has 1 modes"),
        ([(0, 1, 0)], "it has to wait for 'a', which has not started"),
        ([(0, 0, 0), (0, 1, 0)], "its release and time lags allow it from 3 on"),
        ([(0, 0, 0), (0, 0, 0)], "it started at 0"),
        ([(0, 0, 0), (0, 2, 0)], "'c' needs 2 of 'crew', 1 are free"),
    ],
)
def test_illegal_decisions_name_the_policy_and_the_reason(
    script: list[tuple[int, int, int]], why: str
) -> None:
    work = project(
        job("a", 3), job("b", 2), job("c", 2, crew=2), lags=(Lag(before="a", after="b"),)
    )
    # While nothing else is eligible the simulator does not ask, so keep something to start.
    wider = Project(
        activities=work.activities, resources=work.resources, lags=work.lags, name="wider"
    )
    if why.startswith(("its release", "it started", "'c' needs")):
        extra = (*wider.activities, job("d", 1))
        wider = Project(activities=extra, resources=wider.resources, lags=wider.lags)
    with pytest.raises(IllegalDecision, match="test/scripted") as caught:
        simulate(wider, Scripted(script=tuple(script)))
    assert caught.value.why == why


def test_a_decision_of_another_type_is_illegal() -> None:
    class Odd(Policy, frozen=True, kw_only=True):
        name: ClassVar[str] = "test/odd"

        def begin(self, scenario: Project, streams: Streams) -> "Odd":
            return self

        def choose(self, view: ProjectView) -> object:
            return (0, 0)

    with pytest.raises(IllegalDecision, match=r"test/odd decided \(0, 0\) at time 0"):
        simulate(project(job("a", 1)), Odd())


def test_waiting_for_nothing_is_illegal() -> None:
    with pytest.raises(IllegalDecision, match="to wait at time 0") as caught:
        simulate(project(job("a", 1)), Scripted())
    assert "nothing is in progress" in caught.value.why


def test_a_maximum_lag_that_cannot_be_kept_is_a_deadlock_with_its_reason() -> None:
    tied = project(
        job("dig", 2),
        job("pour", 2, crew=2),
        job("other", 6),
        lags=(Lag(before="dig", after="pour", most=1),),
    )
    with pytest.raises(Deadlock, match="'pour' had to start by 3, because 'dig' has started"):
        simulate(tied, Scripted(script=((0, 0, 0), (0, 2, 0))))
    timeline = simulate(tied, Scripted(script=((0, 0, 0), (2, 1, 0), (4, 2, 0))))
    assert timeline.end == 10


def test_a_maximum_lag_can_order_activities_backwards() -> None:
    tied = project(
        job("a", 2),
        job("b", 5),
        lags=(Lag(before="a", after="b", since="start", of="finish", most=4),),
    )
    # b takes 5 and must be done 4 after a starts, so a waits for b.
    assert [(s.group, s.start) for s in simulate(tied, LFT()).spans()] == [("b", 0), ("a", 1)]
    with pytest.raises(IllegalDecision, match="it has to wait for 'b'"):
        simulate(tied, Scripted(script=((0, 0, 0),)))


def test_a_mode_that_would_break_a_maximum_lag_at_once_is_not_eligible() -> None:
    slow_or_fast = Activity(name="b", modes=(Mode(duration=9), Mode(duration=3)))
    tied = project(
        job("a", 2),
        slow_or_fast,
        lags=(Lag(before="a", after="b", since="start", of="finish", most=5),),
    )
    timeline = simulate(tied, Scripted(script=((0, 0, 0), (0, 1, 1))))
    assert [s.name for s in timeline.spans()] == ["a", "mode 2"]
    with pytest.raises(IllegalDecision, match="a maximum time lag could no longer be kept"):
        simulate(tied, Scripted(script=((0, 0, 0), (0, 1, 0))))


def test_stocks_are_kept_for_the_cheapest_modes_of_the_rest() -> None:
    ways = (
        Mode(duration=1, demands={"money": 5}, name="fast"),
        Mode(duration=3, demands={"money": 2}, name="slow"),
    )
    both = Project(
        activities=(Activity(name="a", modes=ways), Activity(name="b", modes=ways)),
        resources=(Resource(name="money", capacity=7, renewable=False),),
    )
    timeline = simulate(both, Scripted(script=((0, 0, 0), (0, 1, 1))))
    assert [(s.group, s.name, s.lane) for s in timeline.spans()] == [
        ("a", "fast", "project"),
        ("b", "slow", "project"),
    ]
    assert timeline.lanes == ("project",)
    assert list(timeline.gauges())[-1] == Gauge("usage", "money", 0, 7)
    with pytest.raises(IllegalDecision, match="too little would be left") as caught:
        simulate(both, Scripted(script=((0, 0, 0), (0, 1, 0))))
    assert "2 of 'money' left" in str(caught.value)


def test_a_stock_that_can_never_suffice_is_a_deadlock() -> None:
    dear = Project(
        activities=tuple(
            Activity(name=n, modes=(Mode(duration=1, demands={"money": 2}),)) for n in "ab"
        ),
        resources=(Resource(name="money", capacity=3, renewable=False),),
    )
    with pytest.raises(Deadlock, match="the cheapest modes of all that is left need 4"):
        simulate(dear, LFT())


def test_contradictory_lags_are_an_input_error() -> None:
    loop = project(
        job("a", 3),
        job("b", 1),
        lags=(
            Lag(before="a", after="b", since="start", most=1, least=1),
            Lag(before="a", after="b"),
        ),
    )
    with pytest.raises(InputError, match="the time lags contradict each other by 2"):
        simulate(loop, LFT())


def test_activities_that_must_start_together_can() -> None:
    pair = project(
        job("a", 3), job("b", 2), lags=(Lag(before="a", after="b", since="start", most=0),)
    )
    assert [(s.group, s.start) for s in simulate(pair, LFT()).spans()] == [("b", 0), ("a", 0)]


def test_the_lane_is_the_resource_with_the_largest_share() -> None:
    mode = Mode(duration=1, demands={"crew": 3, "crane": 1, "money": 9})
    one = Project(
        activities=(Activity(name="a", modes=(mode,)),),
        resources=(
            Resource(name="crew", capacity=4),
            Resource(name="crane", capacity=1),
            Resource(name="money", capacity=9, renewable=False),
        ),
    )
    assert [s.lane for s in simulate(one, LFT()).spans()] == ["crane"]


def test_the_view_tells_what_is_free_running_and_done() -> None:
    seen = []

    class Curious(Policy, frozen=True, kw_only=True):
        name: ClassVar[str] = "test/curious"

        def begin(self, scenario: Project, streams: Streams) -> "Curious":
            return self

        def choose(self, view: ProjectView) -> Begin | None:
            seen.append((view.now, view.free, view.left, view.start, view.running, view.latest))
            return Begin(*view.eligible[0])

    work = project(job("a", 3), job("b", 2, crew=2), lags=(Lag(before="a", after="b", most=4),))
    simulate(work, Curious())
    assert seen == [
        (0, (2,), (), (None, None), (), (None, None)),
        (3, (2,), (), (0, None), (), (None, 7)),
    ]


def test_a_kernel_may_be_shared() -> None:
    kernel = Kernel("h")
    ticks = []
    for time in (1, 2, 5):
        kernel.at(time, ticks.append, time)
    timeline = simulate(project(job("a", 3)), LFT(), kernel=kernel)
    assert ticks == [1, 2, 5]
    assert timeline.end == 3
