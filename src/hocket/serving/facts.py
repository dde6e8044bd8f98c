"""What the policies of a simulated cluster know beforehand: the same as in a real one, and more.

Only here are lengths of answers revealed; the policies that ask for them are oracles.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hocket.core.scenario import to_ticks
from hocket.core.streams import Streams
from hocket.serving import memory
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.roles.facts import Engine, Fleet, Targets


def engine_of(scenario: Cluster, pool: Pool, name: str = "", seed: int = 0) -> Engine:
    """The facts of one replica of a pool; `seed` is that of the run, which draws the workload."""
    second = to_ticks("1 s", scenario.time_unit)
    return Engine(
        name=name or pool.name,
        role=pool.role,
        block_size=pool.block_size,
        blocks=memory.blocks(pool),
        max_context=memory.max_context(pool),
        stages=pool.pp,
        second=second,
        targets=targets(scenario.slo, second),
        cost=pool.cost.model(pool),
        lengths=lambda: _lengths(scenario, seed),
    )


def fleet_of(scenario: Cluster) -> Fleet:
    """The facts of the front end."""
    return Fleet(
        second=to_ticks("1 s", scenario.time_unit),
        models={pool.name: f"{pool.model} for {', '.join(pool.serves)}" for pool in scenario.pools},
    )


def targets(slo: Slo, second: float) -> Targets:
    """The objective in seconds; `second` is how many ticks make one."""

    def seconds(ticks: int | None) -> float | None:
        return None if ticks is None else ticks / second

    return Targets(
        ttft=seconds(slo.ttft),
        tpot=seconds(slo.tpot),
        gap=seconds(slo.gap),
        e2e=seconds(slo.e2e),
    )


def _lengths(scenario: Cluster, seed: int) -> Mapping[str, int]:
    """The true length of every answer by the request's name, cut at its limit."""
    drawn = scenario.workload.draw(Streams(seed), scenario.time_unit)
    true = np.minimum(drawn.output, drawn.limit).tolist()
    return {drawn.name(i): length for i, length in enumerate(true)}
