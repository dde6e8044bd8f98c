"""What a replica can hold and do, and when it is up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from hocket.core.scenario import to_ticks
from hocket.core.solution import Violation
from hocket.core.timeline import Span, Timeline
from hocket.serving import memory
from hocket.serving.check.arrivals import tenant
from hocket.serving.model.cluster import Cluster, Pool

BATCHES = tuple(2**n for n in range(11))
TAKEN_BACK = "taken back"
TOLERANCE = 0.99
"""Costs need not grow with every request more; the least is looked for among powers of two."""


class Held(NamedTuple):
    """A decode: at its beginning `tokens` are in memory, `prompt` of them the request's prompt."""

    request: str
    lane: str
    start: int
    end: int
    tokens: int
    prompt: int


class Fleet:
    """The replicas of a scenario, and what befell them in a timeline."""

    def __init__(self, scenario: Cluster, timeline: Timeline) -> None:
        self.scenario = scenario
        self._pools: dict[str, Pool | None] = {}
        self._costs = {pool.name: pool.cost.model(pool) for pool in scenario.pools}
        self._contexts = {pool.name: memory.max_context(pool) for pool in scenario.pools}
        self._least: dict[tuple[str, int], float] = {}
        self.ticks = 10**9 / to_ticks(f"1 {timeline.unit}", "ns")
        self._failures: dict[str, set[int]] = defaultdict(set)
        for span in timeline.spans("down"):
            self._failures[span.lane].add(span.start)
        for point in timeline.points("lost"):  # the span is only there once it is repaired
            self._failures[point.lane].add(point.time)

    def pool(self, lane: str) -> Pool | None:
        """The pool of a replica: its name is the pool's with a number. None if it is none."""
        if lane not in self._pools:
            name, _, number = lane.rpartition("-")
            named = (pool for pool in self.scenario.pools if pool.name == name)
            self._pools[lane] = next(named, None) if number.isdecimal() else None
        return self._pools[lane]

    def caches(self, lane: str) -> bool:
        """Whether a replica keeps prefixes, so that prompts need not be computed whole."""
        pool = self.pool(lane)
        return pool is not None and pool.prefix_cache

    def failed(self, lane: str, begin: int, end: int) -> bool:
        """Whether a replica failed from `begin` to `end`."""
        return any(begin <= time <= end for time in self._failures[lane])

    def refuses(self, prompt: int, tenant: str) -> bool:
        """Whether no pool serves the tenant, or one that does has no room for one token more."""
        pools = [p for p in self.scenario.pools if not p.serves or tenant in p.serves]
        return prompt >= min((self._contexts[pool.name] for pool in pools), default=0)

    def answers(self, prompt: int, output: int, limit: int) -> set[int]:
        """How many tokens the answer may have: all, or those up to a limit."""
        contexts = set(self._contexts.values())
        return {max(1, min(output, limit, context - prompt)) for context in contexts}

    def fastest(self, lane: str, context: int, count: int) -> float:
        """Ticks that `count` decodes take at least, of a request with `context` tokens."""
        pool = self.pool(lane)
        if pool is None:
            return 0
        key = (pool.name, context.bit_length())
        if key not in self._least:
            below = 2 ** (context.bit_length() - 1) if context else 0
            cost = self._costs[pool.name]
            least = min(cost.decode(batch, below + batch - 1) for batch in BATCHES)
            self._least[key] = least * pool.pp * self.ticks * TOLERANCE
        return count * max(1.0, self._least[key] - 0.5 * pool.pp)  # iterations last whole ticks


def replicas(fleet: Fleet, timeline: Timeline, held: list[Held]) -> Iterator[Violation]:
    """What replicas do that they cannot."""
    yield from _up(fleet, timeline)
    yield from _roles(fleet, timeline)
    yield from _tenants(fleet, timeline)
    yield from _memory(fleet, held)
    yield from _gauges(fleet, timeline)


