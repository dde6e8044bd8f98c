"""Where to begin: replicas that have about enough time for all the tokens of a log."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hocket.serving import memory
from hocket.serving.capacity.fleet import Counts
from hocket.serving.model.cluster import Pool
from hocket.serving.model.requests import Requests
from hocket.serving.workload.clock import ticks_per_second

CHUNK = 2048
DECODES = 128
BUSY = 0.7
"""The share of its time that a replica may work before requests wait too long; a guess."""


def guess(pools: Sequence[Pool], drawn: Requests, unit: str) -> Counts:
    """Replicas of each pool that could do the work of the requests in their time, at least 1 each.

    A first guess, from the cost of prompts in chunks of `CHUNK` and of decodes by `DECODES`, or as
    many as memory holds. It decides where a search begins, and nothing else.
    """
    timed = drawn.arrival[drawn.arrival >= 0]
    ticks = float(timed[-1] - timed[0]) if len(timed) and not drawn.clients else 0.0
    seconds = ticks / ticks_per_second(unit)
    if not seconds:
        return (1,) * len(pools)
    return tuple(max(1, math.ceil(work_seconds(pool, drawn) / seconds / BUSY)) for pool in pools)


def work_seconds(pool: Pool, requests: Requests) -> float:
    """About how long one replica of a pool works on all requests, or on its part of them."""
    cost, total = pool.cost.model(pool), 0.0
    prompt, output = int(requests.prompt.sum()), int(requests.output.sum())
    if pool.role in ("both", "prefill"):
        total += prompt / CHUNK * cost.iteration(((CHUNK, 0),), 0, 0)
    if pool.role in ("both", "decode"):
        context = max(1, round((prompt + output / 2) / max(1, len(requests))))
        held = memory.blocks(pool) * pool.block_size // context
        decodes = max(1, min(DECODES, held))
        total += output / decodes * cost.decode(decodes, decodes * context)
    return total
