"""Stall-free batching: Sarathi-Serve."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from hocket.core.errors import UserError
from hocket.core.streams import Streams
from hocket.serving.budget import DECODES, token_budget
from hocket.serving.roles.batching import Batcher, FirstComeFirstServed, Limits, Preemption
from hocket.serving.roles.facts import Engine
from hocket.serving.roles.policy import BatchingPolicy

Positive = Annotated[int, msgspec.Meta(ge=1)]
Watermark = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class Sarathi(BatchingPolicy, frozen=True):
    """Decodes first, then prompt chunks up to a token budget, so that no prompt stalls a decode.

    `tokens` is the budget of one iteration; ``auto`` takes the largest whose mixed iteration meets
    the scenario's target for the gap between tokens by the pool's cost model (see
    hocket.serving.budget). Memory for a whole prompt is taken at admission and `watermark` of it
    kept free.

    The two ideas apart, as in section 5.4 of the paper: a budget as large as the longest context
    is "hybrid batching only"; without `mixed`, chunks and decodes take turns ("chunked prefills
    only"). Without `chunked` a prompt waits until all of it fits the budget.
    """

    name: ClassVar[str] = "serving/sarathi"
    source: ClassVar[str] = (
        "A. Agrawal, N. Kedia, A. Panwar, J. Mohan, N. Kwatra, B. Gulavani, A. Tumanov, "
        "R. Ramjee, Taming Throughput-Latency Tradeoff in LLM Inference with Sarathi-Serve, "
        "OSDI 2024"
    )
    tokens: Positive | Literal["auto"] = 512
    seqs: Positive = 128
    chunked: bool = True
    mixed: bool = True
    watermark: Watermark = 0.01
    preemption: Preemption = "recompute"

    def refuses(self, scenario: Any) -> str:
        """See Policy.refuses."""
        slo = scenario.slo
        if self.tokens == "auto" and slo.gap is None and slo.tpot is None:
            return "tokens: auto needs a target for the time between tokens; set slo.gap, or tokens"
        return ""

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        tokens = self.tokens if self.tokens != "auto" else _chosen(engine, self.seqs)
        return FirstComeFirstServed(
            Limits(
                tokens=tokens,
                seqs=self.seqs,
                style="mixed" if self.mixed else "alternate",
                chunked=self.chunked,
                allocate="prompt",
                watermark=self.watermark,
                preemption=self.preemption,
            )
        )


def _chosen(engine: Engine, seqs: int) -> int:
    """The token budget for an engine, for the paper's batch or as many as may run."""
    seconds = engine.targets.gap if engine.targets.gap is not None else engine.targets.tpot
    if seconds is None or engine.cost is None:
        missing = "a target for the time between tokens" if seconds is None else "a cost model"
        raise UserError(f"serving/sarathi: tokens: auto needs {missing}; give one, or set tokens")
    decodes = min(DECODES, seqs)
    return token_budget(engine.cost, seconds, decodes=decodes, stages=engine.stages)


POLICIES = (Sarathi,)
