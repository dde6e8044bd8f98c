"""How loaded a replica is in Llumnix's eyes: virtual usage, freeness, and the artifact's loads.

Sun et al., "Llumnix: Dynamic Scheduling for Large Language Model Serving" (OSDI 2024), section
4.4.2 and Algorithm 1. *Freeness* is memory left over, divided by the batch size: for how many more
blocks each running request can grow. It may be negative. One rule then serves several ends, because
what a request is said to use (its *virtual usage*) need not be what it holds: the request that
waits at the head of the queue uses what it demands, one of high priority also the head-room that
keeps its decoding fast, and a replica about to stop holds a fake request that uses everything.

The code published with the paper computes other figures, named artifact here: all waiting requests
count, not only the head, and head-room is all memory above a target. Loads there are negated
freeness, so that the larger is the more loaded.

Memory is in blocks; priorities below 0 are high.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, inf
from typing import Literal

from hocket.serving.roles.cluster import Load

Mode = Literal["paper", "artifact"]

TARGET = 1600
"""Tokens that a replica with a request of high priority should hold at most (section 6.4)."""
WATERMARK = 0.01
"""Share of the blocks that the artifact's engine, like vLLM 0.1.7, never fills by admissions."""


def headroom(load: Load, target: int | None = TARGET) -> float:
    """Blocks that must stay unused for a request of high priority to decode undisturbed.

    `target` is how many tokens the replica may hold meanwhile, a figure that is measured; None
    stands for priorities that do not matter.
    """
    if target is None:
        return 0.0
    return max(0.0, load.blocks - target / load.block_size)


def virtual_usages(load: Load, target: int | None = TARGET) -> list[float]:
    """The virtual usage of every request of a replica, running ones first (Algorithm 1).

    Head-room is split among the running requests of high priority. A replica that is draining has
    one entry more, of the fake request.
    """
    usages = [
        ceil((request.prompt + request.generated) / load.block_size)
        + (headroom(load, target) / load.urgent if request.priority < 0 else 0.0)
        for request in load.running
    ]
    usages += [0.0 if place else head_demand(load) for place in range(len(load.waiting))]
    return [*usages, inf] if load.draining else usages


def head_demand(load: Load) -> int:
    """Blocks that the request at the head of the queue needs to come in; 0 for no queue."""
    if not load.waiting:
        return 0
    head = load.waiting[0]
    return ceil((head.prompt + head.generated) / load.block_size)


def freeness(load: Load, target: int | None = TARGET, *, urgent: bool = False) -> float:
    """The paper's freeness: (memory - virtual usages) / batch size.

    What running requests hold is taken from the report's `free`, so that blocks which they share,
    or which are reserved for a request that is migrating in, count once. An empty batch divides by
    one; a replica without any request is infinitely free.

    With `urgent` it is the freeness that a request of high priority would find: the head-room that
    others of its kind hold is there for it as well, but where there are none it would be the first
    to claim it. (The paper does not say; to let the head-room count against those that it is for
    would spread them over all replicas, and leave none to the others.)
    """
    if load.draining:
        return -inf
    if not load.running and not load.waiting:
        return inf
    left: float = load.free - head_demand(load)
    if (load.urgent > 0) != urgent:
        left -= headroom(load, target)
    return left / max(1, len(load.running))


def queue_demand(load: Load) -> float:
    """The artifact's queue demand: blocks of all waiting requests, fractions of blocks included."""
    return sum(request.prompt + request.generated for request in load.waiting) / load.block_size


def available(load: Load, watermark: float = WATERMARK) -> int:
    """Blocks that admissions may still take: the free ones above the watermark."""
    return load.free - int(watermark * load.blocks)


def migrate_load(
    load: Load, target: int | None = TARGET, watermark: float = WATERMARK, *, defrag: bool = True
) -> float:
    """The load by which the artifact pairs replicas for migration.

    With `defrag` the queue counts as one more request and by its demand, and one request of high
    priority by its reserve; without, only what is running counts. A replica with nothing is the
    least loaded, at -inf; a draining one the most, at inf.
    """
    if load.draining:
        return inf
    n, left = len(load.running), float(available(load, watermark))
    if defrag:
        n += bool(load.waiting)
        left -= queue_demand(load) + _reserve(load, _any_high(load), target)
    return _load(left, n)


def dispatch_load(
    load: Load, urgent: bool = False, target: int | None = TARGET, watermark: float = WATERMARK
) -> float:
    """The load by which the artifact dispatches a request; `urgent` if that has high priority.

    The reserve keeps the two kinds apart: it weighs on a replica with none of high priority when
    the request has it, and on a replica with some when the request has it not.
    """
    reserved = _reserve(load, _any_high(load) != urgent, target)
    left = available(load, watermark) - queue_demand(load) - reserved
    return _load(left, len(load.running) + len(load.waiting))


def block_load(load: Load) -> float:
    """Used blocks and queue demand as a share of the memory: the load of INFaaS++."""
    return (load.blocks - load.free + queue_demand(load)) / load.blocks


def artifact_cluster_freeness(
    loads: Iterable[Load], watermark: float = WATERMARK, *, extra: int = 0, without: int = 0
) -> float:
    """The artifact's freeness of a whole cluster: sums over its replicas, then divided.

    `extra` blocks are counted as free in addition and `without` as gone. No request: inf.
    """
    left, n = float(extra - without), 0
    for load in loads:
        left += available(load, watermark) - queue_demand(load)
        n += len(load.running) + len(load.waiting)
    return -_load(left, n)


def _any_high(load: Load) -> bool:
    return load.urgent > 0 or any(request.priority < 0 for request in load.waiting)


def _reserve(load: Load, counts: bool, target: int | None) -> float:
    return headroom(load, target) if counts else 0.0


def _load(left: float, n: int) -> float:
    return -left / n if n else -inf
