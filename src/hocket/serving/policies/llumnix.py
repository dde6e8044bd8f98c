"""Llumnix: dispatch, live migration, priorities and scaling, all by the freeness of replicas.

``mode="paper"`` is Sun et al. (OSDI 2024), sections 4.3 and 4.4; ``mode="artifact"`` does what the
code published with it does where the two differ. Freeness and loads are in `serving.freeness`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from hocket.core.streams import Streams
from hocket.serving.freeness import Mode, freeness, migrate_load
from hocket.serving.policies.dispatch import Freeness
from hocket.serving.policies.llumnix_queue import UrgentFirst
from hocket.serving.roles.batching import Batcher, ReplicaView, Request
from hocket.serving.roles.cluster import (
    ClusterView,
    Copying,
    Dispatcher,
    Load,
    Move,
    Rescheduler,
    Scaler,
)
from hocket.serving.roles.facts import Engine, Fleet
from hocket.serving.roles.policy import (
    DispatchPolicy,
    Part,
    ReschedulingPolicy,
    ServingPolicy,
    batching,
    dispatching,
    rescheduling,
    scaling,
)

SOURCE = (
    "B. Sun, Z. Huang, H. Zhao, W. Xiao, X. Zhang, Y. Li, W. Lin, Llumnix: Dynamic Scheduling for "
    "Large Language Model Serving, OSDI 2024"
)
Pick = Literal["lenient", "last", "last-any", "shortest", "longest"]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class LlumnixMigration(ReschedulingPolicy, frozen=True):
    """Llumnix's rescheduling alone: requests move from the least free replicas to the freest.

    Replicas below `threshold` in freeness are sources, those above `into` (by default the same)
    destinations; the worst source is paired with the best destination, the second worst with the
    second best, and so on, each replica in one migration at a time.

    - `period`: seconds between plans in mode paper; the artifact plans after every `reports` load
      reports per replica instead, and also takes a replica for a source in which preempted requests
      wait
    - `pick`: which request leaves. ``lenient``: the least urgent, then the shortest (paper).
      ``last``: the last admitted of normal priority. ``last-any``: as the artifact does, which
      looks for that one and then takes the last admitted whatever its priority. ``shortest``,
      ``longest``. None: the mode's own
    - `defrag`: whether queues count in the artifact's loads; without, a pair moves a request only
      if that brings the two loads nearer together and leaves the destination a destination
    - `target`: tokens that a replica with a request of high priority should hold at most; None
      treats all requests alike
    - `stages` and `last_blocks`: see Copying. The artifact copies in two stages
    """

    name: ClassVar[str] = "serving/llumnix-migration"
    source: ClassVar[str] = SOURCE
    mode: Mode = "paper"
    threshold: float = 3.0
    into: float | None = None
    period: Seconds = 0.05
    reports: Positive = 4
    pick: Pick | None = None
    defrag: bool = True
    target: Positive | None = 1600
    stages: Positive = 3
    last_blocks: Positive = 16
    slowdown: Annotated[float, msgspec.Meta(ge=0)] = 0.01

    def rescheduler(self, fleet: Fleet, streams: Streams) -> Rescheduler:
        """See ReschedulingPolicy.rescheduler."""
        return Rebalancer(self, round(fleet.second), fleet.models)


class Rebalancer:
    """The rescheduler of Llumnix.

    `second` is how many ticks a second has, `models` what each pool runs, for whom: requests move
    only between replicas of one model that serve the same tenants.
    """

    def __init__(self, rule: LlumnixMigration, second: int, models: Mapping[str, str]) -> None:
        self.rule, self.models = rule, models
        paper = rule.mode == "paper"
        self.period = max(1, round(rule.period * second)) if paper else 0
        self.reports = rule.reports
        self.pick: Pick = rule.pick or ("lenient" if paper else "last-any")
        self.copying = Copying(
            stages=rule.stages,
            last_blocks=rule.last_blocks,
            two_stage=not paper,
            watchdog=10 * second,
            slowdown=rule.slowdown,
        )

    def freeness(self, load: Load) -> float:
        """How free a replica is for pairing, by the formula of the mode."""
        if self.rule.mode == "paper":
            return freeness(load, self.rule.target)
        return -migrate_load(load, self.rule.target, defrag=self.rule.defrag)

    def plan(self, view: ClusterView) -> Sequence[Move]:
        """See Rescheduler.plan."""
        loads = [load for load in view.loads if load.role != "prefill"]
        free = {load.replica: self.freeness(load) for load in loads}
        into = self.rule.threshold if self.rule.into is None else self.rule.into
        crowded = self.rule.mode == "artifact"
        givers = {load.replica for load in loads if load.running and self._gives(load)}
        return [
            Move(
                low.replica,
                high.replica,
                f"freeness {free[low.replica]:.3g} to {free[high.replica]:.3g}",
            )
            for alike in self._by_model(loads)
            for low, high in pair(alike, free, givers, self.rule.threshold, into, crowded=crowded)
            if not (low.migrating or high.migrating) and self._worth(low, high, into)
        ]

    def _gives(self, load: Load) -> bool:
        """Whether a replica may send requests away.

        Head-room is there for the urgent: where only they run, no lack of it is a reason to move
        them, or they would chase each other, and all others, from replica to replica. The paper
        does not say; its artifact moves none of high priority on purpose.
        """
        if self.rule.mode == "artifact" or load.draining or load.urgent < len(load.running):
            return True
        return freeness(load, None) < self.rule.threshold

    def _by_model(self, loads: Sequence[Load]) -> list[list[Load]]:
        groups: dict[str, list[Load]] = {}
        for load in loads:
            groups.setdefault(self.models[load.pool], []).append(load)
        return list(groups.values())

    def _worth(self, low: Load, high: Load, into: float) -> bool:
        """Without defragmentation: whether moving one request evens the two replicas out."""
        if self.rule.defrag or low.draining or not high.running:
            return True
        moved = low.running[-1]
        blocks = -(-(moved.prompt + moved.generated) // low.block_size)
        lighter = low._replace(free=low.free + blocks, running=low.running[:-1])
        heavier = high._replace(free=high.free - blocks, running=[*high.running, moved])
        before = self.freeness(high) - self.freeness(low)
        after = self.freeness(heavier) - self.freeness(lighter)
        return self.freeness(heavier) > into and 0 < after < before

    def choose(self, view: ReplicaView) -> str:
        """See Rescheduler.choose."""
        found = choose(view.running, self.pick, priorities=self.rule.target is not None)
        return found.id if found else ""


def pair(
    loads: Sequence[Load],
    free: Mapping[str, float],
    givers: Container[str],
    out: float,
    into: float,
    *,
    crowded: bool = False,
) -> list[tuple[Load, Load]]:
    """Pairs of a source and a destination, the i-th least free with the i-th freest.

    `free` holds the freeness of every replica. Sources are among the `givers` and less free than
    `out`, destinations freer than `into`. With `crowded` a replica with preempted requests is
    always a source and never a destination. Ties keep the order of `loads`.
    """
    ranked = sorted(loads, key=lambda load: free[load.replica])
    pressed = {load.replica for load in loads if crowded and load.preempted}
    sources = [
        load
        for load in ranked
        if load.replica in givers and (free[load.replica] < out or load.replica in pressed)
    ]
    taken = {load.replica for load in sources}
    destinations = [
        load
        for load in sorted(loads, key=lambda load: -free[load.replica])
        if free[load.replica] > into and load.replica not in taken | pressed and not load.draining
    ]
    return list(zip(sources, destinations, strict=False))


def choose(running: Sequence[Request], pick: Pick, *, priorities: bool = True) -> Request | None:
    """The request that leaves a replica, by the rule `pick`; only one that decodes can.

    `running` is in order of admission. Without `priorities` all requests count as normal.
    """
    decoding = [r for r in running if r.generated and r.computed >= _length(r) - 1]
    normal = [request for request in decoding if request.priority >= 0 or not priorities]
    if pick == "lenient":
        if not decoding:
            return None
        return max(reversed(decoding), key=lambda r: (r.priority if priorities else 0, -_length(r)))
    if not normal:
        return None
    if pick == "last-any":
        return running[-1] if running[-1] is decoding[-1] else None
    if pick == "last":
        return normal[-1]
    return (min if pick == "shortest" else max)(reversed(normal), key=_length)


def _length(request: Request) -> int:
    return request.prompt + request.generated


def _first_engine() -> Part:
    return {"policy": "serving/vllm-v0", "tokens": 12_000}


class Llumnix(ServingPolicy, frozen=True):
    """Llumnix: dispatch to the freest replica, live migration, priorities, and if wanted scaling.

    Requests of priority below 0 go first in every queue, and a replica that runs one is kept below
    `target` tokens. ``priorities=False`` treats all alike: Llumnix-base. `threshold` is the
    freeness below which replicas send requests away. Each part can be replaced: `dispatch`,
    `migration` and `scaling` by policies of these roles; None leaves dispatch and migration to
    Llumnix's own and the number of replicas as it is. `batching` is what replicas run: as in the
    paper vLLM's first engine, with the token bound of its section 6.4.
    """

    name: ClassVar[str] = "serving/llumnix"
    source: ClassVar[str] = SOURCE
    mode: Mode = "paper"
    threshold: float = 3.0
    target: Positive = 1600
    priorities: bool = True
    batching: Part = msgspec.field(default_factory=_first_engine)
    dispatch: Part | None = None
    migration: Part | None = None
    scaling: Part | None = None

    def __post_init__(self) -> None:
        """Refuse parts that are no policies of their roles. Raises UnknownName, UserError."""
        self.parts()

    def parts(self) -> tuple[ServingPolicy, ...]:
        """The policies that were named for roles."""
        found: list[ServingPolicy] = [batching(self.batching)]
        for part, role in (
            (self.dispatch, dispatching),
            (self.migration, rescheduling),
            (self.scaling, scaling),
        ):
            if part is not None:
                found.append(role(part))
        return tuple(found)

    def refuses(self, scenario: Any) -> str:
        """See Policy.refuses."""
        told = ((part.name, part.refuses(scenario)) for part in self.parts())
        return "; ".join(f"{name}: {why}" for name, why in told if why)

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See ServingPolicy.batcher."""
        inner = batching(self.batching)
        if self.priorities:
            inner = UrgentFirst(batching=self.batching, mode=self.mode)
        return inner.batcher(engine, streams)

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """See ServingPolicy.dispatcher."""
        sender: DispatchPolicy = Freeness(mode=self.mode, target=self._target)
        if self.dispatch is not None:
            sender = dispatching(self.dispatch)
        return sender.dispatcher(fleet, streams)

    def rescheduler(self, fleet: Fleet, streams: Streams) -> Rescheduler:
        """See ServingPolicy.rescheduler."""
        mover: ReschedulingPolicy = LlumnixMigration(
            mode=self.mode, threshold=self.threshold, target=self._target
        )
        if self.migration is not None:
            mover = rescheduling(self.migration)
        return mover.rescheduler(fleet, streams)

    def scaler(self, fleet: Fleet, streams: Streams) -> Scaler | None:
        """See ServingPolicy.scaler."""
        return None if self.scaling is None else scaling(self.scaling).scaler(fleet, streams)

    @property
    def _target(self) -> int | None:
        """Tokens that a replica with an urgent request should hold; None: priorities are off."""
        return self.target if self.priorities else None


POLICIES = (LlumnixMigration, Llumnix)
