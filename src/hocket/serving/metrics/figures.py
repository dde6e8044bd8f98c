"""All metrics of a serving run."""

from __future__ import annotations

from collections import Counter

import numpy as np

from hocket.core.timeline import Timeline
from hocket.serving.metrics.fairness import fairness
from hocket.serving.metrics.levels import memory_figures
from hocket.serving.metrics.read import (
    Columns,
    Floats,
    Ints,
    replicas,
    rows_where,
    seconds_per_tick,
)
from hocket.serving.metrics.table import RequestsTable, read_table
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.objectives import METRICS, PERCENTILES


def metrics(scenario: Cluster, timeline: Timeline) -> dict[str, float]:
    """The figures of `METRICS`, all finite; times in seconds.

    Latencies are those of requests that got so far, TPOT those of answers of more than one token,
    as in vLLM's benchmark: a run in which no request did shows 0, and `finished`, `unfinished`,
    `rejected` and `cancelled` say how far it came. Attainment counts every request that arrived, so
    what is refused, not finished, or given up by its client misses the SLO.
    """
    record, tick = timeline.columns(), seconds_per_tick(timeline)
    table = read_table(scenario, record, tick)
    found = replicas(scenario, timeline, record["spans"])
    begin, end = _horizon(record["points"], table, tick)
    span = (end - begin) * tick
    figures = {
        **_latencies(table, record["tallies"], tick),
        **_rates(table, span),
        **_attainments(table),
        **_preemptions(table),
        **_migrations(record["spans"]),
        **memory_figures(record["gauges"], record["points"], table, found, end),
        "batch_mean": _batch(table, record["tallies"]),
        **_cost(table, held(record["spans"], found, begin, end), tick),
        "fairness_jain": fairness(table, tick),
        **_counts(table),
        "makespan": span,
    }
    return {name: float(figures[name]) for name in METRICS}


def tally_percentile(values: Ints, counts: Ints, percent: float) -> float:
    """The smallest value that at least `percent` of all are not above; 0 if there are none."""
    if not len(values):
        return 0.0
    order = np.argsort(values)
    reached = np.cumsum(counts[order])
    # Exact in integers up to thousandths of a percent, so that 99 % of 100 are 99.
    needed = -(-int(reached[-1]) * round(percent * 1000) // 100_000)
    return float(values[order][np.searchsorted(reached, max(1, needed))])


def _horizon(points: Columns, table: RequestsTable, tick: float) -> tuple[int, int]:
    """From the first arrival to the last thing that happened to a request, in ticks."""
    if not len(table):
        return 0, 0
    last = max(time for time, group in zip(points["time"], points["group"], strict=True) if group)
    return round(table.arrival[0] / tick), max(last, int(table.work.end.max(initial=0)))


def _latencies(table: RequestsTable, tallies: Columns, tick: float) -> dict[str, float]:
    figures = {}
    for name in ("ttft", "tpot", "e2e", "queueing"):
        column: Floats = getattr(table, name)
        known = column[table.known(name)]
        known = known if len(known) else np.zeros(1)
        figures[f"{name}_mean"] = float(known.mean())
        for suffix, percent in PERCENTILES.items():
            figures[f"{name}_{suffix}"] = float(np.percentile(known, percent))
    gaps = rows_where(tallies, "name", "gap")
    values, counts = (np.array(gaps[name], dtype=np.int64) for name in ("value", "count"))
    figures["tbt_mean"] = float(values @ counts) / max(1, int(counts.sum())) * tick
    for suffix, percent in PERCENTILES.items():
        figures[f"tbt_{suffix}"] = tally_percentile(values, counts, percent) * tick
    normalised = table.normalised[table.finished]
    figures["normalised_latency_mean"] = float(normalised.mean()) if len(normalised) else 0.0
    return figures


def _rates(table: RequestsTable, span: float) -> dict[str, float]:
    tokens = table.prompt + table.output
    first, last = (table.arrival[0], table.arrival[-1]) if len(table) else (0.0, 0.0)
    totals = {
        "throughput": table.finished.sum(),
        "output_throughput": table.output.sum(),
        "token_throughput": tokens[table.finished].sum(),
        "goodput": table.met.sum(),
        "token_goodput": tokens[table.met].sum(),
    }
    rates = {name: float(total) / span if span else 0.0 for name, total in totals.items()}
    return rates | {"rate": (len(table) - 1) / (last - first) if last > first else 0.0}


def _attainments(table: RequestsTable) -> dict[str, float]:
    parts = {
        "attainment": table.met,
        "attainment_ttft": table.met_ttft,
        "attainment_tpot": table.met_tpot,
        "attainment_gap": table.met_gap,
        "attainment_e2e": table.met_e2e,
    }
    return {name: _share(met.sum(), len(table)) for name, met in parts.items()}


def _preemptions(table: RequestsTable) -> dict[str, float]:
    return {
        "preemptions": float(table.preemptions.sum()),
        "preemption_rate": _share((table.preemptions > 0).sum(), len(table)),
        "preemption_loss_mean": _share(table.loss.sum(), len(table)),
    }


def _counts(table: RequestsTable) -> dict[str, float]:
    finished, rejected, cancelled = (
        int(column.sum()) for column in (table.finished, table.rejected, table.cancelled)
    )
    return {
        "requests": len(table),
        "finished": finished,
        "rejected": rejected,
        "cancelled": cancelled,
        "unfinished": len(table) - finished - rejected - cancelled,
    }


def _share(part: float, whole: int) -> float:
    return float(part) / whole if whole else 0.0


def _migrations(spans: Columns) -> dict[str, float]:
    kinds = Counter(spans["kind"])
    return {"migrations": kinds["migrate"], "migration_aborts": kinds["aborted"]}


def _batch(table: RequestsTable, tallies: Columns) -> float:
    """Ticks of requests running over ticks of replicas busy."""
    found = rows_where(tallies, "name", "busy")
    busy = sum(value * count for value, count in zip(found["value"], found["count"], strict=True))
    return float((table.work.end - table.work.start).sum()) / busy if busy else 0.0


def held(
    spans: Columns, found: dict[str, Pool], begin: int, end: int
) -> dict[str, tuple[int, int, int]]:
    """For each replica its GPUs, and from which tick to which it holds them.

    One that is started by a scaler holds them from its order; one that is drained until then.
    """
    started, drained = (rows_where(spans, "kind", kind) for kind in ("start", "drain"))
    ordered = dict(zip(started["lane"], started["start"], strict=True))
    released = {
        lane: end
        for lane, end, reason in zip(*(drained[c] for c in ("lane", "end", "reason")), strict=True)
        if reason != "taken back"
    }
    return {
        lane: (pool.gpus, max(begin, ordered.get(lane, begin)), min(end, released.get(lane, end)))
        for lane, pool in found.items()
    }


def _cost(
    table: RequestsTable, rented: dict[str, tuple[int, int, int]], tick: float
) -> dict[str, float]:
    seconds = sum(gpus * max(0, end - begin) for gpus, begin, end in rented.values()) * tick
    return {"gpu_seconds": seconds, "cost": seconds * 1000 / max(1, int(table.output.sum()))}
