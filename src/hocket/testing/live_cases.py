"""Small runs for comparing an engine with the simulator: drawn at random, and made smaller.

Memory is scarce in most of them, so that requests give way; prompts exceed the budget of an
iteration, so that they are cut; and sizes lie close to whole blocks, where rules differ by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from hocket.serving.cost.constant import Constant
from hocket.serving.cost.linear import Linear
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.model.requests import Ints
from hocket.serving.roles.batching import Limits
from hocket.serving.workload.trace import Trace

ITERATION = 1000
"""Ticks that a constant iteration lasts."""
MOST_BLOCKS = 256


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What may occur in the runs.

    - `sizes`: of blocks, in tokens; `prefixes`: whether prompts may begin alike and share blocks
    - `distinct`: whether no two requests arrive at one tick; `cancels`: whether clients go away
    - `gap`: target for the time between tokens, in ticks, which some policies need
    """

    sizes: tuple[int, ...] = (4, 16, 32, 64)
    prefixes: bool = True
    distinct: bool = False
    cancels: bool = True
    gap: int | None = None


def draw(rng: np.random.Generator, limits: Limits, kind: Kind, name: str) -> Cluster:
    """A run that presses on what `limits` bound."""
    budget = limits.tokens or 256
    fitting = [size for size in kind.sizes if size * MOST_BLOCKS // 4 >= budget]
    size = int(rng.choice(fitting or kind.sizes[-1:]))
    longest = int(rng.integers(2, 2 + max(6, min(MOST_BLOCKS // 2, 2 * budget // size))))
    blocks = min(MOST_BLOCKS, int(longest * rng.uniform(1, 3)) + int(rng.integers(0, 3)))
    cached = kind.prefixes and bool(rng.random() < 0.6)
    pool = Pool(
        kv_blocks=blocks,
        block_size=size,
        max_context=longest * size - int(rng.integers(0, 2)),
        prefix_cache=cached,
        cost=_cost(rng),
    )
    return Cluster(
        name=name,
        workload=_requests(rng, pool, kind),
        pools=(pool,),
        slo=Slo(gap=kind.gap),
        gauge_every=0,
    )


def _cost(rng: np.random.Generator) -> Constant | Linear:
    if rng.random() < 0.5:
        return Constant(seconds=ITERATION / 1e6)
    return Linear(base=2e-4, per_token=2e-5, per_decode=5e-5, per_context=1e-7)


def _requests(rng: np.random.Generator, pool: Pool, kind: Kind) -> Trace:
    count = 1 + min(23, int(rng.geometric(0.12)))
    size, longest = pool.block_size, pool.max_context or 1
    prompt = _lengths(rng, count, size, longest - 1)
    limit = np.minimum(_lengths(rng, count, size, longest), int(rng.choice([3, 2 * size, 64])))
    early = rng.random(count) < 0.4
    output = np.where(early, rng.integers(1, limit + 1), limit)
    told = rng.random(4)
    columns: dict[str, object] = {}
    if told[0] < 0.5:
        columns["priority"] = tuple(rng.integers(-2, 3, count).tolist())
    if told[1] < 0.5:
        columns["tenant"] = tuple(rng.choice(["a", "b"], count).tolist())
    if told[2] < 0.5:
        known = rng.random(count) < 0.7
        columns["expected"] = tuple(np.where(known, rng.integers(1, limit + 1), 0).tolist())
    if told[3] < 0.5 and kind.cancels:
        leaves = rng.random(count) < 0.3
        patience = rng.integers(0, 60 * ITERATION, count)
        columns["cancel"] = tuple(np.where(leaves, patience, -1).tolist())
    if pool.prefix_cache:
        columns["prefix"] = tuple(_beginnings(rng, n // size) for n in prompt.tolist())
        columns["prefix_block"] = size
    return msgspec.convert(
        {
            "kind": "trace",
            "arrival": _arrivals(rng, count, kind.distinct),
            "prompt": tuple(prompt.tolist()),
            "output": tuple(output.tolist()),
            "limit": tuple(limit.tolist()),
            "names": tuple(f"r{i:02d}" for i in range(count)),
            **columns,
        },
        Trace,
    )


def _lengths(rng: np.random.Generator, count: int, size: int, longest: int) -> Ints:
    """Many short ones, some of any length, some close to whole blocks."""
    short = rng.integers(1, max(2, longest // 4) + 1, count)
    wide = rng.integers(1, max(2, longest + 2), count)
    whole = size * rng.integers(1, max(1, longest // size // 2) + 1, count)
    close = whole + rng.integers(-1, 2, count)
    which = rng.choice(3, count, p=[0.5, 0.2, 0.3])
    found: Ints = np.clip(np.choose(which, [short, wide, close]), 1, max(1, longest))
    return found


def _arrivals(rng: np.random.Generator, count: int, distinct: bool) -> tuple[int, ...]:
    """Together, in bursts, or one after the other; often just when an iteration ends."""
    gaps = rng.exponential(float(rng.choice([0.0, 0.3, 2.0, 10.0])) * ITERATION, count)
    ticks = np.cumsum(np.where(rng.random(count) < 0.4, 0, gaps)).astype(np.int64)
    if rng.random() < 0.3:
        ticks = ticks // ITERATION * ITERATION
    return tuple((ticks + np.arange(count) if distinct else ticks).tolist())


def _beginnings(rng: np.random.Generator, units: int) -> tuple[int, ...]:
    """Ids of a prompt's beginning, each of which stands for all that is before it, too."""
    ids, node = [], 1
    for _ in range(int(rng.integers(0, units + 1))):
        node = (node * 1_000_003 + int(rng.random() < 0.25)) % (2**61 - 1)
        ids.append(node)
    return tuple(ids)


def shrunk(scenario: Cluster, fails: Callable[[Cluster], bool], tries: int = 300) -> Cluster:
    """A smaller run that `fails` too, found by leaving out and cutting down one after the other."""
    left = tries
    found = scenario
    progress = True
    while progress and left > 0:
        progress = False
        for smaller in _smaller(found):
            left -= 1
            if left < 0:
                break
            if fails(smaller):
                found, progress = smaller, True
                break
    return found


def _smaller(scenario: Cluster) -> Iterator[Cluster]:
    trace = scenario.workload
    assert isinstance(trace, Trace)
    count = len(trace.prompt)
    for half in (range(count // 2), range(count // 2, count)) if count > 3 else ():
        yield _with(scenario, _without(trace, set(half)))
    for row in reversed(range(count if count > 1 else 0)):
        yield _with(scenario, _without(trace, {row}))
    for column, plain in (("cancel", ()), ("priority", ()), ("expected", ()), ("tenant", ())):
        if getattr(trace, column):
            yield _with(scenario, msgspec.structs.replace(trace, **{column: plain}))
    for row in range(count):
        for name in ("output", "prompt"):
            values = list(getattr(trace, name))
            values[row] = max(1, values[row] // 2)
            if values[row] < getattr(trace, name)[row] and (name == "output" or not trace.prefix):
                yield _with(scenario, msgspec.structs.replace(trace, **{name: tuple(values)}))


def _with(scenario: Cluster, trace: Trace) -> Cluster:
    return msgspec.structs.replace(scenario, workload=trace)


def _without(trace: Trace, rows: set[int]) -> Trace:
    kept = {
        name: tuple(value for i, value in enumerate(column) if i not in rows)
        for name in trace.__struct_fields__
        if isinstance(column := getattr(trace, name), tuple) and name != "notes"
    }
    return msgspec.structs.replace(trace, **kept)
