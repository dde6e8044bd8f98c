"""The two steps before paged memory: batches that stay together, and batches that change."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from hocket.core.streams import Streams
from hocket.serving.roles.batching import Batcher, FirstComeFirstServed, Limits
from hocket.serving.roles.facts import Engine
from hocket.serving.roles.policy import BatchingPolicy

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Orca(BatchingPolicy, frozen=True):
    """Continuous batching: whole prompts join the running decodes, memory for the longest answer.

    Because memory is reserved for the longest answer that a request may have, nothing is ever
    preempted, and `seqs` is small.
    """

    name: ClassVar[str] = "serving/orca"
    source: ClassVar[str] = (
        "G.-I. Yu, J. S. Jeong, G.-W. Kim, S. Kim, B.-G. Chun, Orca: A Distributed Serving System "
        "for Transformer-Based Generative Models, OSDI 2022"
    )
    seqs: Positive = 16

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        return FirstComeFirstServed(
            Limits(tokens=None, seqs=self.seqs, chunked=False, allocate="longest")
        )


class FasterTransformer(BatchingPolicy, frozen=True):
    """Request-level batching: a batch runs until its last request is done, then the next begins.

    The way of NVIDIA FasterTransformer behind a server that batches requests; memory is reserved
    for the longest answers. Nobody's decode is disturbed by a prompt, and most slots stand idle.
    """

    name: ClassVar[str] = "serving/fastertransformer"
    seqs: Positive = 16

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        return FirstComeFirstServed(
            Limits(tokens=None, seqs=self.seqs, style="static", chunked=False, allocate="longest")
        )


POLICIES = (Orca, FasterTransformer)
