"""One row for each request: when it came, was begun, spoke first, and was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec
import numpy as np

from hocket.core.timeline import Timeline
from hocket.serving.metrics.read import (
    Arrival,
    Bools,
    Columns,
    Floats,
    Ints,
    Work,
    arrival,
    rows_where,
    seconds_per_tick,
    work,
)
from hocket.serving.model.cluster import Cluster


class RequestsTable(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The requests of a run in order of arrival. Every column has shape (n,).

    Times are seconds since tick 0, durations seconds; NaN for what did not happen.

    - `id`: names; `tenant`, `replica`: indices into `tenants` and `replicas`; -1 for a request that
      never ran, else the replica that it was last on
    - `arrival`, `scheduled` (its first iteration begins), `first` (its first token), `finish`
    - `prompt`: tokens asked; `output`: tokens answered so far
    - `ttft`: `first` - `arrival`; `queueing`: `scheduled` - `arrival`; `e2e`: `finish` - `arrival`
    - `tpot`: mean time per token after the first, 0 for an answer of one token
    - `gap`: the longest time between two of its tokens, 0 if it has one
    - `loss`: what preemptions cost it; `preemptions`: how many there were
    - `rejected`: whether it was refused; `cancelled`: whether its client went away first; `met`:
      whether it is answered within the SLO; `met_ttft` and so on: within that part of it
    """

    id: tuple[str, ...]
    tenants: tuple[str, ...]
    replicas: tuple[str, ...]
    prompt: Ints
    output: Ints
    priority: Ints
    tenant: Ints
    replica: Ints
    arrival: Floats
    scheduled: Floats
    first: Floats
    finish: Floats
    ttft: Floats
    queueing: Floats
    e2e: Floats
    tpot: Floats
    gap: Floats
    loss: Floats
    preemptions: Ints
    rejected: Bools
    cancelled: Bools
    met: Bools
    met_ttft: Bools
    met_tpot: Bools
    met_gap: Bools
    met_e2e: Bools
    work: Work

    def __len__(self) -> int:
        return len(self.id)

    @property
    def finished(self) -> Bools:
        """Which requests are answered."""
        return ~np.isnan(self.finish)

    @property
    def normalised(self) -> Floats:
        """End-to-end time over the tokens of the answer."""
        return self.e2e / np.maximum(self.output, 1)

    def known(self, part: str) -> Bools:
        """Which requests have a time of this part, such as ``ttft``.

        Of TPOT answers of one token have none, although its column says 0, which meets any SLO.
        """
        there: Bools = ~np.isnan(getattr(self, part))
        return there & (self.output > 1) if part == "tpot" else there

    def within(self, scale: float, slo: dict[str, float]) -> Bools:
        """Which requests would meet an SLO, in seconds by part, `scale` times as long."""
        met = self.finished
        for part, bound in slo.items():
            met = met & (getattr(self, part) <= bound * scale)
        return met


def slo_seconds(scenario: Cluster, tick: float) -> dict[str, float]:
    """The parts of the SLO that are asked for: ``{"ttft": 0.5, ...}``; a tick lasts `tick`."""
    slo = scenario.slo
    parts = {"ttft": slo.ttft, "tpot": slo.tpot, "gap": slo.gap, "e2e": slo.e2e}
    return {name: ticks * tick for name, ticks in parts.items() if ticks is not None}


def requests_table(scenario: Cluster, timeline: Timeline) -> RequestsTable:
    """The requests that arrived in `timeline`, with what became of them."""
    return read_table(scenario, timeline.columns(), seconds_per_tick(timeline))


