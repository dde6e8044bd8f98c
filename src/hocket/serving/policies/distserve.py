"""DistServe: prefill and decode on separate replicas, and replanning when the workload shifts."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec

from hocket.core.errors import UserError
from hocket.core.streams import Streams
from hocket.serving.policies.dispatch import fewest_outstanding
from hocket.serving.roles.batching import (
    Batcher,
    FirstComeFirstServed,
    Limits,
    Preemption,
    ReplicaView,
    Request,
)
from hocket.serving.roles.cluster import Dispatcher
from hocket.serving.roles.facts import Engine, Fleet
from hocket.serving.roles.policy import BatchingPolicy, Deciders, ServingPolicy

SOURCE = (
    "Y. Zhong, S. Liu, J. Chen, J. Hu, Y. Zhu, X. Liu, X. Jin, H. Zhang, DistServe: Disaggregating "
    "Prefill and Decoding for Goodput-optimized Large Language Model Serving, OSDI 2024"
)
Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class DistServeBatching(BatchingPolicy, frozen=True):
    """DistServe's batching alone: prompts packed up to L_m, decodes as many as memory holds.

    - `pack`: L_m, the tokens up to which prompts run together (a longer one runs alone); None takes
      the shortest prompt at which the replica's cost model is at 90 % of its best speed
    - `prefill_seqs`, `decode_seqs`: most requests at a time on a replica of each role
    - `waiting_share`: a decode replica pulls another request only while those it is pulling, which
      occupy memory and do not run yet, hold less than this share of its blocks
    - `preemption`: what becomes of the request admitted last when a decode replica runs out
    """

    name: ClassVar[str] = "serving/distserve-batching"
    source: ClassVar[str] = SOURCE
    pack: Positive | None = None
    prefill_seqs: Positive = 128
    decode_seqs: Positive = 1024
    waiting_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.05
    preemption: Preemption = "swap"

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        limits = Limits(
            tokens=self._pack(engine),
            seqs=self.decode_seqs if engine.role == "decode" else self.prefill_seqs,
            style="prefill-first",
            chunked=False,
            allocate="prompt",
            preemption=self.preemption,
            stubborn=False,
        )
        if engine.role == "decode":
            return Pulling(limits, self.waiting_share)
        return FirstComeFirstServed(limits)

    def _pack(self, engine: Engine) -> int:
        if self.pack is not None:
            return self.pack
        if engine.cost is None:
            raise UserError(
                f"{self.name}: without `pack` it needs to know what iterations cost here; give a "
                "calibrated model, or pack"
            )
        from hocket.serving.disaggregation.pools import saturation

        return saturation(engine.cost, engine.max_context)


class Pulling(FirstComeFirstServed):
    """First come first served, but with little memory set aside for requests on their way."""

    def __init__(self, limits: Limits, share: float) -> None:
        super().__init__(limits)
        self.share = share

    def admits(self, view: ReplicaView, request: Request) -> str:
        """See Batcher.admits. A request that is being pulled has nothing computed here yet."""
        size = view.block_size
        coming = sum(-(-(r.prompt + r.generated) // size) for r in view.running if not r.computed)
        if coming < self.share * view.blocks:
            return ""
        return f"{coming} blocks of requests on their way, of {view.blocks}"


class DistServe(ServingPolicy, frozen=True):
    """DistServe: prompts to the shortest prefill queue, then to the least loaded decode replica.

    Made for clusters with pools of role ``prefill`` and ``decode``; see
    `hocket.serving.disaggregation` for which to choose. The fields of `DistServeBatching` mean the
    same here.

    With `replan_every` above 0 the front end looks every so many seconds whether requests of the
    last `window` seconds still have the rate and the lengths of the plan (at first: of the first
    window), within the factor ``1 + threshold``. If not, Algorithm 1 is run on the scenario's pools
    with the lengths seen and that factor times the rate, for the scenario's `slo`. Replicas that
    the new plan lacks are started, and once they are up those too many are drained. What loading
    weights takes is the `start_up` of the pools.
    """

    name: ClassVar[str] = "serving/distserve"
    source: ClassVar[str] = SOURCE
    pack: Positive | None = None
    prefill_seqs: Positive = 128
    decode_seqs: Positive = 1024
    waiting_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.05
    preemption: Preemption = "swap"
    replan_every: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    window: Seconds = 60.0
    threshold: Annotated[float, msgspec.Meta(gt=0)] = 0.3

    def refuses(self, scenario: Any) -> str:
        """See Policy.refuses."""
        roles = {pool.role for pool in scenario.pools}
        if not {"prefill", "decode"} <= roles:
            return "it needs pools of role prefill and pools of role decode"
        if self.replan_every and None in (scenario.slo.ttft, scenario.slo.tpot):
            return "to replan it needs slo.ttft and slo.tpot"
        return ""

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See ServingPolicy.batcher."""
        own = DistServeBatching(
            pack=self.pack,
            prefill_seqs=self.prefill_seqs,
            decode_seqs=self.decode_seqs,
            waiting_share=self.waiting_share,
            preemption=self.preemption,
        )
        return own.batcher(engine, streams)

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """See ServingPolicy.dispatcher."""
        return fewest_outstanding()

    def begin(self, scenario: Any, streams: Streams) -> Deciders:
        """See Policy.begin. Replanning runs the placement algorithm on the scenario."""
        if not self.replan_every:
            return super().begin(scenario, streams)
        from hocket.serving.disaggregation.replanner import Replanned

        return Replanned(self, self, scenario, streams)


POLICIES = (DistServe, DistServeBatching)
