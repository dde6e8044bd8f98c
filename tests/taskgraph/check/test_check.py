"""The checker accepts what is possible and names what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hocket.core.timeline import Gauge, Point, Span
from hocket.taskgraph.check import check
from hocket.taskgraph.model.jobs import Listed, Release, Stream
from hocket.taskgraph.model.processors import Communication, OperatingPoint, Sampling
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.simulate.world import simulate
from tests.taskgraph.deciders import Adapted, Whim
from tests.taskgraph.records import Pieces, right, small
from tests.taskgraph.strategies import scenarios


def broken(pieces: Pieces, scenario: TaskGraphs | None = None) -> list[str]:
    """The rules that a run breaks."""
    found = check(scenario or small(), pieces.timeline)
    return sorted({violation.rule for violation in found})


def test_the_right_run_is_accepted() -> None:
    assert broken(right()) == []


def span(task: str, **changes: Any) -> Pieces:
    """The right run with a changed span."""
    pieces = right()
    pieces.spans = [s._replace(**changes) if s.name == task else s for s in pieces.spans]
    return pieces


def without(kind: str) -> Pieces:
    """The right run without its spans, points or gauges of a kind or name."""
    pieces = right()
    pieces.spans = [s for s in pieces.spans if kind not in (s.kind, s.name)]
    pieces.points = [p for p in pieces.points if p.kind != kind]
    pieces.gauges = [g for g in pieces.gauges if g.name != kind]
    return pieces


CASES: dict[str, tuple[Callable[[], Pieces], list[str]]] = {
    "no such job": (lambda: span("c", group="G#1"), ["missing", "unknown"]),
    "no such type": (lambda: right().point("arrive", "H#1", 0), ["arrival", "gauge", "unknown"]),
    "no such task": (lambda: span("c", name="d"), ["missing", "unknown"]),
    "no such slot": (lambda: span("a", lane="Q.2"), ["missing", "precedence", "unknown"]),
    "no such kind": (lambda: span("c", kind="setup"), ["missing", "unknown"]),
    "ends before it starts": (lambda: span("c", start=4), ["missing", "span"]),
    "a task is never run": (lambda: without("c"), ["missing"]),
    "a task runs twice": (lambda: right().run("Q.1", "G#0", "a", 0, 2), ["twice"]),
    "a processor cannot run it": (lambda: span("c", lane="Q.1"), ["able"]),
    "too short": (lambda: span("c", end=2), ["duration"]),
    "too long": (lambda: span("c", end=4), ["duration"]),
    "the duration of another processor": (lambda: span("a", lane="P"), ["duration", "slot"]),
    "before its input is computed": (
        lambda: span("b", start=1, end=4), ["done", "precedence", "slot"],
    ),
    "before its input has come": (lambda: span("b", start=4, end=7), ["communication", "done"]),
    "two at a time": (lambda: span("c", start=4, end=7), ["slot"]),
    "before its job has come": (lambda: span("a", start=-1, end=1), ["arrival"]),
    "cut without a horizon": (lambda: span("c", kind="cut"), ["horizon", "missing"]),
    "never arrives": (lambda: without("arrive"), ["arrival", "done", "gauge", "unknown"]),
    "arrives twice": (lambda: right().point("arrive", "G#0", 0), ["arrival", "gauge"]),
    "never done": (lambda: without("done"), ["done", "gauge"]),
    "done twice": (lambda: right().point("done", "G#0", 8), ["done", "gauge"]),
    "blocked by nothing": (lambda: right().point("blocked", "", 3), ["blocked"]),
    "jobs not told": (lambda: without("jobs"), ["gauge"]),
    "jobs told wrong": (lambda: without("jobs").jobs((0, 1), (8, 1)), ["gauge"]),
    "a frequency that is fixed": (lambda: right().frequencies("P", (0, 100.0)), ["gauge"]),
    "a frequency of nothing": (lambda: right().frequencies("M", (0, 100.0)), ["gauge"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_fault_is_named(name: str) -> None:
    make, rules = CASES[name]
    assert broken(make()) == rules


def test_in_shared_memory_data_go_there_and_back() -> None:
    talk = Communication(mode="shared-memory", memory={"P": 3.0, "Q": 6.0})
    scenario = small(communication=talk)
    assert broken(right(), scenario) == []  # 1 tick to memory, 2 from there
    early = span("b", start=4, end=7)
    early.points[-1] = early.points[-1]._replace(time=7)
    early.gauges[-1] = early.gauges[-1]._replace(time=7)
    assert broken(early, scenario) == ["communication"]
    slower = small(communication=msgspec.structs.replace(talk, memory={"P": 3.0, "Q": 3.0}))
    assert broken(right(), slower) == ["communication"]


def test_noisy_durations_are_believed_if_luck_allows_them() -> None:
    longer = span("c", end=5)
    assert broken(longer) == ["duration"]
    assert broken(longer, small(noise=0.1)) == []
    assert broken(longer, small(noise=0.01)) == ["duration"]
    assert broken(span("c", end=0), small(noise=3.0)) == ["duration"]  # one tick at least


def test_a_horizon_cuts_what_runs() -> None:
    def until(horizon: int, pieces: Pieces) -> list[str]:
        return broken(pieces, small(horizon=horizon))

    cut = without("done")
    cut.gauges.pop()
    cut.spans[-1] = cut.spans[-1]._replace(kind="cut", end=7)
    assert until(7, cut) == []
    assert until(6, cut) == ["horizon"]
    assert until(9, right()) == []
    assert until(8, right()) == ["horizon"]
    cut.spans[-1] = cut.spans[-1]._replace(start=3)  # nothing of it would have been left
    assert "duration" in until(7, cut)
    late = small(horizon=7, arrivals=Listed(jobs=(Release(type="G"), Release(type="G", time=7))))
    cut.spans[-1] = cut.spans[-1]._replace(start=5)
    assert broken(cut, late) == []
    earlier = Listed(jobs=(Release(type="G"), Release(type="G", time=6)))
    assert broken(cut, small(horizon=7, arrivals=earlier)) == ["arrival"]


def governed(*frequencies: tuple[int, float], **sampling: Any) -> tuple[TaskGraphs, Pieces]:
    """The right run with P at 100 or 50 MHz, as `ondemand` chooses."""
    points = (OperatingPoint(frequency=50, voltage=1), OperatingPoint(frequency=100, voltage=1))
    scenario = small()
    p = msgspec.structs.replace(scenario.processors[0], points=points, governor="ondemand")
    processors = (p, scenario.processors[1])
    pieces = right().frequencies("P", *frequencies)
    return small(processors=processors, sampling=Sampling(**sampling)), pieces


def test_a_governor_must_choose_as_it_does() -> None:
    # c runs on P from 0 to 3, so a period of 4 is in use for three quarters.
    scenario, pieces = governed((0, 100.0), period=4, low=0.3)
    assert broken(pieces, scenario) == []
    scenario, pieces = governed((0, 100.0), (4, 50.0), period=4, low=0.8)
    assert broken(pieces, scenario) == ["duration"]  # b would take 6 ticks
    pieces.spans[-1] = pieces.spans[-1]._replace(end=11)
    pieces.points[-1] = pieces.points[-1]._replace(time=11)
    pieces.gauges[1] = pieces.gauges[1]._replace(time=11)
    assert broken(pieces, scenario) == []
    for wrong in (
        (),
        ((0, 50.0),),
        ((0, 100.0),),
        ((0, 100.0), (4, 70.0)),
        ((0, 100.0), (5, 50.0)),
    ):
        pieces.gauges = [g for g in pieces.gauges if g.name == "jobs"]
        assert "gauge" in broken(pieces.frequencies("P", *wrong), scenario), wrong


def stream(**fields: Any) -> TaskGraphs:
    """Jobs that come every 4 ticks; none of them is long."""
    return small(arrivals=Stream(**{"gap": 4.0, "gaps": "constant", **fields}), horizon=10, noise=0)


def comings(*points: tuple[str, int]) -> Pieces:
    """Nothing but arrivals and refusals."""
    pieces, number = Pieces(), 0
    for kind, time in points:
        if kind == "arrive":
            pieces.point(kind, f"G#{number}", time)
            number += 1
            pieces.jobs((time, number))
        else:
            pieces.point(kind, "", time)
    return pieces


COMINGS: dict[str, tuple[dict[str, Any], tuple[tuple[str, int], ...], list[str]]] = {
    "as it should be": ({}, (("arrive", 0), ("arrive", 4), ("arrive", 8)), []),
    "the last is missing": ({}, (("arrive", 0), ("arrive", 4)), ["arrival"]),
    "the first is late": ({"gaps": "exponential"}, (("arrive", 1),), ["arrival"]),
    "nobody comes": ({"gaps": "exponential"}, (), ["arrival"]),
    "another gap": ({}, (("arrive", 0), ("arrive", 4), ("arrive", 7)), ["arrival"]),
    "any gap": ({"gaps": "exponential"}, (("arrive", 0), ("arrive", 0), ("arrive", 7)), []),
    "too many": ({"jobs": 1}, (("arrive", 0), ("arrive", 4)), ["arrival"]),
    "no more than asked": ({"jobs": 2}, (("arrive", 0), ("arrive", 4)), []),
    "retried after a tick": ({"capacity": 1}, (("arrive", 0), ("blocked", 4), ("blocked", 9)), []),
    "retried at once": (
        {"capacity": 1, "gaps": "exponential"},
        (("arrive", 0), ("blocked", 4), ("blocked", 4)),
        ["arrival"],
    ),
    "let in by a full system": (
        {"capacity": 1}, (("arrive", 0), ("arrive", 4), ("blocked", 8)), ["full"],
    ),
    "refused by one that is not": (
        {"capacity": 2}, (("arrive", 0), ("blocked", 4), ("blocked", 9)), ["blocked"],
    ),
    "waits and does not retry": (
        {"capacity": 1, "when_full": "wait"}, (("arrive", 0), ("blocked", 4)), [],
    ),
    "retries and does not wait": (
        {"capacity": 1, "when_full": "wait"},
        (("arrive", 0), ("blocked", 4), ("blocked", 9)),
        ["arrival"],
    ),
    "not filled": (
        {"capacity": 2, "prefill": True}, (("arrive", 0), ("arrive", 4)), ["arrival"],
    ),
    "filled": (
        {"capacity": 2, "prefill": True},
        (("arrive", 0), ("arrive", 0), ("blocked", 4), ("blocked", 9)),
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMINGS)
def test_arrivals_are_those_of_the_stream(name: str) -> None:
    fields, points, rules = COMINGS[name]
    assert broken(comings(*points), stream(**fields)) == rules


def test_who_waits_enters_when_the_first_job_leaves() -> None:
    scenario = stream(capacity=1, when_full="wait", gaps="exponential")
    pieces = comings(("arrive", 0), ("blocked", 4))
    pieces.spans += right().spans
    pieces.point("done", "G#0", 8).point("arrive", "G#1", 8).jobs((8, 0), (8, 1))
    assert broken(pieces, scenario) == []
    pieces.points[-1] = pieces.points[-1]._replace(time=9)
    pieces.gauges[-1] = pieces.gauges[-1]._replace(time=9)
    assert broken(pieces, scenario) == ["arrival"]


# Mutations of what the simulator does on random scenarios: each makes any run wrong.


def _changed(rows: list[Any], draw: Any, change: Callable[[Any], list[Any]], keep: Any) -> bool:
    chosen = [i for i, row in enumerate(rows) if keep(row)]
    if not chosen:
        return False
    at = draw(st.sampled_from(chosen))
    rows[at : at + 1] = change(rows[at])
    return True


def _task_of_done_job(pieces: Pieces) -> Callable[[Span], bool]:
    done = {point.group for point in pieces.points if point.kind == "done"}
    return lambda span: span.group in done


MUTATIONS: dict[str, Callable[[Pieces, Any], bool]] = {
    "span dropped": lambda p, d: _changed(p.spans, d, lambda s: [], _task_of_done_job(p)),
    "span doubled": lambda p, d: _changed(p.spans, d, lambda s: [s, s], lambda s: True),
    "span of a stranger": lambda p, d: _changed(
        p.spans, d, lambda s: [s._replace(group="nobody's")], lambda s: True
    ),
    "span on no processor": lambda p, d: _changed(
        p.spans, d, lambda s: [s._replace(lane="P9")], lambda s: True
    ),
    "run cut": lambda p, d: _changed(
        p.spans, d, lambda s: [s._replace(kind="cut")], lambda s: s.kind == "run"
    ),
    "span before time": lambda p, d: _changed(
        p.spans, d, lambda s: [s._replace(start=s.start - 10**6)], lambda s: True
    ),
    "arrival dropped": lambda p, d: _changed(
        p.points, d, lambda q: [], lambda q: q.kind == "arrive"
    ),
    "done dropped": lambda p, d: _changed(p.points, d, lambda q: [], lambda q: q.kind == "done"),
    "done late": lambda p, d: _changed(
        p.points, d, lambda q: [q._replace(time=q.time + 1)], lambda q: q.kind == "done"
    ),
    "gauge off by one": lambda p, d: _changed(
        p.gauges, d, lambda g: [g._replace(value=g.value + 1)], lambda g: True
    ),
    "gauge late": lambda p, d: _changed(
        p.gauges, d, lambda g: [g._replace(time=g.time + 1)], lambda g: True
    ),
    "gauge dropped": lambda p, d: _changed(p.gauges, d, lambda g: [], lambda g: True),
}


@pytest.mark.parametrize("name", MUTATIONS)
@settings(max_examples=40)
@given(scenario=scenarios(), data=st.data())
def test_what_the_simulator_did_not_do_is_rejected(
    name: str, scenario: TaskGraphs, data: st.DataObject
) -> None:
    timeline = simulate(scenario, Adapted(Whim(scenario)), seed=1)  # type: ignore[arg-type]
    pieces = Pieces.of(timeline)
    assert pieces.timeline.columns() == timeline.columns()
    assume(MUTATIONS[name](pieces, data.draw))
    assert check(scenario, pieces.timeline)


@settings(max_examples=60)
@given(scenario=scenarios(), data=st.data())
def test_without_noise_no_run_can_be_a_tick_longer(
    scenario: TaskGraphs, data: st.DataObject
) -> None:
    scenario = msgspec.structs.replace(scenario, noise=0.0)
    pieces = Pieces.of(simulate(scenario, Adapted(Whim(scenario)), seed=1))  # type: ignore[arg-type]
    longer = data.draw(st.booleans())

    def change(span: Span) -> list[Span]:
        return [span._replace(end=span.end + 1) if longer else span._replace(start=span.start - 1)]

    whole = {p.name for p in scenario.processors if p.governor in ("performance", "ondemand")}
    assume(
        _changed(
            pieces.spans,
            data.draw,
            change,
            lambda s: s.kind == "run" and s.lane.partition(".")[0] in whole,
        )
    )
    assert check(scenario, pieces.timeline)


def test_nothing_of_a_strange_record_stops_the_checker() -> None:
    pieces = right().run("P", "G#0", "a", -5, -9).run("", "", "", 0, 0, kind="")
    pieces.points += [Point("", "", "", "", -3), Point("done", "", "X", "", -1)]
    pieces.gauges += [Gauge("jobs", "", -7, float("nan")), Gauge("x", "", 0, 1.0)]
    assert broken(pieces)
