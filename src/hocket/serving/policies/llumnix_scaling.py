"""Llumnix's scaling: replicas come and go as the cluster's freeness leaves a band."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Annotated, ClassVar

import msgspec

from hocket.core.streams import Streams
from hocket.serving.freeness import Mode, artifact_cluster_freeness, available, freeness
from hocket.serving.roles.cluster import ClusterView, Load, Scale, Scaler
from hocket.serving.roles.facts import Fleet
from hocket.serving.roles.policy import ScalingPolicy

Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class LlumnixScaling(ScalingPolicy, frozen=True):
    """Add a replica when the cluster's freeness stays below `low`, drain one when above `high`.

    ``mode="paper"``: the mean freeness of the replicas, looked at every `period` seconds; once it
    has been outside the band for `sustained` seconds one replica is added, or the one with fewest
    requests drained. A replica without requests counts with all its memory. ``mode="artifact"``: a
    first look after `warm_up` seconds and then every `sustained` seconds, the freeness of the sums;
    as many replicas are added at once as would lift it to `low`, and the last is drained if it
    would still be above `high` without that one's blocks.

    There are never fewer than `least` nor more than `most` replicas, those about to start included.
    A replica is added to the pool called `pool`, by default that of the first replica; one that is
    still draining is taken back instead.
    """

    name: ClassVar[str] = "serving/llumnix-scaling"
    source: ClassVar[str] = (
        "B. Sun et al., Llumnix: Dynamic Scheduling for Large Language Model Serving, OSDI 2024, "
        "section 4.4.3"
    )
    mode: Mode = "paper"
    low: float = 10.0
    high: float = 60.0
    period: Seconds = 1.0
    sustained: Seconds = 10.0
    warm_up: Annotated[float, msgspec.Meta(ge=0)] = 110.0
    least: Positive = 1
    most: Positive = 16
    pool: str = ""
    target: Positive | None = 1600

    def __post_init__(self) -> None:
        """Refuse a band without width."""
        if self.high <= self.low:
            raise ValueError(f"high is {self.high:g}: it must be above low, {self.low:g}")
        if self.most < self.least:
            raise ValueError(f"most is {self.most}: it must be {self.least} (least) or more")

    def scaler(self, fleet: Fleet, streams: Streams) -> Scaler:
        """See ScalingPolicy.scaler."""
        kind = _Band if self.mode == "paper" else _Sums
        return kind(self, round(fleet.second))


class _Growing:
    """What both modes share: knowing how many replicas there will be."""

    def __init__(self, rule: LlumnixScaling, second: int) -> None:
        self.rule, self.second = rule, second
        self.known: dict[str, None] = {}
        self.pending = 0

    def staying(self, view: ClusterView) -> list[Load]:
        """The loads of the replicas that are not being drained; counts who has started."""
        for load in view.loads:
            if load.replica not in self.known:
                self.known[load.replica] = None
                self.pending = max(0, self.pending - 1)
        return [load for load in view.loads if not load.draining and load.role != "prefill"]

    def add(self, count: int, view: ClusterView, staying: Sequence[Load], why: str) -> list[Scale]:
        """An order for up to `count` replicas, within the bounds."""
        count = min(count, self.rule.most - len(staying) - self.pending)
        if count < 1 or not view.loads:
            return []
        draining = sum(load.draining for load in view.loads)
        self.pending += max(0, count - draining)
        return [Scale(add=count, pool=self.rule.pool or view.loads[0].pool, reason=why)]


class _Band(_Growing):
    """The paper's: the mean must be outside the band for a while."""

    def __init__(self, rule: LlumnixScaling, second: int) -> None:
        super().__init__(rule, second)
        self.period = max(1, round(rule.period * second))
        self.side, self.since = 0, 0

    def scale(self, view: ClusterView) -> Sequence[Scale]:
        loads = self.staying(view)
        if not loads:
            return self.add(1, view, loads, "every replica is draining")
        values = [min(freeness(load, self.rule.target), load.blocks) for load in loads]
        mean = sum(values) / len(values)
        side = (mean > self.rule.high) - (mean < self.rule.low)
        if side != self.side:
            self.side, self.since = side, view.now
        if not side or view.now - self.since < self.rule.sustained * self.second:
            return []
        self.since = view.now
        if side < 0:
            return self.add(1, view, loads, f"mean freeness {mean:.3g} below {self.rule.low:g}")
        if len(loads) <= self.rule.least:
            return []
        idlest = min(reversed(loads), key=lambda load: len(load.running) + len(load.waiting))
        why = f"mean freeness {mean:.3g} above {self.rule.high:g}"
        return [Scale(drain=idlest.replica, reason=why)]


class _Sums(_Growing):
    """The artifact's: the freeness of the sums, at fixed times."""

    def __init__(self, rule: LlumnixScaling, second: int) -> None:
        super().__init__(rule, second)
        self.period = max(1, round(rule.sustained * second))

    def scale(self, view: ClusterView) -> Sequence[Scale]:
        loads = self.staying(view)
        if view.now < self.rule.warm_up * self.second or not loads:
            return []
        free = artifact_cluster_freeness(loads)
        if free < self.rule.low:
            why = f"freeness of the sums {free:.3g} below {self.rule.low:g}"
            return self.add(self._missing(loads, free), view, loads, why)
        last = loads[-1]
        without = artifact_cluster_freeness(loads, without=last.blocks)
        if without <= self.rule.high or len(loads) <= self.rule.least or self._leaving(view):
            return []
        why = f"freeness of the sums {without:.3g} above {self.rule.high:g} without it"
        return [Scale(drain=last.replica, reason=why)]

    def _missing(self, loads: Sequence[Load], free: float) -> int:
        """How many empty replicas, less those about to start, lift the freeness to `low`."""
        n = sum(len(load.running) + len(load.waiting) for load in loads)
        each = available(loads[0]._replace(free=loads[0].blocks))
        return ceil((self.rule.low - free) * n / each) - self.pending

    def _leaving(self, view: ClusterView) -> bool:
        return any(load.draining for load in view.loads)


POLICIES = (LlumnixScaling,)
