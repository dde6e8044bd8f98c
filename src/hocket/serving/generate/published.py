"""Workloads of papers, on clusters such as they were run on."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from hocket.core.domain import Generator, checked
from hocket.serving.generate.base import SECOND, Count, Rate, Spread, cluster
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.workload import DIST_1, DIST_2, DIST_3, ClosedLoop
from hocket.serving.workload import Llumnix as LlumnixTrace
from hocket.serving.workload.llumnix import PUBLISHED_SEED, Mean

BLOCKS_A10 = 851
"""Blocks of 16 tokens that LLaMA-7B leaves on an A10 (Llumnix, section 6.1: 13,616 tokens)."""

BLOCKS_A100 = 7500
"""Blocks of 16 tokens that a 7B model is given on an A100-80GB (Past-Future: 120,000 tokens)."""

MOST_NEW_TOKENS = 4096
"""The longest answer that Past-Future's clients allow."""


class Llumnix(Generator, frozen=True, kw_only=True):
    """Generated traces of Llumnix on its cluster of sixteen A10.

    - `prompt`, `output`: mean lengths; 128, 256, 512 are the paper's Short, Medium, Long
    - `rate`: requests per second; the paper goes over 32-38 for S-S, 7.4-8.0 for M-M, 2.6-3.2 for
      L-L, 4.1-4.4 for S-L, 10-22 for L-S
    - `cv`: coefficient of variation of the gaps, 1 is Poisson
    - `high`: share of requests of high priority (-1); the paper has 0.1 where it has any

    Seed 0 gives the published trace. Requests may fill the memory of a replica, as in the paper,
    though LLaMA-7B was trained for 2048 positions only.
    """

    name: ClassVar[str] = "llumnix"
    source: ClassVar[str] = (
        "B. Sun, Z. Huang, H. Zhao, W. Xiao, X. Zhang, Y. Li, W. Lin, Llumnix: Dynamic Scheduling "
        "for Large Language Model Serving, OSDI 2024, section 6.1 and its artifact"
    )

    prompt: Mean = 256
    output: Mean = 256
    rate: Rate = 7.5
    cv: Spread = 1.0
    high: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    requests: Count = 10_000
    replicas: Count = 16

    def __post_init__(self) -> None:
        checked(self, "serving")

    def make(self, seed: int = 0) -> Cluster:
        """The scenario of this seed."""
        trace = LlumnixTrace(
            prompt=self.prompt,
            output=self.output,
            rate=self.rate,
            cv=self.cv,
            high=self.high,
            count=self.requests,
            seed=(PUBLISHED_SEED + seed) % 2**32,
        )
        pool = Pool(
            count=self.replicas,
            gpu="A10",
            model="llama-7b",
            kv_blocks=BLOCKS_A10,
            max_context=BLOCKS_A10 * 16,
            most=max(64, self.replicas),
        )
        return cluster(f"llumnix-{self.prompt}-{self.output}", trace, seed, pools=(pool,))


class PastFuture(Generator, frozen=True, kw_only=True):
    """Clients that keep one replica busy with long answers, as in the Past-Future paper.

    `distribution`: 1 is decode-heavy, 2 balanced, 3 prefill-heavy; `clients`: how many requests are
    under way at a time. The SLO is the paper's for 7B and 13B models: 10 s to the first token and
    at most 1.5 s between two. The replica runs Llama-2-7B beyond the 4096 positions that it was
    trained for, as the artifact does.
    """

    name: ClassVar[str] = "past-future"
    source: ClassVar[str] = (
        "R. Gong et al., Past-Future Scheduler for LLM Serving under SLA Guarantees, ASPLOS 2025, "
        "section 5 and its artifact"
    )

    distribution: Literal[1, 2, 3] = 1
    clients: Count = 50
    requests: Count = 500

    def __post_init__(self) -> None:
        checked(self, "serving")

    def make(self, seed: int = 0) -> Cluster:
        """The scenario of this seed."""
        lengths = {1: DIST_1, 2: DIST_2, 3: DIST_3}[self.distribution]
        loop = ClosedLoop(
            count=self.requests, clients=self.clients, lengths=lengths, limit=MOST_NEW_TOKENS
        )
        return cluster(
            f"past-future-{self.distribution}",
            loop,
            seed,
            pools=(Pool(model="llama-2-7b", kv_blocks=BLOCKS_A100, max_context=BLOCKS_A100 * 16),),
            slo=Slo(ttft=10 * SECOND, gap=SECOND * 3 // 2),
        )
