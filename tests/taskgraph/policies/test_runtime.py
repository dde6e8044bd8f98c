"""Run-time heuristics: small cases by hand, and the same decisions as other code takes."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.taskgraph.check import check
from hocket.taskgraph.model.processors import Communication
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.policies.runtime import EFT, ETF, HEFTRT, MET, POLICIES, STF, Random
from hocket.taskgraph.roles import Assign, View
from hocket.taskgraph.simulate.world import simulate
from tests.taskgraph.deciders import DECIDERS, Adapted
from tests.taskgraph.strategies import scenarios
from tests.taskgraph.textbook import one_graph


def where(timeline: Timeline) -> dict[str, tuple[str, int, int]]:
    return {s.name: (s.lane, s.start, s.end) for s in timeline.spans("run")}


def reasons(timeline: Timeline) -> dict[str, str]:
    return {s.name: s.reason for s in timeline.spans("run")}


def bare(timeline: Timeline) -> list[Any]:
    """The timeline without the reasons."""
    spans = [span._replace(reason="") for span in timeline.spans()]
    return [spans, list(timeline.points()), list(timeline.gauges())]


@pytest.mark.parametrize("policy", [kind() for kind in POLICIES], ids=str)
@settings(max_examples=40)
@given(scenario=scenarios(), seed=st.integers(0, 3))
def test_any_scenario_is_played(policy: Any, scenario: TaskGraphs, seed: int) -> None:
    timeline = simulate(scenario, policy, seed=seed)
    assert check(scenario, timeline) == []
    assert simulate(scenario, policy, seed=seed).digest() == timeline.digest()


@pytest.mark.parametrize(
    ("name", "policy"), [("met", MET()), ("eft", EFT()), ("etf", ETF())], ids=str
)
@settings(max_examples=50)
@given(scenario=scenarios(), seed=st.integers(0, 3))
def test_same_as_written_out(name: str, policy: Any, scenario: TaskGraphs, seed: int) -> None:
    other: Any = Adapted(DECIDERS[name](scenario))
    assert bare(simulate(scenario, policy, seed=seed)) == bare(simulate(scenario, other, seed=seed))


def test_met_waits_for_the_fastest() -> None:
    timeline = simulate(one_graph([(5, 6), (5, 6), (7, 3)], {}), MET())
    assert where(timeline) == {"t0": ("P1", 0, 5), "t1": ("P1", 5, 10), "t2": ("P2", 0, 3)}
    assert reasons(timeline)["t2"] == "met: takes 3 on P2, least of 2"


def test_met_shares_equals_out() -> None:
    scenario = one_graph([(4, 4, 9)] * 4, {})
    assert [lane for lane, _, _ in where(simulate(scenario, MET())).values()] == [
        "P1",
        "P2",
        "P1",
        "P2",
    ]


def test_met_prefers_what_has_room() -> None:
    # When t1 becomes ready P1 is busy with t2, and P2 has room.
    scenario = one_graph([(9, 1), (4, 4), (9, None)], {(0, 1): 0})
    assert where(simulate(scenario, MET()))["t1"] == ("P2", 1, 5)


def test_eft_takes_tasks_in_turn_and_etf_the_earliest() -> None:
    scenario = one_graph([(8, 9), (2, 4)], {})
    assert where(simulate(scenario, EFT())) == {"t0": ("P1", 0, 8), "t1": ("P2", 0, 4)}
    timeline = simulate(scenario, ETF())
    assert where(timeline) == {"t1": ("P1", 0, 2), "t0": ("P2", 0, 9)}
    assert reasons(timeline) == {
        "t1": "etf: finishes at 2 on P1, least of 4",
        "t0": "etf: finishes at 9 on P2, least of 2",
    }


def test_eft_counts_transfers() -> None:
    scenario = one_graph([(2, 9), (6, 3)], {(0, 1): 4})
    assert where(simulate(scenario, EFT()))["t1"] == ("P1", 2, 8)  # on P2 it is done at 6 + 3
    near = replace(scenario, communication=Communication(default=4))
    assert where(simulate(near, EFT()))["t1"] == ("P2", 3, 6)


def test_eft_fills_all_places() -> None:
    scenario = one_graph([(5, 9)] * 3, {}, capacity=2)
    assert [lane for lane, _, _ in where(simulate(scenario, EFT())).values()] == [
        "P1.0",
        "P1.1",
        "P2.0",
    ]


def test_stf_starts_the_shortest() -> None:
    timeline = simulate(one_graph([(9, 7), (4, 5), (6, 3)], {}), STF())
    assert where(timeline) == {"t2": ("P2", 0, 3), "t1": ("P1", 0, 4), "t0": ("P2", 3, 10)}
    assert reasons(timeline)["t2"] == "stf: takes 3 on P2, shortest first"


def test_heft_rt_places_the_longest_first_and_ignores_transfers() -> None:
    timeline = simulate(one_graph([(2, 4), (8, 9)], {}), HEFTRT())
    assert where(timeline) == {"t1": ("P1", 0, 8), "t0": ("P2", 0, 4)}
    assert reasons(timeline)["t1"] == "heft-rt: rank 8.5, finishes at 8 on P1"
    far = one_graph([(2, 9), (6, 5)], {(0, 1): 40})
    assert where(simulate(far, HEFTRT()))["t1"] == ("P2", 42, 47)


def test_heft_rt_keeps_its_order_on_each_processor() -> None:
    # t1 is ready first and reckoned to run first; its inputs come late, and t3 waits for it.
    edges = {(0, 1): 20, (2, 3): 0}
    scenario = one_graph([(2, None), (None, 5), (None, 3), (None, 5)], edges)
    spans = where(simulate(scenario, HEFTRT()))
    assert spans["t1"] == ("P2", 22, 27)
    assert spans["t3"] == ("P2", 27, 32)


class Event(NamedTuple):
    task: Any
    start: int
    end: int


class TimelinesWithGaps:
    """HEFT_RT as described: one sorted list of events per processor, gaps searched from now."""

    name = "taskgraph/other"

    def begin(self, scenario: TaskGraphs, streams: Streams) -> TimelinesWithGaps:
        return self

    def schedule(self, view: View) -> list[Assign]:
        lists: list[list[Event]] = []
        for p, core in enumerate(view.cores):
            events = [Event(t, t.start, t.start + t.durations[p]) for t in core.running]
            for task in core.queue:
                start = events[-1].end if events else view.now
                events.append(Event(task, start, start + task.durations[p]))
            lists.append(events)
        for task in sorted(view.ready, key=lambda t: -t.job.graph.mean(t.index)):
            found = []
            for p in task.able:
                place = len(view.cores[p].running)
                while not self.fits(lists[p], place, view.now, task.durations[p]):
                    place += 1
                start = max([view.now, *(event.end for event in lists[p][:place])])
                found.append((start + task.durations[p], p, start, place))
            finish, p, start, place = min(found)
            lists[p].insert(place, Event(task, start, finish))
        answer = {}
        for p, events in enumerate(lists):
            after = None
            for event in events:
                answer[event.task.id] = Assign(event.task, p, after)
                if event.task.durations[p]:
                    after = event.task
        return [answer[task.id] for task in view.ready]

    def fits(self, events: list[Event], place: int, now: int, length: int) -> bool:
        """Whether it can stand there: before an event that begins late enough, or at the end."""
        begin = max([now, *(event.end for event in events[:place])])
        if place == len(events):
            return True
        # Those of no length at that very instant stay in front.
        return begin + length <= events[place].start and begin < events[place].end


def one_at_a_time(scenario: TaskGraphs) -> TaskGraphs:
    return replace(scenario, processors=tuple(replace(p, capacity=1) for p in scenario.processors))


@given(scenario=scenarios().map(one_at_a_time), seed=st.integers(0, 3))
def test_heft_rt_same_as_with_gaps(scenario: TaskGraphs, seed: int) -> None:
    other: Any = TimelinesWithGaps()
    assert bare(simulate(scenario, HEFTRT(), seed=seed)) == bare(
        simulate(scenario, other, seed=seed)
    )


def test_random_is_even_over_those_that_can() -> None:
    timeline = simulate(one_graph([(1, None, 1, 1)] * 900, {}), Random(), seed=3)
    counts = Counter(lane for lane, _, _ in where(timeline).values())
    assert set(counts) == {"P1", "P3", "P4"}
    assert all(250 < count < 350 for count in counts.values())
    assert (
        timeline.digest()
        == simulate(one_graph([(1, None, 1, 1)] * 900, {}), Random(), seed=3).digest()
    )
