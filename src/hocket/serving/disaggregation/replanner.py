"""Replanning while a cluster serves: everything that sees requests reports to one `Replanner`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from hocket.core.scenario import to_ticks
from hocket.core.streams import Streams
from hocket.serving.disaggregation.goodput import Target
from hocket.serving.disaggregation.pools import needed
from hocket.serving.disaggregation.replan import Traffic, Window, shift
from hocket.serving.facts import fleet_of
from hocket.serving.roles.batching import Around, Batcher, Request
from hocket.serving.roles.cluster import ClusterView, Dispatcher, Load, Scale, Send
from hocket.serving.roles.policy import Deciders, ServingPolicy


class Rule(Protocol):
    """When to replan: the fields of the policy `serving/distserve` that say so, in seconds."""

    @property
    def replan_every(self) -> float:
        """Seconds between looks."""

    @property
    def window(self) -> float:
        """Seconds of history."""

    @property
    def threshold(self) -> float:
        """By how much more than the factor 1 something must have changed."""


class Replanned(Deciders):
    """Deciders that report to a replanner, which is the scaler."""

    def __init__(
        self,
        policy: ServingPolicy,
        rule: Rule,
        scenario: Any,
        streams: Streams,
    ) -> None:
        self.replanner = Replanner(rule, scenario, streams)
        inner = policy.dispatcher(fleet_of(scenario), streams)
        reporting = ReportingDispatcher(inner, self.replanner)
        super().__init__(policy, scenario, streams, dispatcher=reporting, scaler=self.replanner)

    def batcher(self, replica: str, pool: Any) -> Batcher:
        """See Deciders.batcher."""
        return ReportingBatcher(super().batcher(replica, pool), self.replanner)


class ReportingDispatcher:
    """A dispatcher that also reports arrivals."""

    def __init__(self, inner: Dispatcher, replanner: Replanner) -> None:
        self.inner, self.replanner = inner, replanner

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        """See Dispatcher.dispatch."""
        if not request.generated:
            self.replanner.arrived(view.now, request)
        return self.inner.dispatch(view, request)


class ReportingBatcher(Around):
    """A batcher that also reports answers."""

    def __init__(self, inner: Batcher, replanner: Replanner) -> None:
        super().__init__(inner)
        self.replanner = replanner

    def finished(self, request: Request) -> None:
        """See Batcher.finished."""
        self.inner.finished(request)
        self.replanner.answered(request)


class Replanner:
    """The scaler that watches the workload and replaces replicas when the plan no longer fits."""

    def __init__(self, rule: Rule, scenario: Any, streams: Streams) -> None:
        self.rule, self.scenario, self.streams = rule, scenario, streams
        self.second = to_ticks("1 s", scenario.time_unit)
        self.period = max(1, round(rule.replan_every * self.second))
        self.window = Window(rule.window * self.second)
        self.planned: Traffic | None = None
        self.wanted: dict[str, int] = {}  # replicas by pool, while a change is under way
        self.ready = 0  # when the last ordered replica is up
        self.reason = ""
        self.now = 0

    def arrived(self, now: int, request: Request) -> None:
        """A new request is at the front end."""
        self.now = now
        self.window.arrive(now, request.prompt)

    def answered(self, request: Request) -> None:
        """A request is complete: its length counts as of the latest event at the front end."""
        self.window.finish(self.now, request.prompt, request.generated)

    def scale(self, view: ClusterView) -> Sequence[Scale]:
        """See Scaler.scale."""
        self.now = view.now
        if self.wanted:
            return self._drains(view) if view.now >= self.ready else []
        seen = self.window.traffic(view.now, self.second)
        if seen is None or view.now < self.window.length:
            return []
        if self.planned is None:
            self.planned = seen
            return []
        self.reason = shift(self.planned, seen, self.rule.threshold)
        if not self.reason:
            return []
        self.planned = seen
        # What grows by less than the threshold is not noticed: the plan must hold until then.
        return self._starts(view, seen.rate * (1 + self.rule.threshold))

    def _starts(self, view: ClusterView, rate: float) -> list[Scale]:
        """Plan anew, and order what is missing."""
        slo, ms = self.scenario.slo, self.second / 1000
        target = Target(slo.ttft / ms, slo.tpot / ms, slo.share)
        pools = [pool for pool in self.scenario.pools if pool.role != "both"]
        rows, rng = self.window.rows(), self.streams["policy.replan"]
        self.wanted = needed(pools, rows, rate, target, rng)
        orders, waits = [], [0]
        for pool in pools:
            missing = self.wanted[pool.name] - len(_staying(view, pool.name))
            if missing > 0:
                orders.append(Scale(add=missing, pool=pool.name, reason=self.reason))
                waits.append(pool.start_up)
        self.ready = view.now + max(waits)
        return orders

    def _drains(self, view: ClusterView) -> list[Scale]:
        """Stop what the new plan has no use for, the idlest first."""
        surplus: list[Load] = []
        for pool, count in self.wanted.items():
            staying = _staying(view, pool)
            idlest = sorted(staying, key=lambda load: view.outstanding(load.replica))
            surplus += idlest[: max(0, len(staying) - count)]
        self.wanted = {}
        return [Scale(drain=load.replica, reason=self.reason) for load in surplus]


def _staying(view: ClusterView, pool: str) -> list[Load]:
    return [load for load in view.loads if load.pool == pool and not load.draining]
