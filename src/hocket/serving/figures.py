"""What a serving run contributes to a report: latencies, service levels, replicas over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hocket.core.timeline import Timeline
from hocket.report.figures import Axis, Given, Line, Mark, Plot, Relation
from hocket.report.lines import distribution, over_time, short
from hocket.serving.metrics.read import seconds_per_tick
from hocket.serving.metrics.table import RequestsTable, requests_table, slo_seconds
from hocket.serving.model.cluster import Cluster
from hocket.serving.strips import strips

LATENCY, TIME, SERVICE = "Latency", "Latency over time", "Service level"
SCALES = np.geomspace(0.25, 4, 33)

PARTS = {
    "ttft": ("Time to first token", "the time from a request's arrival to its first token"),
    "tpot": ("Time per output token", "the mean time between a request's tokens"),
    "e2e": ("End to end", "the time from a request's arrival to its last token"),
}

Runs = Sequence[tuple[str, Timeline]]


def figures(scenario: Cluster, runs: Runs) -> tuple[Given, ...]:
    """The pictures of `runs`, pairs of a label (a policy) and the timeline it gave.

    Policies share every plot; each has strips of its own. Relations are drawn where a report
    compares several policies or scenarios.
    """
    tables = [(label, requests_table(scenario, timeline)) for label, timeline in runs]
    tick = seconds_per_tick(runs[0][1]) if runs else 1.0
    slo = slo_seconds(scenario, tick)
    found: list[Given] = [_distribution(part, tables, slo) for part in PARTS]
    found += [_over_time(part, tables, slo) for part in ("ttft", "tpot")]
    if slo:
        found.append(_scaled(tables, slo, scenario.slo.share))
    found += _relations()
    found += [strips(scenario, label, timeline) for label, timeline in runs]
    return tuple(one for one in found if not isinstance(one, Plot) or one.lines)


def _distribution(
    part: str, tables: list[tuple[str, RequestsTable]], slo: dict[str, float]
) -> Plot:
    """The share of answered requests up to each time."""
    title, meaning = PARTS[part]
    lines = []
    for label, table in tables:
        values = getattr(table, part)[table.known(part)]
        if len(values):
            lines.append(distribution(label, values))
    return Plot(
        group=LATENCY,
        title=title,
        caption=f"Of all answered requests, the share for which {meaning} is at most so long.",
        x=Axis(label=title.lower(), kind="seconds", log=all(min(one.x) > 0 for one in lines)),
        y=Axis(label="share of requests", kind="share", low=0, high=1),
        style="steps",
        lines=tuple(lines),
        marks=(Mark(at=slo[part], label="SLO"),) if part in slo else (),
    )


def _over_time(part: str, tables: list[tuple[str, RequestsTable]], slo: dict[str, float]) -> Plot:
    """Median and 95th percentile of the requests that arrive in each stretch of the run."""
    title, meaning = PARTS[part]
    lines: list[Line] = []
    for label, table in tables:
        column = getattr(table, part)
        known = table.known(part)
        lines += over_time(label, table.arrival[known], column[known])
    return Plot(
        group=TIME,
        title=f"{title}, by arrival",
        caption=f"Of {meaning}, the median (solid) and 95th percentile (dashed) over the requests "
        "that arrive in each stretch of the run.",
        x=Axis(label="time of arrival", kind="seconds"),
        y=Axis(label=title.lower(), kind="seconds", low=0),
        lines=tuple(lines),
        marks=(Mark(at=slo[part], label="SLO", axis="y"),) if part in slo else (),
    )


def _scaled(tables: list[tuple[str, RequestsTable]], slo: dict[str, float], share: float) -> Plot:
    """How many requests would meet an SLO that is tighter or looser."""
    scales = short(SCALES)
    return Plot(
        group=SERVICE,
        title="Attainment against the scale of the SLO",
        caption="Share of all requests that meet every part of the SLO, if its times were so many "
        "times as long.",
        x=Axis(label="times of the SLO multiplied by", log=True),
        y=Axis(label="attainment", kind="share", low=0, high=1),
        lines=tuple(
            Line(
                label=label,
                x=scales,
                y=tuple(round(float(table.within(scale, slo).mean()), 5) for scale in scales),
            )
            for label, table in tables
            if len(table)
        ),
        marks=(Mark(at=1.0, label="SLO"), Mark(at=share, label=f"{share:.0%} asked", axis="y")),
    )


def _relations() -> list[Relation]:
    share = Axis(label="attainment", kind="share", low=0, high=1)
    return [
        Relation(
            group=SERVICE,
            title="Attainment against the request rate",
            caption="Share of requests within the SLO, for scenarios of different load.",
            x=Axis(label="requests per second", low=0),
            y=share,
            metrics=("rate", "attainment"),
            joined=True,
        ),
        Relation(
            group=SERVICE,
            title="Attainment against cost",
            caption="Up and to the left is better: more requests within the SLO, fewer GPU seconds "
            "for each 1,000 tokens of answers.",
            x=Axis(label="GPU seconds per 1,000 tokens"),
            y=share,
            metrics=("cost", "attainment"),
        ),
    ]
