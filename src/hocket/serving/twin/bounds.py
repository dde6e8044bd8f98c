"""The bounds that an engine puts on every iteration, whatever the policy would allow."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from hocket.core.streams import Streams
from hocket.serving.roles.batching import Around, Batcher
from hocket.serving.roles.facts import Engine
from hocket.serving.roles.policy import BatchingPolicy, ServingPolicy

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Bounded(BatchingPolicy, frozen=True):
    """Another policy in an engine of these bounds.

    `tokens` and `seqs` are those that the engine was started with (vLLM's
    ``--max-num-batched-tokens`` and ``--max-num-seqs``): buffers are made for them, so no policy
    may exceed them.
    """

    name: ClassVar[str] = "serving/bounded"
    inner: ServingPolicy
    tokens: Positive
    seqs: Positive

    def __str__(self) -> str:
        return str(self.inner)

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See ServingPolicy.batcher."""
        return _Bounded(self.inner.batcher(engine, streams), self.tokens, self.seqs)


class _Bounded(Around):
    def __init__(self, inner: Batcher, tokens: int, seqs: int) -> None:
        super().__init__(inner)
        own = inner.limits
        self.limits = msgspec.structs.replace(
            own,
            tokens=tokens if own.tokens is None else min(tokens, own.tokens),
            seqs=min(seqs, own.seqs),
        )
