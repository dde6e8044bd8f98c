"""The replicas of a run over time: memory, batch and queue, with what moved between them."""

from __future__ import annotations

from collections import Counter

import numpy as np

from hocket.core.timeline import Timeline
from hocket.report.figures import Arrow, Band, Lane, Level, Sign, Strips
from hocket.serving.metrics.read import Floats, Ints, capacities, replicas
from hocket.serving.model.cluster import Cluster

READINGS = 600
"""Stretches of time that a strip is divided into, at most."""

MOST = 2000
"""Migrations that are drawn."""

SIGNS = {"preempt": "preempted", "reject": "refused", "lost": "lost", "cancel": "cancelled"}
STATES = ("down", "start", "drain")


def strips(scenario: Cluster, label: str, timeline: Timeline) -> Strips:
    """One lane for each replica of the run that `label` names."""
    record = timeline.columns()
    found = replicas(scenario, timeline, record["spans"])
    blocks = capacities(found)
    end = max(1, timeline.end)
    step = max(1, scenario.gauge_every, -(-end // READINGS))
    edges = np.arange(0, end, step)
    readings = _readings(timeline)
    lanes = []
    for lane in found:
        share = _highest(readings, "kv", lane, edges) / max(1, blocks[lane])
        counts = [_highest(readings, name, lane, edges) for name in ("batch", "waiting")]
        lanes.append(Lane(name=lane, values=(_values(share, 3), *(_values(c, 0) for c in counts))))
    tops = [max((v for lane in lanes for v in lane.values[i] if v), default=1) for i in (1, 2)]
    number = {lane: i for i, lane in enumerate(found)}
    arrows, more = _arrows(timeline, number)
    return Strips(
        group="Replicas",
        title=label,
        caption=f"The highest reading of every stretch of time is drawn.{more}",
        unit=timeline.unit,
        end=end,
        step=step,
        levels=(
            Level(name="key-value memory", top=1, style="area", share=True),
            Level(name="running", top=tops[0]),
            Level(name="waiting", top=tops[1]),
        ),
        lanes=tuple(lanes),
        signs=tuple(SIGNS.values()),
        events=_events(timeline, number, step),
        arrows=arrows,
        bands=tuple(
            Band(number[span.lane], span.start, span.end, kind)
            for kind in STATES
            for span in timeline.spans(kind)
            if span.lane in number
        ),
    )


def _readings(timeline: Timeline) -> dict[tuple[str, str], tuple[Ints, Floats]]:
    rows: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for gauge in timeline.gauges():
        rows.setdefault((gauge.name, gauge.lane), []).append((gauge.time, gauge.value))
    return {
        key: (np.array([t for t, _ in found]), np.array([v for _, v in found], dtype=float))
        for key, found in rows.items()
    }


def _highest(
    readings: dict[tuple[str, str], tuple[Ints, Floats]], name: str, lane: str, edges: Ints
) -> Floats:
    """The highest a gauge stood at in the time from each edge to the next; NaN before it is read.

    It holds its value until it is read again.
    """
    at, values = readings.get((name, lane), (np.zeros(0, dtype=np.int64), np.zeros(0)))
    if not len(at):
        return np.full(len(edges), np.nan)
    before = np.append(np.nan, values)[np.searchsorted(at, edges, side="right")]
    within = np.full(len(edges), -np.inf)
    np.maximum.at(within, np.searchsorted(edges, at, side="right") - 1, values)
    found: Floats = np.fmax(before, np.where(np.isinf(within), np.nan, within))
    return found


def _values(found: Floats, digits: int) -> tuple[float | None, ...]:
    return tuple(
        None if np.isnan(value) else round(value, digits) if digits else int(value)
        for value in found.tolist()
    )


def _events(timeline: Timeline, number: dict[str, int], step: int) -> tuple[Sign, ...]:
    """Preemptions and the like, those of one kind at about one time together."""
    counts: Counter[tuple[int, int, int]] = Counter()
    names: dict[tuple[int, int, int], str] = {}
    for kind, of in enumerate(SIGNS):
        for point in timeline.points(of):
            if point.lane in number:
                key = (number[point.lane], point.time // step, kind)
                counts[key] += 1
                names.setdefault(
                    key, f"{point.group}: {point.reason}" if point.reason else point.group
                )
    return tuple(
        Sign(
            lane,
            slot * step + step // 2,
            kind,
            count,
            names[lane, slot, kind] if count == 1 else "",
        )
        for (lane, slot, kind), count in sorted(counts.items())
    )


def _arrows(timeline: Timeline, number: dict[str, int]) -> tuple[tuple[Arrow, ...], str]:
    """Migrations from replica to replica, and how many are left out."""
    spans = [s for s in timeline.spans("migrate") if s.lane in number and s.name in number]
    every = -(-len(spans) // MOST) or 1
    more = f" Of {len(spans):,} migrations one in {every} is drawn." if every > 1 else ""
    return tuple(
        Arrow(number[s.lane], number[s.name], s.start, s.end, f"{s.group}: {s.reason}".rstrip(": "))
        for s in spans[::every]
    ), more
