"""Non-delay dispatching in plain Python: the schedule at once, and the twin of the rollout kernel.

Decisions are taken in the order of time. At the earliest time at which any operation can start,
the machine of the lowest-numbered job that can start then picks, among all jobs that could start
on it then, the operation with the smallest priority (ties: the lowest job number).
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hocket.core.errors import UnknownName
from hocket.shop.search.instance import Ints, Shop, makespan

Floats = NDArray[np.float64]

MASK = (1 << 64) - 1


class SplitMix:
    """The generator of `compiled.draw`, in plain Python."""

    def __init__(self, state: int) -> None:
        self.state = int(state)

    def draw(self, k: int) -> int:
        """A uniform integer below `k`."""
        self.state = z = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        return ((z >> 32) * k) >> 32


def _work_remaining(shop: Shop) -> Ints:
    return shop.duration + shop.tails


def _operations_remaining(shop: Shop) -> Ints:
    return shop.job_start[1:].astype(np.int64)[shop.job] - np.arange(shop.operations)


# Smaller is dispatched first. "random" leaves everything to the noise.
RULES: dict[str, Callable[[Shop], Ints]] = {
    "random": lambda shop: np.zeros(shop.operations, np.int64),
    "spt": lambda shop: np.asarray(shop.duration),
    "lpt": lambda shop: -shop.duration,
    "mwkr": lambda shop: -_work_remaining(shop),
    "lwkr": _work_remaining,
    "mopnr": lambda shop: -_operations_remaining(shop),
    "lopnr": _operations_remaining,
}


def priorities(shop: Shop, rule: str) -> Floats:
    """Priority of every operation under `rule`, scaled into [0, 1]; smaller goes first.

    Rules: shortest / longest processing time (spt, lpt), most / least work remaining including
    the operation itself (mwkr, lwkr), most / fewest operations remaining (mopnr, lopnr), and
    random, under which all are equal. Raises UnknownName.
    """
    if rule not in RULES:
        raise UnknownName("dispatching rule", rule, RULES)
    raw = RULES[rule](shop).astype(np.float64)
    low, high = raw.min(initial=0.0), raw.max(initial=0.0)
    scaled: Floats = (raw - low) / max(high - low, 1.0)
    return scaled


def dispatch(shop: Shop, rule: str, noise: float = 0.0, state: int = 0) -> Ints:
    """The non-delay schedule of one rule: start times ``int64[N]``.

    With `noise`, a fresh uniform number from [0, noise) is added to a candidate's priority at
    every decision; `state` seeds the generator. Equal to ``rollouts(...)`` draw by draw.
    """
    start, _ = _dispatch(shop, priorities(shop, rule), noise, SplitMix(state))
    return start


def _dispatch(shop: Shop, base: Floats, noise: float, random: SplitMix) -> tuple[Ints, int]:
    """One schedule and its makespan; O(N (M + jobs waiting at a machine))."""
    priority, machine, duration = base.tolist(), shop.machine.tolist(), shop.duration.tolist()
    following, last = shop.job_start[:-1].tolist(), shop.job_start[1:].tolist()
    arrivals = [(release, j) for j, release in enumerate(shop.releases.tolist())]
    arrivals = [(release, j) for release, j in arrivals if following[j] < last[j]]
    heapq.heapify(arrivals)
    waiting: list[list[int]] = [[] for _ in range(shop.machines)]  # jobs, by number
    free = [0] * shop.machines
    start = [0] * shop.operations
    time = 0
    for _ in range(shop.operations):
        able: list[int] = []
        while not able:
            while arrivals and arrivals[0][0] <= time:
                _, j = heapq.heappop(arrivals)
                bisect.insort(waiting[machine[following[j]]], j)
            able = [m for m, queue in enumerate(waiting) if queue and free[m] <= time]
            if not able:
                coming = [free[m] for m, queue in enumerate(waiting) if queue]
                time = min(coming + [ready for ready, _ in arrivals[:1]])
        chosen = min(able, key=lambda m: waiting[m][0])
        queue = waiting[chosen]
        scores = [priority[following[j]] for j in queue]
        if noise > 0.0:
            scores = [s + noise * (random.draw(1 << 32) / 2.0**32) for s in scores]
        job = queue.pop(scores.index(min(scores)))
        x = following[job]
        start[x] = time
        free[chosen] = time + duration[x]
        following[job] += 1
        if following[job] < last[job]:
            heapq.heappush(arrivals, (free[chosen], job))
    result = np.array(start, np.int64)
    return result, makespan(shop, result)


def best_rule(shop: Shop) -> tuple[Ints, int, str]:
    """The best schedule of the deterministic rules, its makespan, and the rule's name."""
    tried = [
        (*_dispatch(shop, priorities(shop, rule), 0.0, SplitMix(0)), rule)
        for rule in ("mwkr", "mopnr", "spt")
    ]
    return min(tried, key=lambda entry: entry[1])


def reference_rollouts(
    shop: Shop, count: int, seed: int, rule: str, noise: float
) -> tuple[Ints, Ints]:
    """What ``rollout.rollouts`` returns, computed in plain Python, for tests and for teaching."""
    random = SplitMix(int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]))
    runs = [_dispatch(shop, priorities(shop, rule), noise, random) for _ in range(count)]
    makespans = np.array([value for _, value in runs], np.int64)
    return makespans, runs[int(makespans.argmin())][0]
