"""What happened: spans, points, gauges and tallies. The one output of a run, simulated or live."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec


class Span(NamedTuple):
    """Something that lasted from `start` to `end` (ticks, half open) on a `lane`.

    `lane` is the resource (a machine, a replica), `group` what the work belongs to (a job, a
    request), `name` the piece of work, `kind` what sort of occupation it was ("run", "setup",
    "blocked", "down"), `reason` why the policy decided so.
    """

    kind: str
    lane: str
    group: str
    name: str
    start: int
    end: int
    reason: str = ""


class Point(NamedTuple):
    """Something that happened at one instant."""

    kind: str
    lane: str
    group: str
    name: str
    time: int
    reason: str = ""


class Gauge(NamedTuple):
    """A measured level that holds from `time` until the next gauge of that name and lane."""

    name: str
    lane: str
    time: int
    value: float


class Tally(NamedTuple):
    """A `value` that was measured `count` times on a lane: a distribution, without its order."""

    name: str
    lane: str
    value: int
    count: int  # type: ignore[assignment]  # hides that of tuples, which no record needs


class Timeline:
    """An append-only record. Recording is one tuple; columns are made when asked for."""

    __slots__ = ("_gauges", "_points", "_spans", "_tallies", "lanes", "unit")

    def __init__(self, unit: str = "tick", lanes: tuple[str, ...] = ()) -> None:
        """`unit` is the length of a tick; `lanes` fixes the order of resources in pictures."""
        self.unit = unit
        self.lanes = lanes
        self._spans: list[tuple[str, str, str, str, int, int, str]] = []
        self._points: list[tuple[str, str, str, str, int, str]] = []
        self._gauges: list[tuple[str, str, int, float]] = []
        self._tallies: list[tuple[str, str, int, int]] = []

    def span(
        self,
        kind: str,
        lane: str,
        group: str,
        name: str,
        start: int,
        end: int,
        reason: str = "",
    ) -> None:
        """Record an occupation; see Span."""
        self._spans.append((kind, lane, group, name, start, end, reason))

    def point(
        self, kind: str, lane: str, group: str, name: str, time: int, reason: str = ""
    ) -> None:
        """Record an instant; see Point."""
        self._points.append((kind, lane, group, name, time, reason))

    def gauge(self, name: str, lane: str, time: int, value: float) -> None:
        """Record a level; see Gauge."""
        self._gauges.append((name, lane, time, value))

    def tally(self, name: str, lane: str, value: int, count: int = 1) -> None:
        """Record that a value occurred `count` times; see Tally."""
        self._tallies.append((name, lane, value, count))

    def spans(self, kind: str | None = None) -> Iterator[Span]:
        """The spans in order of recording, all or of one kind."""
        return (Span._make(s) for s in self._spans if kind is None or s[0] == kind)

    def points(self, kind: str | None = None) -> Iterator[Point]:
        """The points in order of recording, all or of one kind."""
        return (Point._make(p) for p in self._points if kind is None or p[0] == kind)

    def gauges(self, name: str | None = None) -> Iterator[Gauge]:
        """The gauges in order of recording, all or of one name."""
        return (Gauge._make(g) for g in self._gauges if name is None or g[0] == name)

    def tallies(self, name: str | None = None) -> Iterator[Tally]:
        """The tallies in order of recording, all or of one name."""
        return (Tally._make(t) for t in self._tallies if name is None or t[0] == name)

    @property
    def end(self) -> int:
        """The last instant at which anything was recorded; 0 for an empty timeline."""
        last = max((s[5] for s in self._spans), default=0)
        return max(
            last,
            max((p[4] for p in self._points), default=0),
            max((g[2] for g in self._gauges), default=0),
        )

    def __len__(self) -> int:
        return len(self._spans) + len(self._points) + len(self._gauges) + len(self._tallies)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timeline) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]  # a record that grows has no hash

    def __repr__(self) -> str:
        return (
            f"Timeline({len(self._spans)} spans, {len(self._points)} points, "
            f"{len(self._gauges)} gauges, {len(self._tallies)} tallies, end={self.end} {self.unit})"
        )

    def columns(self) -> dict[str, dict[str, list[Any]]]:
        """``{"spans": {"kind": [...], ...}, ...}``: also points, gauges and tallies."""
        tables = (
            ("spans", Span._fields, self._spans),
            ("points", Point._fields, self._points),
            ("gauges", Gauge._fields, self._gauges),
            ("tallies", Tally._fields, self._tallies),
        )
        return {
            table: {field: [row[i] for row in rows] for i, field in enumerate(fields)}
            for table, fields, rows in tables
        }

    def to_json(self) -> bytes:
        """Canonical bytes: equal timelines give equal bytes on any machine."""
        columns = self.columns()
        return msgspec.json.encode({"unit": self.unit, "lanes": self.lanes, **columns})

    @classmethod
    def from_json(cls, data: bytes) -> Timeline:
        """The inverse of `to_json`. Raises msgspec.DecodeError when the bytes are no timeline."""
        stored = msgspec.json.decode(data, type=_Stored)
        timeline = cls(stored.unit, stored.lanes)
        timeline._spans = _rows(stored.spans, Span)
        timeline._points = _rows(stored.points, Point)
        timeline._gauges = _rows(stored.gauges, Gauge)
        timeline._tallies = _rows(stored.tallies, Tally) if stored.tallies else []
        return timeline

    def digest(self) -> str:
        """SHA-256 of `to_json`, in hexadecimal: what replay tests compare."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        return Timeline.from_json, (self.to_json(),)


class _Stored(msgspec.Struct):
    unit: str
    lanes: tuple[str, ...]
    spans: dict[str, list[Any]]
    points: dict[str, list[Any]]
    gauges: dict[str, list[Any]]
    tallies: dict[str, list[Any]] = {}  # there were none in the first version


def _rows(columns: dict[str, list[Any]], kind: type[NamedTuple]) -> list[tuple[Any, ...]]:
    fields = kind._fields
    if set(columns) != set(fields) or len({len(column) for column in columns.values()}) != 1:
        raise msgspec.DecodeError(f"no columns of equal length for {', '.join(fields)}")
    return list(zip(*(columns[field] for field in fields), strict=True))
