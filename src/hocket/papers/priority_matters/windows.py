"""Searches on the published scenarios, one at a time, and what they found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, get_args

from msgspec.structs import replace

from hocket.cluster.model.pods import Pods
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.plan import Plan, Verdict
from hocket.cluster.packing.planner import plan_for
from hocket.core.paper import Tick
from hocket.papers.priority_matters.scenarios import Cell

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
PLAIN_1, PLAIN_10, STRONG_1 = "plain, 1 s", "plain, 10 s", "strong, 1 s"
MOVE_FIRST, ONE = "plain, 10 s, move-first", "plain, 10 s, trigger one"

APART = 1000
"""From the first seed of one setting to that of the next."""

Score = tuple[tuple[int, int], ...]
"""Of every tier, how many of its pods run, and minus their disruption; larger is better."""


def searches(seed: int) -> dict[str, Options]:
    """The searches by name: limited by the clock on the wall, and with all cores."""
    cores = min(os.cpu_count() or 1, 256)
    published = Options(method="plain", clock="wall", time_limit=10, workers=cores, seed=seed)
    return {
        PLAIN_1: replace(published, time_limit=1),
        PLAIN_10: published,
        STRONG_1: replace(published, time_limit=1, method="strong"),
        MOVE_FIRST: replace(published, cost="move-first"),
        ONE: replace(published, trigger="one"),
    }


class Found(NamedTuple):
    """What a search found; `cpu` and `memory` are what a plan adds to the share requested."""

    verdict: Verdict
    seconds: float
    score: Score
    cpu: float
    memory: float

    @property
    def better(self) -> bool:
        """Whether there is a plan."""
        return self.verdict in ("better and optimal", "better")

    @property
    def proved(self) -> bool:
        """Whether nothing better can be found."""
        return self.verdict in ("better and optimal", "already optimal")

    @property
    def failed(self) -> bool:
        """Whether there is neither a plan nor a proof."""
        return self.verdict == "no better plan in time"


class Searched(NamedTuple):
    """A scenario's setting, and what each search found."""

    cell: Cell
    found: Mapping[str, Found]


def searched(
    cells: Iterable[Cell],
    number: int,
    seed: int,
    options: Mapping[str, Options],
    tick: Tick,
    *,
    at_once: bool = False,
) -> list[Searched]:
    """All searches on `number` scenarios of every setting, without those in which no pod waits.

    One after the other, as a window of time is worth little where the cores are shared. Every
    setting has seeds of its own: with the same ones their workloads would begin alike.
    """
    done = []
    for k, cell in enumerate(cells):
        drawn = cell.scenarios(number, seed + APART * k, at_once=at_once)
        for n, cluster in enumerate(drawn, 1):
            if cluster is not None:
                done.append(Searched(cell, {k: search(cluster, o) for k, o in options.items()}))
            tick(f"{cell}: {n} of {number}")
    return done


def search(cluster: Pods, options: Options) -> Found:
    """One search; with the trigger ``one``, the most important of the waiting pods asks."""
    asks = ""
    if options.trigger == "one":
        waiting = (pod for pod in cluster.pods if pod.node is None)
        asks = max(waiting, key=lambda pod: pod.priority).key
    plan = plan_for(cluster, options, preemptor=asks)
    return Found(
        verdict=plan.verdict,
        seconds=plan.seconds,
        score=tuple((tier.placed, -tier.disruption) for tier in plan.tiers),
        cpu=_gain(cluster, plan, "milli_cpu"),
        memory=_gain(cluster, plan, "memory"),
    )


def _gain(cluster: Pods, plan: Plan, resource: str) -> float:
    asks = {pod.key: pod.requests[resource] for pod in cluster.pods}
    more = sum(asks[key] for key in plan.placed) - sum(asks[key] for key in plan.evicted)
    return more / sum(node.allocatable[resource] for node in cluster.nodes)


def counted(found: Sequence[Searched], name: str) -> str:
    """How many scenarios there are of each class."""
    told = (f"{sum(one.found[name].verdict == v for one in found)} {v}" for v in VERDICTS)
    return f"{len(found)} scenarios: {', '.join(told)}"
