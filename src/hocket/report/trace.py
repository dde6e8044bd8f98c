"""Timelines as Chrome trace events, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

The format is described in Google's "Trace Event Format". Every lane becomes a thread, every span a
complete event ("X"), every point an instant ("i"), every gauge a counter ("C"). Events of one
thread must nest, so a lane that does several things at once becomes several threads. A span whose
name is another lane goes there: an arrow (a flow, "s" to "f") leads to what its group does next on
that lane. Tallies have no time, and so no place here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from hocket.core.scenario import to_ticks
from hocket.core.timeline import Span, Timeline
from hocket.core.writing import write_bytes
from hocket.report import lanes

PROCESS = 1


def to_chrome(timeline: Timeline, name: str = "hocket") -> dict[str, Any]:
    """The trace as plain data; `name` is the process shown above the lanes.

    Times are microseconds, as the format demands; one abstract tick becomes one microsecond.
    """
    clock = _Clock(timeline.unit)
    events = [_metadata("process_name", 0, name=name)]
    threads: dict[str, int] = {}  # the first thread of every lane
    spans: list[dict[str, Any]] = []
    placed: list[tuple[Span, int]] = []  # every span with its thread
    thread = 0
    for lane, content in lanes.by_lane(timeline).items():
        tracks = lanes.rows(content) or [[]]
        threads[lane] = thread + 1
        for number, track in enumerate(tracks, start=1):
            thread += 1
            title = (lane or "events") + (f" ({number})" if number > 1 else "")
            events.append(_metadata("thread_name", thread, name=title))
            events.append(_metadata("thread_sort_index", thread, sort_index=thread))
            spans += [
                {
                    "ph": "X",
                    "name": span.name or span.group or span.kind,
                    "cat": span.kind,
                    "pid": PROCESS,
                    "tid": thread,
                    "ts": clock(span.start),
                    "dur": clock(span.end - span.start),
                    "args": _arguments(span.group, span.name, span.kind, span.reason),
                }
                for span in track
            ]
            placed += [(span, thread) for span in track]
    events += spans
    events += _flows(placed, threads, clock)
    events += _instants(timeline, threads, clock)
    events += _counters(timeline, clock)
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns" if timeline.unit in ("ns", "us") else "ms",
        "otherData": {"producer": "hocket", "unit": timeline.unit},
    }


def write_trace(timeline: Timeline, path: str | Path, name: str = "hocket") -> Path:
    """Write `to_chrome` as JSON. Raises UserError when `path` cannot be written."""
    return write_bytes(path, msgspec.json.encode(to_chrome(timeline, name)))


class _Clock:
    """Ticks to microseconds: whole numbers where exact, as are all units from "us" up."""

    def __init__(self, unit: str) -> None:
        self.nanoseconds = 1000 if unit == "tick" else to_ticks(f"1 {unit}", "ns")

    def __call__(self, ticks: int) -> int | float:
        whole, rest = divmod(ticks * self.nanoseconds, 1000)
        return whole + rest / 1000 if rest else whole


def _metadata(kind: str, thread: int, **args: Any) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": PROCESS, "tid": thread, "args": args}


def _arguments(job: str, operation: str, kind: str, reason: str) -> dict[str, str]:
    return {"job": job, "operation": operation, "kind": kind, "reason": reason}


def _instants(
    timeline: Timeline, threads: dict[str, int], clock: _Clock
) -> Iterator[dict[str, Any]]:
    for point in timeline.points():
        yield {
            "ph": "i",
            "s": "t",  # drawn on its thread only
            "name": point.name or point.kind,
            "cat": point.kind,
            "pid": PROCESS,
            "tid": threads[point.lane],
            "ts": clock(point.time),
            "args": _arguments(point.group, point.name, point.kind, point.reason),
        }


def _flows(
    placed: list[tuple[Span, int]], threads: dict[str, int], clock: _Clock
) -> Iterator[dict[str, Any]]:
    """Arrows from spans that go to another lane to what their group does next there."""
    leaving = [(s, thread) for s, thread in placed if s.name in threads and s.name != s.lane]
    if not leaving:
        return
    movers = {span.group for span, _ in leaving}
    there: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for span, thread in placed:
        if span.group in movers:
            there.setdefault((span.group, span.lane), []).append((span.start, thread))
    for number, (span, thread) in enumerate(leaving):
        arrivals = there.get((span.group, span.name), [])
        start, target = min((a for a in arrivals if a[0] >= span.end), default=(0, 0))
        if not target:
            continue
        shared = {"name": span.kind, "cat": span.kind, "id": number, "pid": PROCESS}
        yield {"ph": "s", **shared, "tid": thread, "ts": clock(span.start)}
        yield {"ph": "f", "bp": "e", **shared, "tid": target, "ts": clock(start)}


def _counters(timeline: Timeline, clock: _Clock) -> Iterator[dict[str, Any]]:
    for gauge in timeline.gauges():
        yield {
            "ph": "C",
            "name": f"{gauge.name} {gauge.lane}".rstrip(),
            "pid": PROCESS,
            "ts": clock(gauge.time),
            "args": {gauge.name: gauge.value},
        }
