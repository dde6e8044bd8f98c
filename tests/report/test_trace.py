"""Chrome traces: structure, units, and nothing lost."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from hocket.core.errors import UserError
from hocket.core.timeline import Span, Timeline
from hocket.report.trace import to_chrome, write_trace
from tests.report.samples import patient, small, timelines

MICROSECONDS = {"tick": 1, "ns": 1e-3, "ms": 1e3, "s": 1e6, "min": 6e7, "day": 8.64e10}
FIELDS = {
    "M": {"name", "pid", "tid", "args"},
    "X": {"name", "cat", "pid", "tid", "ts", "dur", "args"},
    "i": {"name", "cat", "pid", "tid", "ts", "s", "args"},
    "C": {"name", "pid", "ts", "args"},
    "s": {"name", "cat", "pid", "tid", "ts", "id"},
    "f": {"name", "cat", "pid", "tid", "ts", "id", "bp"},
}


def words(span: Span) -> tuple[str, str, str, str]:
    return (span.group, span.name, span.kind, span.reason)


def of(trace: dict[str, Any], phase: str) -> list[dict[str, Any]]:
    return [event for event in trace["traceEvents"] if event["ph"] == phase]


@patient
@given(timelines())
def test_every_event_has_the_fields_of_its_phase(timeline: Timeline) -> None:
    trace = json.loads(json.dumps(to_chrome(timeline)))
    assert set(trace) == {"traceEvents", "displayTimeUnit", "otherData"}
    threads = {e["tid"] for e in of(trace, "M") if e["name"] == "thread_name"}
    for event in trace["traceEvents"]:
        assert set(event) == FIELDS[event["ph"]] | {"ph"}
        if event["ph"] in "Xi":
            assert event["tid"] in threads
            assert set(event["args"]) == {"job", "operation", "kind", "reason"}


@patient
@given(timelines())
def test_nothing_is_lost_and_times_are_microseconds(timeline: Timeline) -> None:
    trace, factor = to_chrome(timeline), MICROSECONDS[timeline.unit]
    spans = Counter(
        (round(s.start * factor, 6), round((s.end - s.start) * factor, 6), s.kind, *words(s))
        for s in timeline.spans()
    )
    events = Counter(
        (round(e["ts"], 6), round(e["dur"], 6), e["cat"], *e["args"].values())
        for e in of(trace, "X")
    )
    assert events == spans
    assert len(of(trace, "i")) == len(list(timeline.points()))
    values = sorted(value for e in of(trace, "C") for value in e["args"].values())
    assert values == sorted(gauge.value for gauge in timeline.gauges())


@patient
@given(timelines())
def test_events_of_one_thread_never_overlap(timeline: Timeline) -> None:
    threads: dict[int, list[tuple[float, float]]] = {}
    for event in of(to_chrome(timeline), "X"):
        threads.setdefault(event["tid"], []).append((event["ts"], event["ts"] + event["dur"]))
    for events in threads.values():
        events.sort()
        assert all(a[1] <= b[0] + 1e-6 for a, b in pairwise(events))


def test_lanes_are_threads_in_order_with_names() -> None:
    timeline = Timeline("ms", ("gpu",))
    timeline.span("run", "gpu", "a", "", 0, 10)
    timeline.span("run", "gpu", "b", "", 5, 15)
    timeline.point("arrive", "", "a", "", 0)
    trace = to_chrome(timeline, "demo")
    names = [e["args"]["name"] for e in of(trace, "M") if e["name"] == "thread_name"]
    order = [e["args"]["sort_index"] for e in of(trace, "M") if e["name"] == "thread_sort_index"]
    assert names == ["gpu", "gpu (2)", "events"]
    assert order == [1, 2, 3]
    assert of(trace, "M")[0]["args"] == {"name": "demo"}


def test_golden_events() -> None:
    trace = to_chrome(small())
    assert of(trace, "X")[0] == {
        "ph": "X",
        "name": "1.1",
        "cat": "run",
        "pid": 1,
        "tid": 1,
        "ts": 0,
        "dur": 3_000_000_000,
        "args": {
            "job": "job 1",
            "operation": "1.1",
            "kind": "run",
            "reason": "SPT: 50 is shortest",
        },
    }
    assert of(trace, "C")[1] == {
        "ph": "C",
        "name": "queue Lathe",
        "pid": 1,
        "ts": 3_000_000_000,
        "args": {"queue": 0},
    }


def test_nanoseconds_keep_their_fraction() -> None:
    timeline = Timeline("ns")
    timeline.span("run", "m", "", "", 1500, 2000)
    (event,) = of(to_chrome(timeline), "X")
    assert (event["ts"], event["dur"]) == (1.5, 0.5)


def test_written_file_is_the_trace(tmp_path: Path) -> None:
    path = write_trace(small(), tmp_path / "run.json")
    assert json.loads(path.read_text()) == to_chrome(small())
    with pytest.raises(UserError, match="nowhere"):
        write_trace(small(), tmp_path / "nowhere" / "run.json")


def test_what_goes_to_another_lane_has_an_arrow_to_what_it_does_there() -> None:
    timeline = Timeline("us", ("a", "b"))
    timeline.span("run", "a", "r1", "decode 5", 0, 10)
    timeline.span("migrate", "a", "r1", "b", 5, 20)
    timeline.span("run", "b", "r2", "decode 9", 0, 50)
    timeline.span("run", "b", "r1", "decode 3", 25, 40)
    timeline.span("run", "b", "r1", "decode 4", 60, 70)
    timeline.span("migrate", "a", "r3", "b", 80, 90)  # never begins there
    trace = to_chrome(timeline)
    (left,), (came,) = of(trace, "s"), of(trace, "f")
    assert (left["ts"], came["ts"], left["id"]) == (5, 25, came["id"])
    slices = {(e["args"]["operation"], e["ts"]): e["tid"] for e in of(trace, "X")}
    assert (left["tid"], came["tid"]) == (slices["b", 5], slices["decode 3", 25])
