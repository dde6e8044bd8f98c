"""Random dispatch rollouts, compiled: thousands of schedules per second from one seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from hocket.shop.search.compiled import draw, jit
from hocket.shop.search.dispatch import priorities
from hocket.shop.search.instance import Ints, Shop


@jit
def _rollout(
    job_start: Any,
    machine: Any,
    duration: Any,
    release: Any,
    priority: Any,
    noise: float,
    state: Any,
    following: Any,
    ready: Any,
    free: Any,
    start: Any,
) -> int:
    """One non-delay schedule into `start`; returns its makespan. The last five are scratch."""
    jobs = following.size
    following[:] = job_start[:-1]
    ready[:] = release
    free[:] = 0
    end = release.max() if jobs else 0
    for _ in range(start.size):
        time = np.int64(1) << 62
        chosen = np.uint32(0)
        for j in range(jobs):
            x = following[j]
            if x < job_start[j + 1]:
                begin = max(ready[j], free[machine[x]])
                if begin < time:
                    time, chosen = begin, machine[x]
        best, lowest = -1, np.inf
        for j in range(jobs):
            x = following[j]
            if x < job_start[j + 1] and machine[x] == chosen and ready[j] <= time:
                score = priority[x]
                if noise > 0.0:
                    score += noise * (draw(state, np.int64(1) << 32) / 2.0**32)
                if score < lowest:
                    best, lowest = j, score
        x = following[best]
        start[x] = time
        ready[best] = free[chosen] = time + duration[x]
        following[best] = x + 1
        end = max(end, ready[best])
    return end


@jit
def _batch(
    job_start: Any,
    machine: Any,
    duration: Any,
    release: Any,
    priority: Any,
    noise: float,
    state: Any,
    free: Any,
    makespans: Any,
    best: Any,
    stop: Any,
) -> int:
    """Fill `makespans` rollout by rollout, keep the first best schedule; returns how many ran."""
    jobs = job_start.size - 1
    following = np.zeros(jobs, np.uint32)
    ready = np.zeros(jobs, np.int64)
    start = np.zeros(machine.size, np.int64)
    lowest = np.int64(1) << 62
    for k in range(makespans.size):
        if stop[0] != 0 and k > 0:
            return k
        value = _rollout(
            job_start, machine, duration, release, priority, noise, state,
            following, ready, free, start,
        )  # fmt: skip
        makespans[k] = value
        if value < lowest:
            lowest = value
            best[:] = start
    return int(makespans.size)


def rollouts(
    shop: Shop,
    count: int,
    seed: int,
    rule: str = "random",
    noise: float = 1.0,
    stop: Any = None,
) -> tuple[Ints, Ints]:
    """Makespans ``int64[count]`` of random non-delay schedules, and the best one's start times.

    Each decision adds a fresh uniform number from [0, noise) to the candidates' priorities under
    `rule`, which lie in [0, 1] (see ``dispatch.priorities``); with the rule "random" and any
    positive noise every candidate is equally likely. The same seed gives the same result.
    `stop`, a ``uint8[1]``, ends the batch after the current rollout when another thread sets it;
    then only the makespans found so far are returned (at least one).
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    makespans, best = np.zeros(count, np.int64), np.zeros(shop.operations, np.int64)
    done = _batch(
        shop.job_start.astype(np.uint32),
        shop.machine.astype(np.uint32),
        np.array(shop.duration),
        np.array(shop.releases),
        priorities(shop, rule),
        float(noise),
        np.random.SeedSequence(seed).generate_state(1, np.uint64),
        np.zeros(shop.machines, np.int64),
        makespans,
        best,
        np.zeros(1, np.uint8) if stop is None else stop,
    )
    return makespans[:done], best
