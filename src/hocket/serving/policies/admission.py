"""Admission that counts on the worst, on the best, or knows: what Past-Future is measured by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from hocket.core.errors import UserError
from hocket.core.streams import Streams
from hocket.serving.gate import Batch, Ints, PeakGate, allowed, capacity, prefill_first
from hocket.serving.roles.batching import (
    Batcher,
    FirstComeFirstServed,
    Limits,
    ReplicaView,
    Request,
)
from hocket.serving.roles.facts import Engine
from hocket.serving.roles.policy import BatchingPolicy

Positive = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Reserve = Annotated[float, msgspec.Meta(ge=0, lt=1)]

_GONG = (
    "a baseline of R. Gong et al., Past-Future Scheduler for LLM Serving under SLA Guarantees, "
    "ASPLOS 2025"
)


class _RoundPolicy(BatchingPolicy, frozen=True):
    """What these policies share: rounds of whole prompts between decode steps, as in LightLLM."""

    tokens: Positive = 18_000
    seqs: Positive = 1000
    batch: Positive | None = None
    every: Positive = 10

    def limits(self, stubborn: bool) -> Limits:
        """How iterations are composed."""
        return prefill_first(self.tokens, self.seqs, self.every, self.batch, stubborn)


class Conservative(_RoundPolicy, frozen=True):
    """Admits only if every running request could have its longest answer: nobody has to give way.

    Prompts and limits of all that run must fit in memory together. `max_output` is the longest
    answer of a request without a limit of its own. Other fields as in serving/past-future.
    """

    name: ClassVar[str] = "serving/conservative"
    source: ClassVar[str] = _GONG
    max_output: Positive = 4096

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        return _Reserving(self.limits(stubborn=True), self.max_output)


class Aggressive(_RoundPolicy, frozen=True):
    """Admits whatever fits now, up to a share of memory, whatever it may grow to.

    The tokens in memory and the new prompt must fit in `share` of it. Other fields as in
    serving/past-future.
    """

    name: ClassVar[str] = "serving/aggressive"
    source: ClassVar[str] = _GONG
    share: Share = 0.99

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        return _Filling(self.limits(stubborn=True), self.share)


class Clairvoyant(_RoundPolicy, frozen=True):
    """Admits while the peak of the true lengths stays in memory: the best that a forecast can do.

    An oracle: it draws the scenario's workload again from the seed of the run and so knows how long
    every answer will be. On a replica without pipeline stages nobody ever gives way, and memory is
    as full as that allows in order of arrival. Other fields as in serving/past-future.
    """

    name: ClassVar[str] = "serving/clairvoyant"
    source: ClassVar[str] = _GONG
    reserve: Reserve = 0.0

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        return _Knowing(self.limits(stubborn=False), self.reserve, true_lengths(self.name, engine))


class ShortestFirst(_RoundPolicy, frozen=True):
    """The shortest answer first, while the peak of the true lengths stays in memory (MC-SF).

    Clairvoyant in another order: those with the fewest tokens to come are asked first, and the
    first that does not fit ends the round. The paper's algorithm asks before every iteration.
    """

    name: ClassVar[str] = "serving/mc-sf"
    source: ClassVar[str] = (
        "P. Jaillet, J. Jiang, K. Mellou, M. Molinaro, C. Podimata, Z. Zhou, Online Scheduling for "
        "LLM Inference with KV Cache Constraints, arXiv 2502.07115 (2025)"
    )
    reserve: Reserve = 0.0
    every: Positive = 1

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        known = true_lengths(self.name, engine)
        return _KnowingShortest(self.limits(stubborn=False), self.reserve, known)


def true_lengths(policy: str, engine: Engine) -> Mapping[str, int]:
    """How long every answer will be, for an oracle. Raises UserError where nobody knows."""
    if engine.lengths is None:
        raise UserError(
            f"{policy} knows how long every answer will be, which no real engine reveals: it runs "
            "in the simulator only; serving/past-future guesses from the past"
        )
    return engine.lengths()


class _Reserving(FirstComeFirstServed):
    def __init__(self, limits: Limits, most: int) -> None:
        super().__init__(limits)
        self._most = most

    def admits(self, view: ReplicaView, request: Request) -> str:
        if not view.running:
            return ""
        size, room = view.block_size, capacity(view)
        everyone = (*view.running, request)
        longest = (one.prompt + allowed(one.limit, self._most, room) for one in everyone)
        promised = sum(-(-tokens // size) for tokens in longest)
        if promised <= view.blocks:
            return ""
        return f"{promised} blocks for the longest answers, there are {view.blocks}"


class _Filling(FirstComeFirstServed):
    def __init__(self, limits: Limits, share: float) -> None:
        super().__init__(limits)
        self._share = share

    def admits(self, view: ReplicaView, request: Request) -> str:
        if not view.running:
            return ""
        size, room = view.block_size, self._share * capacity(view)
        need = (view.blocks - view.free) * size + request.prompt + request.generated
        return "" if need <= room else f"{need} tokens with this prompt, {room:.0f} are the most"


class _Knowing(PeakGate):
    def __init__(self, limits: Limits, reserve: float, known: Mapping[str, int]) -> None:
        super().__init__(limits, reserve)
        self._known = known

    def futures(self, batch: Batch, room: int) -> Ints:
        return np.array([[self._known[name] for name in batch.ids]], np.int64)

    def newcomer(self, request: Request, count: int, room: int) -> Ints:
        return np.full(count, self._known[request.id], np.int64)

    def spare(self, block_size: int) -> int:
        return block_size - 1  # what a last block may hold at most beside its tokens


class _KnowingShortest(_Knowing):
    def rank(self, request: Request) -> Any:
        return (self._known[request.id] - request.generated, request.arrival)


POLICIES = (Conservative, Aggressive, Clairvoyant, ShortestFirst)
