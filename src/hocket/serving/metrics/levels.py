"""Figures of memory over time: use, waste, fragmentation."""

from __future__ import annotations

import numpy as np

from hocket.serving.metrics.read import Columns, Floats, Ints, capacities
from hocket.serving.metrics.table import RequestsTable
from hocket.serving.model.cluster import Pool

GAUGES = ("kv", "wasted")
FOREVER = np.iinfo(np.int64).max


def memory_figures(
    gauges: Columns, points: Columns, table: RequestsTable, found: dict[str, Pool], end: int
) -> dict[str, float]:
    """Shares of all replicas' memory from the first reading to tick `end`; 0 without readings.

    Fragmentation is that of Sun et al., "Llumnix: Dynamic Scheduling for Large Language Model
    Serving", OSDI 2024, section 6.3: of the heads of queues that lack memory where they wait, as
    many as all free memory together could hold, the smallest first. It is judged whenever a gauge
    is read, and the longest waiting request taken for the head of its queue.
    """
    blocks = capacities(found)
    total = sum(blocks.values())
    readings = _readings(gauges)
    times = np.unique(np.concatenate([[], *(at for at, _ in readings.values())])).astype(np.int64)
    times = times[times < end]
    if not total or not len(times):
        return dict.fromkeys(("kv_utilisation", "waste", "fragmentation"), 0.0)
    weight = np.diff(np.append(times, end)) / (end - times[0])
    kv, wasted = (
        np.stack([_level(readings, name, lane, times) for lane in found], axis=1) for name in GAUGES
    )
    size = np.array(list(blocks.values()), dtype=float)
    slots = float(sum(blocks[lane] * pool.block_size for lane, pool in found.items()))
    fragmented = _fragmented(np.maximum(size - kv, 0), _demand(points, table, found, times))
    return {
        "kv_utilisation": float(weight @ kv.sum(axis=1)) / total,
        "waste": float(weight @ wasted.sum(axis=1)) / slots,
        "fragmentation": float(weight @ fragmented) / total,
    }


def _readings(gauges: Columns) -> dict[tuple[str, str], tuple[Ints, Floats]]:
    """Times and values of every gauge of memory, by name and lane."""
    rows: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
    columns = (gauges[name] for name in ("name", "lane", "time", "value"))
    for name, lane, time, value in zip(*columns, strict=True):
        if name in GAUGES:
            times, values = rows.setdefault((name, lane), ([], []))
            times.append(time)
            values.append(value)
    return {
        key: (np.array(times, dtype=np.int64), np.array(values, dtype=float))
        for key, (times, values) in rows.items()
    }


def _level(
    readings: dict[tuple[str, str], tuple[Ints, Floats]], name: str, lane: str, times: Ints
) -> Floats:
    """What a gauge showed at these times; 0 before its first reading."""
    at, value = readings.get((name, lane), (np.zeros(0, dtype=np.int64), np.zeros(0)))
    return np.append(0.0, value)[np.searchsorted(at, times, side="right")]


def _demand(points: Columns, table: RequestsTable, found: dict[str, Pool], times: Ints) -> Floats:
    """Blocks that the head of each queue needs at each time, 0 if none waits; (times, lanes)."""
    needed = np.zeros((len(times), len(found)))
    waits = _waits(points, table)
    for column, (lane, pool) in enumerate(found.items()):
        if lane not in waits:
            continue
        entered, left, tokens = waits[lane]
        # The first in order of entering that has not left: where the latest leaving so far exceeds
        # the time for the first time.
        head = np.searchsorted(np.maximum.accumulate(left), times, side="right")
        known = np.append(entered, FOREVER)[head] <= times
        needed[:, column] = np.where(known, -(-np.append(tokens, 0)[head] // pool.block_size), 0)
    return needed


def _waits(points: Columns, table: RequestsTable) -> dict[str, tuple[Ints, Ints, Ints]]:
    """Per replica, in order of entering: when requests entered and left the queue; their tokens."""
    work = table.work
    rows = {name: row for row, name in enumerate(table.id)}
    kept = [
        i
        for i, (kind, lane) in enumerate(zip(points["kind"], points["lane"], strict=True))
        if lane and kind in ("dispatch", "preempt") and points["group"][i] in rows
    ]
    if not kept:
        return {}
    entered = np.array([points["time"][i] for i in kept], dtype=np.int64)
    row = np.array([rows[points["group"][i]] for i in kept], dtype=np.int64)
    lanes = np.array([points["lane"][i] for i in kept])
    # The next span of the same request: spans are in order of request and start.
    horizon = int(max(entered.max(), work.start.max(initial=0))) + 1
    span = np.searchsorted(work.request * horizon + work.start, row * horizon + entered)
    begun = np.append(work.request, -1)[span] == row
    left = np.where(begun, np.append(work.start, 0)[span], FOREVER)
    gained = np.append(0, np.cumsum(np.where(work.prefill, work.yields, work.tokens)))
    tokens = table.prompt[row] + gained[span] - gained[np.searchsorted(work.request, row)]
    found = {}
    order = np.argsort(entered, kind="stable")
    for lane in dict.fromkeys(lanes.tolist()):
        here = order[lanes[order] == lane]
        found[lane] = (entered[here], left[here], tokens[here])
    return found


def _fragmented(free: Floats, demand: Floats) -> Floats:
    """Blocks at each time, from free blocks and blocks that heads of queues need; (times, lanes).

    A head that fits where it waits is kept out by something else, and does not count.
    """
    lacking = np.where(demand > free, demand, np.inf)
    summed = np.cumsum(np.sort(lacking, axis=1), axis=1)
    fitting = np.where(summed <= free.sum(axis=1, keepdims=True), summed, 0.0)
    return np.asarray(fitting.max(axis=1))
