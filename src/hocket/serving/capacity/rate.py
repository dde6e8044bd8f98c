"""The highest rate of requests that a cluster takes, by bisection.

The same requests are sent closer together or further apart (`hocket.serving.workload.faster`), so
that more load is never confused with other luck. Sarathi-Serve calls what is found the capacity
(Agrawal et al., OSDI 2024, section 5.1), DistServe divides it by the GPUs and calls it goodput
(Zhong et al., OSDI 2024, section 2.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from hocket.core.policy import Policy
from hocket.core.run import require_applicable
from hocket.core.streams import Streams
from hocket.serving.metrics import metrics
from hocket.serving.model.cluster import Cluster
from hocket.serving.simulate.cluster import simulate
from hocket.serving.workload import faster
from hocket.serving.workload.clock import ticks_per_second

TOLERANCE = 0.025
"""The ends of a bracket differ by no more than this share, as in Sarathi-Serve's search."""

DOUBLINGS = 12


class Bracket(NamedTuple):
    """`passed` is the highest value that passed (0 if none), `failed` the lowest that did not.

    `failed` is infinite if everything passed.
    """

    passed: float
    failed: float


class Capacity(NamedTuple):
    """What a cluster takes.

    - `rate`: requests per second, 0 if it takes none of those tried; `factor`: that, over the
      scenario's own rate
    - `failed`: the lowest rate tried that was too much, infinite if none was
    - `metrics`: those of the run at `rate`, empty if there is none
    - `runs`: how many simulations it took
    """

    rate: float
    factor: float
    failed: float
    metrics: dict[str, float]
    runs: int


def highest(
    passes: Callable[[float], bool],
    *,
    start: float = 1.0,
    tolerance: float = TOLERANCE,
    doublings: int = DOUBLINGS,
) -> Bracket:
    """The highest value above 0 that passes, if all below one that passes do.

    From `start` it doubles, or halves, until it has both a value that passes and one that does not,
    at most `doublings` times; then the bracket is divided at its geometric middle until its ends
    differ by at most `tolerance` of the lower.
    """
    low, high = 0.0, math.inf
    value = start
    for _ in range(doublings + 1):
        if passes(value):
            low, value = value, value * 2
        else:
            high, value = value, value / 2
        if low and high < math.inf:
            break
    while low and high < math.inf and high - low > tolerance * low:
        middle = math.sqrt(low * high)
        if passes(middle):
            low = middle
        else:
            high = middle
    return Bracket(low, high)


def max_rate(
    scenario: Cluster,
    policy: Policy,
    meets: Callable[[dict[str, float]], bool],
    *,
    seed: int = 0,
    start: float = 1.0,
    tolerance: float = TOLERANCE,
    doublings: int = DOUBLINGS,
) -> Capacity:
    """The highest rate at which `meets` holds of the metrics of a run of `policy`.

    `start` is the first factor of the scenario's own rate that is tried; see `highest`. Raises
    UserError for a closed loop, which has no rate, and what a run raises.
    """
    require_applicable(scenario, policy)
    found: dict[float, dict[str, float]] = {}

    def passes(factor: float) -> bool:
        world = at_rate(scenario, factor)
        found[factor] = metrics(world, simulate(world, policy, seed=seed))
        return meets(found[factor])

    passed, failed = highest(passes, start=start, tolerance=tolerance, doublings=doublings)
    own = own_rate(scenario, seed)
    return Capacity(own * passed, passed, own * failed, found.get(passed, {}), len(found))


def at_rate(scenario: Cluster, factor: float) -> Cluster:
    """The scenario with so many times the requests per second. Raises UserError if it cannot be."""
    workload: Any = faster(scenario.workload, factor)
    return replace(scenario, workload=workload)


def own_rate(scenario: Cluster, seed: int = 0) -> float:
    """Requests per second of the scenario itself: those that come by the clock, over their time.

    0 if all come at once.
    """
    drawn = scenario.workload.draw(Streams(seed), scenario.time_unit)
    timed = drawn.arrival[drawn.arrival >= 0]
    if len(timed) < 2 or timed[-1] == timed[0]:
        return 0.0
    seconds = float(timed[-1] - timed[0]) / ticks_per_second(scenario.time_unit)
    return (len(timed) - 1) / seconds
