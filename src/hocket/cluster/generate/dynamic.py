"""Pods that come and end: Pareto gaps, lifetimes and requests on equal nodes."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import numpy as np

from hocket.cluster.generate.pareto import Pareto, mean_of_larger, rarer
from hocket.cluster.generate.replicasets import Number, Share
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.core.domain import Generator, checked
from hocket.core.errors import InputError, Problem
from hocket.core.scenario import Ticks
from hocket.core.streams import Streams

SECOND = 1000
"""Ticks."""
CORES, MEMORY = 16_000, 64 * 2**30
"""What a node has: thousandths of a core, and bytes. Requests are shares of these."""
MOST_PODS = 1_000_000

Positive = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class Churn(Generator, frozen=True, kw_only=True):
    """ReplicaSets that come over hours and end, on a cluster that is full from the start.

    - `nodes`, `utilisation`: how many, and the share of them that is requested on average
    - `duration`: when the run ends (ticks, ms)
    - `gap`: mean seconds between two ReplicaSets, at least `least_gap` and at most `most_gap`
    - `life`: mean seconds that a pod runs, None for what gives the utilisation by Little's law;
      at least `least_life` and at most `most_life`
    - `request`: mean share of a node that a pod asks for, of cores and of memory independently; at
      least `least_request` and at most `most_request`
    - `priorities`: 1 to so many, each `priority_ratio` times as frequent as the one below it
    - `replicas`: 1 to so many pods, each number `replica_ratio` times as likely as the one before

    Gaps, lifetimes and requests follow truncated Pareto distributions. At time 0 come so many
    ReplicaSets as reach the utilisation, with what is left of their lifetimes in the long run: a
    length-biased lifetime, times a uniform number. The authors repeat the draw with other mean
    lifetimes until the requests of one draw are within 1 % of the utilisation; this does not.

    What counts is the time that pods run, compared from the highest priority down.
    """

    name: ClassVar[str] = "churn"
    source: ClassVar[str] = (
        "trace generator in the code of H. D. Christensen, J. Mauro, S. Giallorenzo, Priority "
        "Matters, arXiv 2511.08373 (2025), with the fields of its jobs of 16 nodes, 4 priorities "
        "and gaps of 8 s"
    )

    nodes: Number = 16
    utilisation: Share = 0.9
    duration: Ticks = 6 * 3600 * SECOND
    gap: Positive = 8.0
    least_gap: Positive = 0.0001
    most_gap: Positive = 128.0
    life: Positive | None = None
    least_life: Positive = 4.0
    most_life: Positive = 86_400.0
    request: Share = 0.125
    least_request: Share = 0.05
    most_request: Share = 0.5
    priorities: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 4
    priority_ratio: Share = 0.8
    replicas: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 3
    replica_ratio: Share = 0.8

    def __post_init__(self) -> None:
        checked(self, "cluster")
        gaps = Pareto(least=self.least_gap, mean=self.gap, most=self.most_gap)
        parts = {"gap": gaps, "request": self.requests}
        wrong = [Problem(name, part.wrong) for name, part in parts.items() if part.wrong]
        if not wrong and self.lives.wrong:
            wrong = [Problem("life", self.lives.wrong)]
        if not wrong and self.duration / SECOND / self.gap * self.replicas > MOST_PODS:
            wrong = [Problem("duration", f"brings more than {MOST_PODS} pods; shorten it")]
        if wrong:
            raise InputError(f"cluster/{self.name}", wrong)

    @property
    def requests(self) -> Pareto:
        """How shares of a node that pods request are distributed."""
        return Pareto(least=self.least_request, mean=self.request, most=self.most_request)

    @property
    def lives(self) -> Pareto:
        """How lifetimes (seconds) are distributed."""
        life = self.life
        if life is None:
            pods = float(rarer(self.replicas, self.replica_ratio) @ np.arange(1, self.replicas + 1))
            load = pods * mean_of_larger(self.requests, self.requests) / self.gap
            life = self.utilisation * self.nodes / load
        return Pareto(least=self.least_life, mean=life, most=self.most_life)

    def make(self, seed: int = 0) -> Pods:
        """The scenario of this seed."""
        streams = Streams(seed).child(self.name)
        pods = self._initial(streams)
        starts = self._starts(streams["gaps"])
        lives = self.lives.draw(streams["lives"], len(starts))
        random = streams["pods"]
        for k, (start, life) in enumerate(zip(starts, lives.tolist(), strict=True)):
            pods += self._set(f"rs-{k}", start, life, random)
        width = len(str(self.nodes - 1))
        room = {"milli_cpu": CORES, "memory": MEMORY}
        return Pods(
            name=f"{self.name}-{self.nodes}-{self.priorities}-{self.gap:g}-{seed}",
            nodes=tuple(
                Node(name=f"node-{j:0{width}}", allocatable=room) for j in range(self.nodes)
            ),
            pods=tuple(pods),
            horizon=self.duration,
        )

    def _starts(self, random: np.random.Generator) -> list[int]:
        """When ReplicaSets come, in ticks."""
        gaps = Pareto(least=self.least_gap, mean=self.gap, most=self.most_gap)
        starts: list[int] = []
        time = 0.0
        while True:
            for gap in gaps.draw(random, 1024).tolist():
                time += gap
                if time * SECOND >= self.duration:
                    return starts
                starts.append(int(time * SECOND))

    def _initial(self, streams: Streams) -> list[Pod]:
        """What comes at time 0: as much as stays within the utilisation."""
        random, lives = streams["initial"], self.lives
        room = self.utilisation * self.nodes
        found: list[Pod] = []
        cores = memory = 0
        while True:
            life = _length_biased(lives, random) * (1 - random.random())
            pods = self._set(f"first-{len(found)}", 0, life, random)
            cores += sum(pod.requests["milli_cpu"] for pod in pods)
            memory += sum(pod.requests["memory"] for pod in pods)
            if max(cores / CORES, memory / MEMORY) > room:
                return found
            found += pods

    def _set(self, name: str, start: int, life: float, random: np.random.Generator) -> list[Pod]:
        cores, memory = self.requests.draw(random, 2).tolist()
        count = 1 + int(random.choice(self.replicas, p=rarer(self.replicas, self.replica_ratio)))
        chances = rarer(self.priorities, self.priority_ratio)
        alike = Pod(
            name=name,
            requests={"milli_cpu": round(cores * CORES), "memory": round(memory * MEMORY)},
            priority=1 + int(random.choice(self.priorities, p=chances)),
            owner=f"ReplicaSet/{name}",
            labels={"app": name},
            arrival=start,
            lifetime=max(1, round(life * SECOND)),
        )
        return [msgspec.structs.replace(alike, name=f"{name}-{i}") for i in range(count)]


def _length_biased(lives: Pareto, random: np.random.Generator) -> float:
    """A lifetime as one meets it at a random time: each as often as it is long."""
    power = 1 - lives.shape
    share = random.random()
    if abs(power) < 1e-9:
        return float(lives.least * (lives.most / lives.least) ** share)
    low, high = lives.least**power, lives.most**power
    return float((low + (high - low) * share) ** (1 / power))
