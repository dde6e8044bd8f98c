"""One simulation that asks whether a fleet meets the SLO, given up when it cannot any more.

As soon as so many requests have missed that those to come could not make up for it, the answer is
known. A fleet that is much too small is refuted after a fraction of the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec.structs import replace

from hocket.core.errors import HocketError, RunError
from hocket.core.kernel import Kernel
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.serving.metrics.table import slo_seconds
from hocket.serving.model.cluster import Cluster
from hocket.serving.simulate.cluster import World
from hocket.serving.simulate.fast import FastReplica
from hocket.serving.simulate.live import NEVER, Live
from hocket.serving.simulate.world import Replica
from hocket.serving.workload.clock import ticks_per_second

LOOKS = 100
"""How often in a run it is looked whether requests under way have missed already."""

Limit = Literal["", "ttft", "tpot", "gap", "e2e", "all together", "rejected", "error"]


class Ended(HocketError):
    """The search has to end before this simulation does."""


class Clock(msgspec.Struct, frozen=True):
    """When to end: at `until` (as `time.time` tells it), or when `stop` says so.

    `stop` is not carried to other processes.
    """

    until: float
    stop: Callable[[], bool] | None = None

    def __reduce__(self) -> tuple[type[Clock], tuple[float]]:
        return type(self), (self.until,)

    def check(self) -> None:
        """Raise Ended if it is time."""
        if time.time() >= self.until or (self.stop is not None and self.stop()):
            raise Ended("the time is over")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulation says of a fleet. Times are in seconds.

    - `meets`: whether the share of requests that is asked for met the SLO
    - `attainment`: the share that did; if `stopped`, the most that it could have become
    - `limit`: which part of the SLO most requests missed; ``all together`` if each part is met by
      enough; ``rejected`` if too many requests are too long for the replicas; ``error`` if the run
      failed, for the reason in `error`
    - `missed`: the share of requests known to miss each part
    - `goodput`: requests within the SLO per second
    """

    meets: bool
    attainment: float
    stopped: bool = False
    limit: Limit = ""
    missed: dict[str, float] = {}
    ttft_p90: float | None = None
    ttft_p99: float | None = None
    tpot_p90: float | None = None
    tpot_p99: float | None = None
    goodput: float | None = None
    error: str = ""


class _Hopeless(HocketError):
    """Too many requests have missed."""


