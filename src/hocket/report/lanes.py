"""How a timeline's lanes are laid out: their order, their rows, and how busy they were.

A lane that does several things at once (a replica that serves a batch) needs several rows, so that
the bars of one row never overlap. Pictures and traces both rest on this.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

from hocket.core.timeline import Span, Timeline

BACKGROUND = frozenset({"down", "broken", "off", "closed"})
"""Kinds that say something of the lane and not of the work: they lie behind the other bars."""


def order(timeline: Timeline) -> list[str]:
    """All lanes: the declared ones first, then the others as they first appear."""
    lanes = dict.fromkeys(timeline.lanes)
    lanes.update(dict.fromkeys(span.lane for span in timeline.spans()))
    lanes.update(dict.fromkeys(point.lane for point in timeline.points()))
    return list(lanes)


def by_lane(timeline: Timeline) -> dict[str, list[Span]]:
    """The spans of every lane (lanes without spans included), by start, then by end."""
    spans: dict[str, list[Span]] = {lane: [] for lane in order(timeline)}
    for span in timeline.spans():
        spans[span.lane].append(span)
    for row in spans.values():
        row.sort(key=lambda span: (span.start, span.end))
    return spans


def rows(spans: Iterable[Span]) -> list[list[Span]]:
    """Share spans, sorted by start, among the fewest rows in which none overlap.

    Greedy interval partitioning: each span goes to a row that is free at its start, to that of its
    group's previous span if it can, so that the work of one job stays on one line.
    """
    shared: list[list[Span]] = []
    free: set[int] = set()
    lowest: list[int] = []  # a heap over `free`; may also hold rows that are taken again
    busy: list[tuple[int, int]] = []  # (end, row)
    previous: dict[str, int] = {}
    for span in spans:
        while busy and busy[0][0] <= span.start:
            row = heappop(busy)[1]
            free.add(row)
            heappush(lowest, row)
        row = previous.get(span.group, -1)
        if row not in free:
            while lowest and lowest[0] not in free:
                heappop(lowest)
            row = lowest[0] if lowest else len(shared)
        if row == len(shared):
            shared.append([])
        free.discard(row)
        shared[row].append(span)
        heappush(busy, (span.end, row))
        previous[span.group] = row
    return shared


def busy(timeline: Timeline) -> dict[str, dict[str, int]]:
    """Ticks in which each lane was occupied, by kind: ``{lane: {kind: ticks}}``.

    Spans of one kind that overlap count once, so a share of the horizon never exceeds 1.
    """
    return {
        lane: {
            kind: _union([span for span in spans if span.kind == kind])
            for kind in dict.fromkeys(span.kind for span in spans)
        }
        for lane, spans in by_lane(timeline).items()
    }


def _union(spans: list[Span]) -> int:
    """The length of the union of spans sorted by start."""
    total, reached = 0, None
    for span in spans:
        if reached is None or span.start > reached:
            total, reached = total + span.end - span.start, span.end
        elif span.end > reached:
            total, reached = total + span.end - reached, span.end
    return total
