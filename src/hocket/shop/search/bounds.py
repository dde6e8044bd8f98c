"""Lower bounds on the makespan that need no search."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from hocket.shop.search.instance import Shop


def job_bound(shop: Shop) -> int:
    """The longest job: release plus all of its durations."""
    if not shop.operations:
        return int(shop.releases.max(initial=0))
    ends = int((shop.heads + shop.duration + shop.tails).max())
    return max(ends, int(shop.releases[np.diff(shop.job_start) == 0].max(initial=0)))


def machine_bound(shop: Shop) -> int:
    """The busiest machine: smallest head, plus all of its work, plus smallest tail."""
    heads, tails = shop.heads, shop.tails
    best = 0
    for m in range(shop.machines):
        on = shop.machine == m
        if on.any():
            load = int(shop.duration[on].sum())
            best = max(best, int(heads[on].min()) + load + int(tails[on].min()))
    return best


def jackson_bound(heads: Sequence[int], durations: Sequence[int], tails: Sequence[int]) -> int:
    """Makespan of Jackson's preemptive schedule of one machine: the best bound with preemption.

    At any time the available operation with the largest tail runs (Carlier 1982, "The one-machine
    sequencing problem", section 2). O(n log n).
    """
    waiting = sorted(range(len(heads)), key=lambda x: heads[x])
    queue: list[tuple[int, int]] = []  # (-tail, remaining work)
    time, bound, i = 0, 0, 0
    while i < len(waiting) or queue:
        if not queue:
            time = max(time, heads[waiting[i]])
        while i < len(waiting) and heads[waiting[i]] <= time:
            x = waiting[i]
            heapq.heappush(queue, (-tails[x], durations[x]))
            i += 1
        tail, left = heapq.heappop(queue)
        until = heads[waiting[i]] if i < len(waiting) else time + left
        run = min(left, until - time)
        time += run
        if run < left:
            heapq.heappush(queue, (tail, left - run))
        else:
            bound = max(bound, time - tail)
    return bound


def lower_bound(shop: Shop) -> int:
    """The best bound of this module: the longest job and Jackson's bound of every machine."""
    bound = job_bound(shop)
    heads, tails = shop.heads, shop.tails
    for m in range(shop.machines):
        on = np.flatnonzero(shop.machine == m)
        lists = (heads[on].tolist(), shop.duration[on].tolist(), tails[on].tolist())
        bound = max(bound, jackson_bound(*lists))
    return bound
