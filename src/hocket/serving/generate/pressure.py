"""Small clusters under pressure: what production meets in a week, within a few requests."""

from __future__ import annotations

from typing import ClassVar

from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.domain import Generator, checked
from hocket.serving.cost import Constant
from hocket.serving.generate.base import SECOND, Count, Rate, cluster
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.roles.cluster import Role
from hocket.serving.workload import (
    ClosedLoop,
    Conversations,
    Random,
    Separate,
    Tenant,
    Uniform,
    Workload,
)
from hocket.serving.workload import Rate as RateProcess

_BLOCK = 8
_BLOCKS = 14  # 112 tokens: the longest request fits, two of them do not
_LENGTHS = Separate(prompt=Uniform(low=1, high=60), output=Uniform(low=1, high=40))
_TENANTS = (Tenant(name="paid", weight=1, priority=-1), Tenant(name="free", weight=3))
_SWITCHES = ("swap", "prefixes", "split", "failures", "stages", "closed", "idle")
_STEP = 0.02  # seconds per iteration


class Pressure(Generator, frozen=True, kw_only=True):
    """So little memory that requests queue and give way; switches add what else can happen.

    - `swap`: requests that give way are moved to the host
    - `prefixes`: turns of conversations, whose prompts share blocks that replicas keep
    - `split`: one replica prefills and the others decode
    - `failures`: replicas break down and come back
    - `stages`: replicas are pipelines of two stages
    - `closed`: clients who wait for their answers
    - `idle`: the requests come so slowly that none meets another
    """

    name: ClassVar[str] = "pressure"
    source: ClassVar[str] = "made for hocket, to test policies in every situation"

    requests: Count = 40
    replicas: Count = 2
    rate: Rate = 100.0
    swap: bool = False
    prefixes: bool = False
    split: bool = False
    failures: bool = False
    stages: bool = False
    closed: bool = False
    idle: bool = False

    def __post_init__(self) -> None:
        checked(self, "serving")

    def make(self, seed: int = 0) -> Cluster:
        """The scenario of this seed."""
        on = [name for name in _SWITCHES if getattr(self, name)]
        return cluster(
            "-".join(["pressure", *on]),
            self._workload(),
            seed,
            pools=self._pools(),
            slo=Slo(ttft=SECOND, tpot=SECOND // 20),
            gauge_every=SECOND // 10,
        )

    def _workload(self) -> Workload:
        arrivals = RateProcess(rate=0.1 if self.idle else self.rate)
        if self.prefixes:
            return Conversations(
                count=self.requests,
                arrivals=arrivals,
                turns=Uniform(low=1, high=3),
                prompt=Uniform(low=1, high=12),
                output=Uniform(low=1, high=12),
                system=20,
                think=SECOND // 10,
                prefix_block=_BLOCK,
                tenants=_TENANTS,
            )
        if self.closed:
            return ClosedLoop(
                count=self.requests, clients=4, think=0, lengths=_LENGTHS, tenants=_TENANTS
            )
        return Random(
            count=self.requests, arrivals=arrivals, lengths=_LENGTHS, limit=40, tenants=_TENANTS
        )

    def _pools(self) -> tuple[Pool, ...]:
        if not self.split:
            return (self._pool("replica", self.replicas, "both"),)
        others = max(1, self.replicas - 1)
        return self._pool("prefill", 1, "prefill"), self._pool("decode", others, "decode")

    def _pool(self, name: str, count: int, role: Role) -> Pool:
        breakdowns = Breakdowns(mean_up=SECOND, mean_down=SECOND / 10) if self.failures else None
        return Pool(
            name=name,
            count=count,
            role=role,
            pp=2 if self.stages else 1,
            cost=Constant(seconds=_STEP),
            block_size=_BLOCK,
            kv_blocks=_BLOCKS,
            host_blocks=2 * _BLOCKS if self.swap else 0,
            prefix_cache=self.prefixes,
            start_up=SECOND // 10,
            most=max(8, count),
            breakdowns=breakdowns,
        )
