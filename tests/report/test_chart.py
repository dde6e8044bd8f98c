"""The encoded timeline, decoded here as its documentation says, is the timeline."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, pairwise

import msgspec
from hypothesis import given

from hocket.core.timeline import Gauge, Point, Span, Timeline
from hocket.report.chart import Chart, encode
from hocket.report.lanes import BACKGROUND
from tests.report.samples import patient, small, timelines


def spans_of(chart: Chart) -> list[tuple[int, Span]]:
    """Every bar with its track."""
    found, i, bars = [], 0, chart.bars
    for row in chart.rows:
        at = chart.origin
        for _ in range(row.count):
            start = at + bars.gap[i]
            at = start + bars.length[i]
            texts = (chart.groups[bars.group[i]], chart.names[bars.name[i]])
            kind, reason = chart.kinds[bars.kind[i]], chart.reasons[bars.reason[i]]
            found.append((row.track, Span(kind, chart.lanes[row.lane], *texts, start, at, reason)))
            i += 1
    return found


def points_of(chart: Chart) -> list[Point]:
    found, marks, at, last = [], chart.marks, chart.origin, -1
    for i, lane in enumerate(marks.lane):
        at = (at if lane == last else chart.origin) + marks.gap[i]
        last = lane
        texts = (chart.groups[marks.group[i]], chart.names[marks.name[i]])
        kind, reason = chart.kinds[marks.kind[i]], chart.reasons[marks.reason[i]]
        found.append(Point(kind, chart.lanes[lane], *texts, at, reason))
    return found


@patient
@given(timelines())
def test_decodes_to_the_same_records(timeline: Timeline) -> None:
    chart = encode("x", timeline)
    assert Counter(span for _, span in spans_of(chart)) == Counter(timeline.spans())
    assert Counter(points_of(chart)) == Counter(timeline.points())
    gauges = [
        Gauge(level.name, level.lane, time + chart.origin, value)
        for level in chart.levels
        for time, value in zip(accumulate(level.gap), level.value, strict=True)
        if value is not None
    ]
    assert Counter(gauges) == Counter(timeline.gauges())
    assert chart.origin + chart.end == timeline.end


@patient
@given(timelines())
def test_rows_do_not_overlap_and_keep_the_background_apart(timeline: Timeline) -> None:
    chart = encode("x", timeline)
    bars = spans_of(chart)
    assert all((track == -1) == (span.kind in BACKGROUND) for track, span in bars)
    assert all(gap >= 0 for gap in chart.bars.gap)
    assert sum(row.count for row in chart.rows) == len(bars)
    for a, b in pairwise(chart.rows):
        assert a.lane <= b.lane


@patient
@given(timelines())
def test_survives_json(timeline: Timeline) -> None:
    chart = encode("x", timeline, metrics={"makespan": 3.5}, due={"a": 9})
    assert msgspec.json.decode(msgspec.json.encode(chart), type=Chart) == chart


def test_golden_chart() -> None:
    chart = encode("SPT", small(), due={"job 2": 120})
    assert chart.lanes == ("Lathe", "Mill", "")
    assert [(r.lane, r.track, r.count) for r in chart.rows] == [(0, 0, 3), (1, -1, 1), (1, 0, 2)]
    assert chart.bars.gap == (0, 0, 0, 85, 50, 20)
    assert chart.bars.length == (50, 10, 40, 10, 30, 30)
    assert [(chart.groups[g], at) for g, at in chart.due] == [("job 2", 120)]
    assert chart.busy == {"run": (90, 60, 0), "setup": (10, 0, 0), "down": (0, 10, 0)}


def test_times_of_a_late_record_count_from_its_beginning() -> None:
    epoch = 1_760_000_000_000_000_000
    timeline = Timeline("ns")
    timeline.span("run", "gpu", "a", "", epoch + 5, epoch + 9)
    timeline.point("arrive", "gpu", "a", "", epoch)
    timeline.gauge("queue", "gpu", epoch + 2, 1)
    chart = encode("live", timeline, due={"a": epoch + 7})
    assert (chart.origin, chart.end) == (epoch, 9)
    assert (chart.bars.gap, chart.marks.gap, chart.levels[0].gap) == ((5,), (0,), (2,))
    assert chart.due == ((0, 7),)


def test_numbers_that_json_cannot_write_become_none() -> None:
    timeline = Timeline()
    timeline.gauge("load", "", 0, float("nan"))
    chart = encode("x", timeline, metrics={"ratio": float("inf"), "makespan": 3.0})
    assert chart.levels[0].value == (None,)
    assert chart.metrics == {"ratio": None, "makespan": 3.0}