def _up(fleet: Fleet, timeline: Timeline) -> Iterator[Violation]:
    """Nothing runs on a replica that is down, not yet started, or stopped after draining."""
    closed: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for span in (*timeline.spans("down"), *timeline.spans("start")):
        closed[span.lane].append((span.start, span.end, span.kind))
    for span in timeline.spans("drain"):
        if span.reason != TAKEN_BACK:
            closed[span.lane].append((span.end, timeline.end + 1, "stopped"))
    if not closed:
        return
    for run in timeline.spans("run"):
        for start, end, kind in closed[run.lane]:
            if run.start < end and start < run.end:
                told = f"{run.group} runs on {run.lane} at {max(run.start, start)}"
                yield Violation("down", f"{told}: {kind}")


def _roles(fleet: Fleet, timeline: Timeline) -> Iterator[Violation]:
    """Replicas for prefill do not decode."""
    if all(pool.role != "prefill" for pool in fleet.scenario.pools):
        return
    for span in timeline.spans("run"):
        pool = fleet.pool(span.lane)
        if pool is not None and pool.role == "prefill" and span.name.startswith("decode"):
            yield Violation("role", f"{span.group} decodes on {span.lane}, which only prefills")


def _tenants(fleet: Fleet, timeline: Timeline) -> Iterator[Violation]:
    """Pools that serve some tenants serve no others."""
    if not any(pool.serves for pool in fleet.scenario.pools):
        return
    whose = {point.group: tenant(point.name) for point in timeline.points("arrive")}
    for span in timeline.spans("run"):
        pool, owner = fleet.pool(span.lane), whose.get(span.group, "")
        if pool is not None and pool.serves and owner not in pool.serves:
            yield Violation("tenant", f"{span.group} of {owner!r} runs on {span.lane}")


def _memory(fleet: Fleet, held: list[Held]) -> Iterator[Violation]:
    """Requests that decode at a time fit together, even if none had grown since its span began."""
    changes: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for one in held:
        pool = fleet.pool(one.lane)
        if pool is None:
            continue
        # Prompts may share their blocks where prefixes are kept; answers never do.
        own = one.tokens - one.prompt if pool.prefix_cache else one.tokens
        blocks = own // pool.block_size if pool.prefix_cache else -(-own // pool.block_size)
        changes[one.lane] += [(one.start, blocks), (one.end, -blocks)]
    for lane, steps in changes.items():
        pool = fleet.pool(lane)
        capacity = memory.blocks(pool) if pool is not None else 0
        used = most = when = 0
        for time, blocks in sorted(steps):  # what ends at an instant makes room first
            used += blocks
            if used > most:
                most, when = used, time
        if most > capacity:
            told = f"at {when} requests on {lane} hold {most} blocks or more"
            yield Violation("memory", f"{told}, it has {capacity}")


def _gauges(fleet: Fleet, timeline: Timeline) -> Iterator[Violation]:
    """The blocks in use that the timeline itself tells are not more than there are."""
    for gauge in timeline.gauges("kv"):
        pool = fleet.pool(gauge.lane)
        if pool is not None and not 0 <= gauge.value <= memory.blocks(pool):
            told = f"{gauge.lane} has {gauge.value:g} blocks in use at {gauge.time}"
            yield Violation("memory", f"{told}, of {memory.blocks(pool)}")


def link(fleet: Fleet, move: Span, tokens: int) -> Iterator[Violation]:
    """What is moved takes as long as its link needs for `tokens` tokens or more."""
    pool = fleet.pool(move.lane)
    if pool is None:
        return
    blocks = -(-tokens // pool.block_size)
    speed = fleet.scenario.link.bandwidth
    seconds = blocks * memory.block_bytes(pool) / (speed * 1e9)
    if move.end - move.start < seconds * fleet.ticks * TOLERANCE - 2:
        told = f"{move.group} moves {blocks} blocks from {move.start} to {move.end}"
        yield Violation("link", f"{told}, faster than {speed:g} GB/s")