def read_table(scenario: Cluster, record: Mapping[str, Columns], tick: float) -> RequestsTable:
    """The same from the columns of a timeline, whose ticks last `tick` seconds."""
    points, tallies = record["points"], record["tallies"]
    rows, told, times = _arrivals(points)
    prompt = np.array([a.prompt for a in told], dtype=np.int64)
    # Durations are taken in ticks, which are exact, so that what just meets a bound meets it.
    arrived = np.array(times, dtype=float)
    finish = _at(points, "finish", rows)
    done = work(record["spans"], points, rows, prompt, ~np.isnan(finish))
    scheduled = _first(done.request, done.start, len(rows))
    first = _first(done.request[done.yields], done.end[done.yields], len(rows))
    output = np.bincount(done.request[done.yields], minlength=len(rows)).astype(np.int64)
    decodes = ~done.prefill
    np.add.at(output, done.request[decodes], done.tokens[decodes])
    tenants = tuple(dict.fromkeys(a.tenant for a in told))
    index = {tenant: i for i, tenant in enumerate(tenants)}
    columns = {
        "ttft": (first - arrived) * tick,
        "tpot": (finish - first) / np.maximum(output - 1, 1) * tick,
        "gap": _tallied(tallies, "longest gap", rows) * tick,
        "e2e": (finish - arrived) * tick,
    }
    return RequestsTable(
        id=tuple(rows),
        tenants=tenants,
        replicas=done.lanes,
        prompt=prompt,
        output=output,
        priority=np.array([a.priority for a in told], dtype=np.int64),
        tenant=np.array([index[a.tenant] for a in told], dtype=np.int64),
        replica=_last(done, len(rows)),
        arrival=arrived * tick,
        scheduled=scheduled * tick,
        first=first * tick,
        finish=finish * tick,
        queueing=(scheduled - arrived) * tick,
        loss=_tallied(tallies, "loss", rows) * tick,
        preemptions=_counted(points, "preempt", rows),
        rejected=~np.isnan(_at(points, "reject", rows)),
        cancelled=~np.isnan(_at(points, "cancel", rows)),
        work=done,
        **columns,
        **_met(columns, slo_seconds(scenario, tick), ~np.isnan(finish)),  # type: ignore[arg-type]
    )


def _met(columns: dict[str, Floats], slo: dict[str, float], finished: Bools) -> dict[str, Bools]:
    """Whether each part of the SLO is met, and all. NaN meets nothing."""
    parts = {
        name: column <= slo[name] if name in slo else finished for name, column in columns.items()
    }
    met = finished.copy()
    for part in parts.values():
        met &= part
    return {"met": met, **{f"met_{name}": part for name, part in parts.items()}}


def _arrivals(points: Columns) -> tuple[dict[str, int], list[Arrival], list[int]]:
    """Row numbers by request, what each asks, and when it came; in order of arrival."""
    found = rows_where(points, "kind", "arrive")
    unique = {group: i for i, group in enumerate(found["group"])}
    order = sorted(unique.values(), key=found["time"].__getitem__)
    rows = {found["group"][i]: row for row, i in enumerate(order)}
    return rows, [arrival(found["name"][i]) for i in order], [found["time"][i] for i in order]


def _at(points: Columns, kind: str, rows: dict[str, int]) -> Floats:
    """When a point of this kind happened to each request, NaN if it did not; ticks."""
    happened = rows_where(points, "kind", kind)
    found = np.full(len(rows) + 1, np.nan)  # the last is for requests that nobody knows
    found[[rows.get(group, -1) for group in happened["group"]]] = happened["time"]
    return found[:-1]


def _counted(points: Columns, kind: str, rows: dict[str, int]) -> Ints:
    """How often a point of this kind happened to each request."""
    times = Counter(rows_where(points, "kind", kind)["group"])
    return np.array([times[request] for request in rows], dtype=np.int64)


def _tallied(tallies: Columns, name: str, rows: dict[str, int]) -> Floats:
    """The sum of what was tallied for each request, 0 if nothing; ticks."""
    kept = rows_where(tallies, "name", name)
    found = np.zeros(len(rows) + 1)
    amounts = np.array(kept["value"], dtype=float) * np.array(kept["count"], dtype=float)
    np.add.at(found, [rows.get(lane, -1) for lane in kept["lane"]], amounts)
    return found[:-1]


def _first(request: Ints, time: Ints, count: int) -> Floats:
    """The earliest of the times of each request, NaN if it has none; ticks."""
    found = np.full(count, np.inf)
    np.minimum.at(found, request, time)
    found[np.isinf(found)] = np.nan
    return found


def _last(done: Work, count: int) -> Ints:
    """The lane of each request's last span, -1 if it has none."""
    found = np.full(count, -1, dtype=np.int64)
    if len(done.request):
        final = np.append(done.request[1:] != done.request[:-1], True)
        found[done.request[final]] = done.lane[final]
    return found
