"""One timeline, encoded compactly for the report page.

Texts are numbers into tables, times are gaps. The bars of a machine follow one another, so most
numbers have one digit: 10,000 bars take a few hundred kilobytes of JSON.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby, pairwise

import msgspec

from hocket.core.timeline import Gauge, Point, Span, Timeline
from hocket.report import lanes


class Row(msgspec.Struct, frozen=True, array_like=True):
    """`count` bars that do not overlap, on a lane. `track` is -1 for those behind the others."""

    lane: int
    track: int
    count: int


class Bars(msgspec.Struct, frozen=True):
    """Spans, row by row. `gap` is the time since the end of the row's previous bar (its origin)."""

    gap: tuple[int, ...]
    length: tuple[int, ...]
    kind: tuple[int, ...]
    group: tuple[int, ...]
    name: tuple[int, ...]
    reason: tuple[int, ...]


class Marks(msgspec.Struct, frozen=True):
    """Points, lane by lane. `gap` is the time since the lane's previous point (its origin)."""

    lane: tuple[int, ...]
    gap: tuple[int, ...]
    kind: tuple[int, ...]
    group: tuple[int, ...]
    name: tuple[int, ...]
    reason: tuple[int, ...]


class Level(msgspec.Struct, frozen=True):
    """One gauge on one lane. `gap` is the time since its previous reading (its origin)."""

    name: str
    lane: str
    gap: tuple[int, ...]
    value: tuple[float | None, ...]


class Chart(msgspec.Struct, frozen=True):
    """A timeline with its label and metrics.

    `lanes`, `groups`, `kinds`, `names` and `reasons` are the tables that numbers in `rows`, `bars`
    and `marks` point into. All times are ticks since `origin`, which is 0 unless the record starts
    late, as that of a live system does. `due` pairs groups with due dates; `busy` holds for each
    kind the occupied ticks of every lane; `metrics` is what the run scored; `left_out` counts the
    spans and points by kind that were too many to be drawn one by one.
    """

    label: str
    unit: str
    origin: int
    end: int
    lanes: tuple[str, ...]
    groups: tuple[str, ...]
    kinds: tuple[str, ...]
    names: tuple[str, ...]
    reasons: tuple[str, ...]
    rows: tuple[Row, ...]
    bars: Bars
    marks: Marks
    levels: tuple[Level, ...] = ()
    due: tuple[tuple[int, int], ...] = ()
    busy: dict[str, tuple[int, ...]] = {}
    metrics: dict[str, float | None] = {}
    left_out: dict[str, int] = {}


def encode(
    label: str,
    timeline: Timeline,
    *,
    metrics: Mapping[str, float] | None = None,
    due: Mapping[str, int] | None = None,
    most: int | None = None,
    levels: bool = True,
) -> Chart:
    """A timeline as a Chart; `due` maps groups (jobs) to due dates in ticks.

    With `most`, kinds of which there are more spans or points than that are left out; without
    `levels`, gauges are.
    """
    whole = timeline
    left_out: dict[str, int] = {}
    if most is not None:
        timeline, left_out = _thinned(timeline, most)
    by_lane = lanes.by_lane(timeline)
    number = {lane: i for i, lane in enumerate(by_lane)}
    texts = _Texts()
    for group in due or {}:
        texts.groups(group)
    origin = _origin(whole)
    rows, bars = _bars(by_lane, number, texts, origin)
    marks = _marks(timeline, number, texts, origin)
    return Chart(
        label=label,
        unit=timeline.unit,
        origin=origin,
        end=whole.end - origin,
        lanes=tuple(by_lane),
        rows=rows,
        bars=bars,
        marks=marks,
        levels=_levels(timeline, origin) if levels else (),
        due=tuple((texts.groups(group), time - origin) for group, time in (due or {}).items()),
        busy=_busy(whole),
        left_out=left_out,
        metrics={name: finite(value) for name, value in (metrics or {}).items()},
        groups=texts.groups.table,
        kinds=texts.kinds.table,
        names=texts.names.table,
        reasons=texts.reasons.table,
    )


def finite(value: float | None) -> float | None:
    """`value`, or None when it is infinite or no number: JSON has no word for those."""
    return value if value is not None and math.isfinite(value) else None


