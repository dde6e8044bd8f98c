"""A scenario's pools as the placement search sees them: costs, L_m, and how many it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hocket.serving import memory
from hocket.serving.cost.distserve import DistServe
from hocket.serving.cost.protocol import Cost
from hocket.serving.disaggregation.goodput import (
    Ints,
    Sample,
    Target,
    bisect,
    decodes_in_time,
    prefills_in_time,
    sample,
)
from hocket.serving.disaggregation.instance import Instance

if TYPE_CHECKING:
    from hocket.serving.model.cluster import Pool

InTime = Callable[[Instance, Sample, float, Target], bool]

SATURATED = 0.9
STEPS = 64  # a replica's share of the traffic is found to this part of it
PROMPTS = (128, 512, 2048)
"""The prompt lengths at which a cost model is probed."""
DECODES = ((8, 512), (8, 2048), (64, 512)), ((128, 512), (128, 2048), (512, 512))
"""The same for decodes: requests and context of each, for few requests and for many."""


def saturation(cost: Cost, most: int, share: float = SATURATED) -> int:
    """L_m: the shortest prompt at which an iteration reaches `share` of its best tokens per second.

    Prompts of up to `most` tokens are looked at, of powers of two to find the best. How near to the
    best counts as saturated the paper leaves open.
    """

    def speed(tokens: int) -> float:
        return tokens / cost.iteration(((tokens, 0),), 0, 0)

    sizes = [2**i for i in range(max(1, most).bit_length())]
    best = max(sizes, key=speed)
    low, high = 0, int(best)
    while high - low > 1:
        middle = (low + high) // 2
        if speed(middle) < share * speed(best):
            low = middle
        else:
            high = middle
    return high


def coefficients(pool: Pool) -> DistServe:
    """The costs of a pool in DistServe's form: its own, or a form through three probes each.

    The form is exact at the probes, `PROMPTS` and `DECODES`.
    """
    if isinstance(pool.cost, DistServe):
        return pool.cost
    cost = pool.cost.model(pool)
    scale = 1000.0 * pool.pp  # the form divides by the stages, and is in milliseconds
    prefill = _solved(
        [(1.0, n, n * n) for n in PROMPTS], [cost.iteration(((n, 0),), 0, 0) for n in PROMPTS]
    )
    small, large = (
        _solved(
            [(1.0, n * (context + 1), n) for n, context in probes],
            [cost.decode(n, n * context) for n, context in probes],
        )
        for probes in DECODES
    )
    return DistServe(
        prefill=_scaled(prefill, scale),
        small=_scaled(small, scale),
        large=_scaled(large, scale),
        stage=0.0,
        first=0.0,
        first_per_token=0.0,
    )


def needed(
    pools: Sequence[Pool],
    rows: Ints,
    rate: float,
    target: Target,
    rng: np.random.Generator,
    seconds: float = 120.0,
) -> dict[str, int]:
    """How many replicas of each pool serve `rate` requests per second of lengths like `rows`.

    As in Algorithm 1: of the pools for prefill, and of those for decode, the one that serves most
    per GPU gets all replicas of its phase, as many as it takes; a phase that no pool serves within
    the target gets as many as there may be of the first. `rows` has shape (n, 2); `seconds` of such
    traffic are simulated, in at least 300 and at most 5000 requests.
    """
    # Queues of an overloaded replica need time to show: a run of fixed size would pass high rates.
    count = round(min(max(rate * seconds, 300), 5000))
    requests = sample(rows, count, rng)
    wanted = {pool.name: 0 for pool in pools}
    for role, in_time in (("prefill", prefills_in_time), ("decode", decodes_in_time)):
        candidates = [pool for pool in pools if pool.role == role]
        if not candidates:
            continue
        served = [_served(pool, in_time, requests, rate, target) for pool in candidates]
        per_gpu = [n / pool.gpus for n, pool in zip(served, candidates, strict=True)]
        best = per_gpu.index(max(per_gpu))
        pool, each = candidates[best], served[best]
        wanted[pool.name] = min(pool.most, math.ceil(rate / each)) if each else pool.most
    return wanted


def instance(pool: Pool) -> Instance:
    """One replica of a pool in the ring simulator; decode iterations read at most its memory."""
    tokens = memory.blocks(pool) * pool.block_size
    return Instance(coefficients(pool), pool.pp, tokens, context=tokens)


def _served(pool: Pool, in_time: InTime, requests: Sample, rate: float, target: Target) -> float:
    """How much of `rate` one replica of a pool serves in time."""
    one = instance(pool)

    def passes(part: float) -> bool:
        return in_time(one, requests, part, target)

    return rate if passes(rate) else bisect(passes, rate, rate / STEPS)


def _scaled(triple: list[float], factor: float) -> tuple[float, float, float]:
    a, b, c = (x * factor for x in triple)
    return a, b, c


def _solved(rows: list[tuple[float, float, float]], seconds: list[float]) -> list[float]:
    solution: list[float] = np.linalg.solve(np.array(rows), np.array(seconds)).tolist()
    return solution
