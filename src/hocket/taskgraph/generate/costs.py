"""Processors that differ, and graphs weighted as in the experiments of Topcuoglu et al. (2002)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from hocket.core.domain import Generator, checked
from hocket.core.streams import Streams
from hocket.taskgraph.generate.base import Count, job_type
from hocket.taskgraph.model.jobs import JobType
from hocket.taskgraph.model.processors import Communication, Function, Processor
from hocket.taskgraph.model.scenario import TaskGraphs

Ratio = Annotated[float, msgspec.Meta(ge=0, le=1000)]
Spread = Annotated[float, msgspec.Meta(ge=0, le=2)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Work = Annotated[int, msgspec.Meta(ge=1, le=10**6)]

Arcs = Sequence[tuple[int, int]]


class Weighted(Generator, frozen=True, kw_only=True):
    """Graphs of which only the shape is left to say; see `Layered` for what the fields mean."""

    processors: Count = 4
    work: Work = 50
    ccr: Ratio = 1.0
    beta: Spread = 1.0
    consistent: bool = False
    identical: bool = False
    able: Share = 1.0

    def __post_init__(self) -> None:
        checked(self, "taskgraph")

    def make(self, seed: int = 0) -> TaskGraphs:
        """The scenario of this seed: one job, at time 0."""
        random = Streams(seed)[self.name]
        count, arcs = self._shape(random)
        means = self._means(count, random)
        return TaskGraphs(
            name=f"{self.name}-{count}-{seed}",
            processors=machines(self, {f"t{t}": mean for t, mean in enumerate(means)}, random),
            communication=Communication(default=1.0),
            types=(graph("graph", "t", count, arcs, self._volumes(arcs, random)),),
        )

    def _shape(self, random: np.random.Generator) -> tuple[int, Arcs]:
        """The number of tasks, and who comes before whom."""
        raise NotImplementedError

    def _means(self, count: int, random: np.random.Generator) -> list[int]:
        """The mean ticks of each task."""
        return draw_means(self.work, count, random)

    def _volumes(self, arcs: Arcs, random: np.random.Generator) -> list[int]:
        """The volume of each arc; bandwidths are 1."""
        return draw_volumes(self.work * self.ccr, len(arcs), random)


def draw_means(work: int, count: int, random: np.random.Generator) -> list[int]:
    """So many times, U[1, 2 work - 1]."""
    return [int(mean) for mean in random.integers(1, 2 * work, size=count)]


def draw_volumes(mean: float, count: int, random: np.random.Generator) -> list[int]:
    """So many volumes, U[0, 2 mean], rounded."""
    return [round(float(volume)) for volume in random.uniform(0, 2 * mean, size=count)]


def machines(
    made: Weighted, means: dict[str, int], random: np.random.Generator
) -> tuple[Processor, ...]:
    """The processors of a generator, running functions of these mean times."""
    beta = 0 if made.identical else made.beta
    low, high = 1 - beta / 2, 1 + beta / 2
    shape = (1 if made.consistent else len(means), made.processors)
    factors = np.broadcast_to(random.uniform(low, high, size=shape), (len(means), made.processors))
    can = random.random((len(means), made.processors)) < made.able
    can[np.arange(len(means)), random.integers(made.processors, size=len(means))] = True
    found = []
    for p in range(made.processors):
        functions = {
            name: Function(duration=max(1, round(mean * float(factors[t, p]))))
            for t, (name, mean) in enumerate(means.items())
            if can[t, p]
        }
        if functions:
            found.append(Processor(name=f"p{p}", functions=functions))
    return tuple(found)


def graph(
    name: str, prefix: str, count: int, arcs: Arcs, volumes: Sequence[int], weight: float = 1.0
) -> JobType:
    """A job type of tasks ``prefix0``, ``prefix1`` ... with these arcs and volumes."""
    edges = [(a, b, float(volume)) for (a, b), volume in zip(arcs, volumes, strict=True)]
    return job_type(name, [f"{prefix}{t}" for t in range(count)], edges, weight)