def _thinned(timeline: Timeline, most: int) -> tuple[Timeline, dict[str, int]]:
    """The timeline without what it has too much of, and how much that is."""
    spans = Counter(span.kind for span in timeline.spans())
    points = Counter(point.kind for point in timeline.points())
    left_out = {kind: n for kind, n in (*spans.items(), *points.items()) if n > most}
    if not left_out:
        return timeline, {}
    kept = Timeline(timeline.unit, tuple(lanes.order(timeline)))
    for span in timeline.spans():
        if spans[span.kind] <= most:
            kept.span(*span)
    for point in timeline.points():
        if points[point.kind] <= most:
            kept.point(*point)
    for gauge in timeline.gauges():
        kept.gauge(*gauge)
    return kept, left_out


class _Table:
    """A table of texts that numbers them as they come."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))

    @property
    def table(self) -> tuple[str, ...]:
        return tuple(self.numbers)


class _Texts:
    def __init__(self) -> None:
        self.groups, self.kinds, self.names, self.reasons = _Table(), _Table(), _Table(), _Table()


def _origin(timeline: Timeline) -> int:
    """0, or the first instant when more time lies before it than after it."""
    first = min(
        min((span.start for span in timeline.spans()), default=math.inf),
        min((point.time for point in timeline.points()), default=math.inf),
        min((gauge.time for gauge in timeline.gauges()), default=math.inf),
    )
    late = math.isfinite(first) and (first < 0 or first > timeline.end - first)
    return int(first) if late else 0


def _bars(
    by_lane: dict[str, list[Span]], number: dict[str, int], texts: _Texts, origin: int
) -> tuple[tuple[Row, ...], Bars]:
    rows: list[Row] = []
    columns: list[tuple[int, int, int, int, int, int]] = []
    for lane, spans in by_lane.items():
        behind = lanes.rows(span for span in spans if span.kind in lanes.BACKGROUND)
        front = lanes.rows(span for span in spans if span.kind not in lanes.BACKGROUND)
        tracks = [(-1, row) for row in behind] + list(enumerate(front))
        for track, row in tracks:
            rows.append(Row(number[lane], track, len(row)))
            before = origin
            for span in row:
                columns.append((span.start - before, span.end - span.start, *_words(span, texts)))
                before = span.end
    return tuple(rows), Bars(*_transposed(columns, 6))


def _marks(timeline: Timeline, number: dict[str, int], texts: _Texts, origin: int) -> Marks:
    points = sorted(timeline.points(), key=lambda point: (number[point.lane], point.time))
    columns: list[tuple[int, int, int, int, int, int]] = []
    for lane, content in groupby(points, key=lambda point: point.lane):
        before = origin
        for point in content:
            columns.append((number[lane], point.time - before, *_words(point, texts)))
            before = point.time
    return Marks(*_transposed(columns, 6))


def _words(entry: Span | Point, texts: _Texts) -> tuple[int, int, int, int]:
    return (
        texts.kinds(entry.kind),
        texts.groups(entry.group),
        texts.names(entry.name),
        texts.reasons(entry.reason),
    )


def _transposed(rows: Iterable[tuple[int, ...]], width: int) -> list[tuple[int, ...]]:
    columns = list(zip(*rows, strict=True))
    return columns or [()] * width


def _levels(timeline: Timeline, origin: int) -> tuple[Level, ...]:
    readings: dict[tuple[str, str], list[Gauge]] = {}
    for gauge in timeline.gauges():
        readings.setdefault((gauge.name, gauge.lane), []).append(gauge)
    levels = []
    for (name, lane), gauges in readings.items():
        gauges.sort(key=lambda gauge: gauge.time)
        times = [origin, *(gauge.time for gauge in gauges)]
        gaps = tuple(after - before for before, after in pairwise(times))
        levels.append(Level(name, lane, gaps, tuple(finite(gauge.value) for gauge in gauges)))
    return tuple(levels)


def _busy(timeline: Timeline) -> dict[str, tuple[int, ...]]:
    occupied = lanes.busy(timeline)
    kinds = dict.fromkeys(kind for lane in occupied.values() for kind in lane)
    return {kind: tuple(lane.get(kind, 0) for lane in occupied.values()) for kind in kinds}
