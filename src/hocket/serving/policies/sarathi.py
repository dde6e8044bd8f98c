"""Stall-free batching: Sarathi-Serve."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from hocket.core.scenario import to_ticks
from hocket.core.streams import Streams
from hocket.serving.budget import DECODES, token_budget
from hocket.serving.roles.batching import Batcher, FirstComeFirstServed, Limits, Preemption
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
        if self.tokens == "auto" and _target(scenario) is None:
            return "tokens: auto needs a target for the time between tokens; set slo.gap, or tokens"
        return ""

    def batcher(self, scenario: Any, pool: Any, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        tokens = self.tokens if self.tokens != "auto" else _chosen(scenario, pool, self.seqs)
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


def _target(scenario: Any) -> int | None:
    """Ticks that may lie between two tokens, if the scenario sets any."""
    slo = scenario.slo
    target: int | None = slo.gap if slo.gap is not None else slo.tpot
    return target


def _chosen(scenario: Any, pool: Any, seqs: int) -> int:
    """The token budget for a replica of `pool`, for the paper's batch or as many as may run."""
    seconds = (_target(scenario) or 0) / to_ticks("1 s", scenario.time_unit)
    cost, decodes = pool.cost.model(pool), min(DECODES, seqs)
    return token_budget(cost, seconds, decodes=decodes, stages=pool.pp)


POLICIES = (Sarathi,)
