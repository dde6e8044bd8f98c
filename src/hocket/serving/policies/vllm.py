"""What vLLM does by default: today's engine (V1), and the one that its paper describes (V0)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from hocket.core.streams import Streams
from hocket.serving.roles.batching import Batcher, FirstComeFirstServed, Limits, Preemption
from hocket.serving.roles.facts import Engine
from hocket.serving.roles.policy import BatchingPolicy

Positive = Annotated[int, msgspec.Meta(ge=1)]
Watermark = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class VllmV1(BatchingPolicy, frozen=True):
    """One token budget for decodes and prompt chunks together: vLLM's engine V1.

    `tokens` and `seqs` are its ``max_num_batched_tokens`` and ``max_num_seqs``. Memory is taken
    chunk by chunk and no watermark is kept; the last admitted gives way and is recomputed. `whole`
    is its ``scheduler_reserve_full_isl``: a request comes in only if its whole prompt would fit.
    """

    name: ClassVar[str] = "serving/vllm-v1"
    source: ClassVar[str] = (
        "W. Kwon et al., Efficient Memory Management for Large Language Model Serving with "
        "PagedAttention, SOSP 2023; the scheduler of engine V1"
    )
    tokens: Positive = 2048
    seqs: Positive = 256
    whole: bool = True

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        limits = Limits(tokens=self.tokens, seqs=self.seqs, whole=self.whole)
        return FirstComeFirstServed(limits)


class VllmV0(BatchingPolicy, frozen=True):
    """Whole prompts first, in batches of their own; all decodes wait for them: vLLM's engine V0.

    `tokens` bounds the prompts of one iteration (2560 was the default of version 0.1.7), and
    `watermark` is the share of blocks that an admission leaves free.
    """

    name: ClassVar[str] = "serving/vllm-v0"
    source: ClassVar[str] = (
        "W. Kwon et al., Efficient Memory Management for Large Language Model Serving with "
        "PagedAttention, SOSP 2023"
    )
    tokens: Positive = 2560
    seqs: Positive = 256
    watermark: Watermark = 0.01
    preemption: Preemption = "recompute"

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        return FirstComeFirstServed(
            Limits(
                tokens=self.tokens,
                seqs=self.seqs,
                style="prefill-first",
                chunked=False,
                allocate="prompt",
                watermark=self.watermark,
                preemption=self.preemption,
            )
        )


POLICIES = (VllmV1, VllmV0)