class Watched(World):
    """A cluster that notes what becomes of each request, and gives up when it is hopeless."""

    def __init__(
        self, scenario: Cluster, policy: Policy, seed: int, clock: Clock, quit_early: bool
    ) -> None:
        streams = Streams(seed)
        deciders = policy.begin(scenario, streams)
        super().__init__(scenario, deciders, policy.name, streams, Kernel("us"), FastReplica)
        self.tick = 1.0 / ticks_per_second(scenario.time_unit)
        self.slo = slo_seconds(scenario, self.tick)
        self.clock, self.quit_early = clock, quit_early
        self.total, self.share = len(self.requests), scenario.slo.share
        self.every_so_many = max(1, self.total // LOOKS)
        self.done = self.met = 0
        self.missed = dict.fromkeys(self.slo, 0)
        self.times: dict[str, list[float]] = {"ttft": [], "tpot": []}
        self.last = 0

    def finished(self, live: Live, replica: Replica) -> None:
        """See World.finished."""
        self._note(live)
        if not self.done % self.every_so_many:
            self.clock.check()
        if self.quit_early:
            self._look(whole=not self.done % self.every_so_many)
        super().finished(live, replica)

    def _note(self, live: Live) -> None:
        """Whether a request met each part, computed exactly as the metrics do."""
        now = self.kernel.now
        found = {
            "ttft": float(live.first_token - live.arrival) * self.tick,
            "tpot": float(now - live.first_token) / max(live.target - 1, 1) * self.tick,
            "gap": float(live.longest_gap) * self.tick,
            "e2e": float(now - live.arrival) * self.tick,
        }
        missed = [part for part, bound in self.slo.items() if found[part] > bound]
        for part in missed:
            self.missed[part] += 1
        self.met += not missed
        self.done += 1
        self.last = now
        self.times["ttft"].append(found["ttft"])
        if live.target > 1:  # otherwise there is no further token that could take time
            self.times["tpot"].append(found["tpot"])

    def _look(self, whole: bool) -> None:
        """Raise _Hopeless if those not yet done could not make up for the misses."""
        lost = self.done - self.met
        if self._short(lost):
            raise _Hopeless
        if whole:
            for live in self.lives.values():
                lost += live.first_token == NEVER and self._late(live)
            if self._short(lost):
                raise _Hopeless

    def _short(self, lost: int) -> bool:
        return (self.total - lost) / self.total < self.share

    def _late(self, live: Live) -> bool:
        """Whether a request that has no token yet has missed the SLO for it by now."""
        bound = self.slo.get("ttft", self.slo.get("e2e"))
        return bound is not None and float(self.kernel.now - live.arrival) * self.tick > bound

    def waiting_late(self) -> int:
        """Requests without a token that have missed the SLO for the first one."""
        return sum(live.first_token == NEVER and self._late(live) for live in self.lives.values())


def probe(
    scenario: Cluster,
    policy: Policy,
    *,
    seed: int,
    clock: Clock,
    quit_early: bool = True,
) -> Outcome:
    """Simulate, and say whether the SLO is met.

    With `quit_early` a run is given up when it cannot meet it any more. Raises Ended when the clock
    says so; a run that fails is an outcome.
    """
    clock.check()
    world = Watched(replace(scenario, gauge_every=0), policy, seed, clock, quit_early)
    stopped = False
    try:
        world.run()
    except _Hopeless:
        stopped = True
    except RunError as error:
        return Outcome(meets=False, attainment=0.0, limit="error", error=str(error))
    return _outcome(world, stopped)


def _outcome(world: Watched, stopped: bool) -> Outcome:
    total = max(1, world.total)
    missed = {part: count / total for part, count in world.missed.items()}
    if stopped:
        late = world.waiting_late()
        first = "ttft" if "ttft" in missed else "e2e"
        if late:
            missed[first] += late / total
        attainment = (world.total - (world.done - world.met) - late) / total
        return Outcome(
            meets=False,
            attainment=attainment,
            stopped=True,
            limit=_limit(missed, 0.0, world.share),
            missed=missed,
        )
    attainment = world.met / total
    meets = attainment >= world.share
    rejected = (world.total - world.done) / total
    return Outcome(
        meets=meets,
        attainment=attainment,
        limit="" if meets else _limit(missed, rejected, world.share),
        missed=missed | ({"rejected": rejected} if rejected else {}),
        goodput=world.met / span if (span := _span(world)) > 0 else 0.0,
        **_percentiles(world.times),
    )


def _span(world: Watched) -> float:
    """Seconds from the first arrival to the last thing that happened to a request."""
    timed = world.requests.arrival[world.requests.arrival >= 0]
    if not len(timed):
        return 0.0
    return (max(world.last, int(timed[-1])) - int(timed[0])) * world.tick


def _limit(missed: dict[str, float], rejected: float, share: float) -> Limit:
    """What most requests missed, if that alone is too much."""
    if rejected > 1 - share:
        return "rejected"
    worst: Any = max(missed, key=missed.__getitem__, default="")
    return worst if worst and missed[worst] > 1 - share - 1e-12 else "all together"


def _percentiles(times: dict[str, list[float]]) -> dict[str, Any]:
    found = {}
    for part, column in times.items():
        for percent in (90, 99):
            known = np.array(column) if column else np.zeros(1)
            found[f"{part}_p{percent}"] = float(np.percentile(known, percent))
    return found
