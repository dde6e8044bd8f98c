"""Chats: single questions, bursts of them, and conversations."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from hocket.core.disturb.noise import GammaNoise
from hocket.core.domain import Generator, checked
from hocket.serving.generate.base import SECOND, Count, Rate, Spread, cluster
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.workload import (
    Arrivals,
    Bursts,
    Conversations,
    Geometric,
    LogNormal,
    Random,
    Separate,
)
from hocket.serving.workload import Rate as RateProcess

LENGTHS = Separate(
    prompt=LogNormal(median=1730, p90=5696, cap=7168),
    output=LogNormal(median=415, p90=834, cap=1024),
)
"""Lognormal fits to the percentiles of openchat_sharegpt4 that Sarathi-Serve gives (section 5)."""

Span = Annotated[float, msgspec.Meta(gt=0, le=10**6)]


class Chat(Generator, frozen=True, kw_only=True):
    """Questions to one replica, with prompts and answers as long as in ShareGPT's chats.

    `rate`: requests per second; `cv`: coefficient of variation of the gaps, 1 is Poisson.
    """

    name: ClassVar[str] = "chat"
    source: ClassVar[str] = (
        "length percentiles of openchat_sharegpt4 in A. Agrawal et al., Taming Throughput-Latency "
        "Tradeoff in LLM Inference with Sarathi-Serve, OSDI 2024; the lognormal fit is ours"
    )

    rate: Rate = 2.0
    cv: Spread = 1.0
    requests: Count = 500

    def __post_init__(self) -> None:
        checked(self, "serving")

    def make(self, seed: int = 0) -> Cluster:
        """The scenario of this seed."""
        arrivals = RateProcess(rate=self.rate, cv=self.cv)
        return _chats("chat", arrivals, self.requests, seed)


class BurstyChat(Generator, frozen=True, kw_only=True):
    """The same questions, from a crowd that comes and goes: two rates take turns.

    `rate`: requests per second in quiet times of `quiet` seconds on average; `peak`: in bursts of
    `burst` seconds on average.
    """

    name: ClassVar[str] = "bursts"
    source: ClassVar[str] = (
        "Markov-modulated Poisson arrivals as in W. Fischer, K. Meier-Hellstern, The Markov-"
        "modulated Poisson process (MMPP) cookbook, Performance Evaluation 18 (1993) 149-171; "
        "lengths as in serving/chat"
    )

    rate: Rate = 1.0
    peak: Rate = 8.0
    quiet: Span = 60.0
    burst: Span = 10.0
    requests: Count = 500
    replicas: Count = 2

    def __post_init__(self) -> None:
        checked(self, "serving")

    def make(self, seed: int = 0) -> Cluster:
        """The scenario of this seed."""
        arrivals = Bursts(
            rate=self.rate,
            peak=self.peak,
            quiet=round(self.quiet * SECOND),
            burst=round(self.burst * SECOND),
        )
        pool = Pool(count=self.replicas, most=max(64, self.replicas))
        return _chats("bursts", arrivals, self.requests, seed, pool)


def _chats(
    name: str, arrivals: Arrivals, count: int, seed: int, pool: Pool | None = None
) -> Cluster:
    workload = Random(count=count, arrivals=arrivals, lengths=LENGTHS)
    return cluster(name, workload, seed, **({} if pool is None else {"pools": (pool,)}))


class Talks(Generator, frozen=True, kw_only=True):
    """Conversations of several turns, each sending the whole history again.

    `rate`: new conversations per second; `turns`: requests per conversation on average (geometric);
    `think`: seconds between an answer and the next question on average (exponential); `system`:
    tokens that open every conversation. Replicas keep the prefixes that they have computed.
    """

    name: ClassVar[str] = "conversations"
    source: ClassVar[str] = (
        "5.5 turns per conversation as in A. Shen, Z. Li, M. Gao, FastSwitch: Optimizing Context "
        "Switching Efficiency in Fairness-aware Large Language Model Serving, arXiv:2411.18424; "
        "the rest is ours"
    )

    rate: Rate = 1.0
    turns: Annotated[float, msgspec.Meta(ge=1, le=1000)] = 5.5
    think: Span = 10.0
    system: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 256
    conversations: Count = 100
    replicas: Count = 2

    def __post_init__(self) -> None:
        checked(self, "serving")

    def make(self, seed: int = 0) -> Cluster:
        """The scenario of this seed."""
        talks = Conversations(
            count=self.conversations,
            arrivals=RateProcess(rate=self.rate),
            turns=Geometric(mean=self.turns),
            prompt=LogNormal(median=60, p90=400, cap=4096),
            output=LogNormal(median=200, p90=600, cap=2048),
            system=self.system,
            think=round(self.think * SECOND),
            noise=GammaNoise(cv=1.0),
            longest=32_768,
        )
        pool = Pool(count=self.replicas, prefix_cache=True, most=max(64, self.replicas))
        slo = Slo(ttft=2 * SECOND, tpot=SECOND // 10)
        return cluster("conversations", talks, seed, pools=(pool,), slo=slo)
