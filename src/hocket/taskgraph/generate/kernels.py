"""Graphs of known algorithms: Gaussian elimination, the fast Fourier transform, fork and join.

The first two are those of H. Topcuoglu, S. Hariri, M.-Y. Wu, IEEE Transactions on Parallel and
Distributed Systems 13 (2002) 260-274, section 5.3.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import numpy as np

from hocket.core.errors import InputError, Problem
from hocket.taskgraph.generate.base import Count
from hocket.taskgraph.generate.costs import Arcs, Weighted, draw_means, draw_volumes

_PAPER = (
    "H. Topcuoglu, S. Hariri, M.-Y. Wu, Performance-effective and low-complexity task scheduling "
    "for heterogeneous computing, IEEE Transactions on Parallel and Distributed Systems 13 (2002) "
    "260-274, section 5.3"
)


class GaussianElimination(Weighted, frozen=True, kw_only=True):
    """Gaussian elimination of a matrix of `size` columns: (size^2 + size - 2) / 2 tasks.

    Step k finds the pivot of column k and then updates every column behind it; the first column
    updated is that of the next pivot. Tasks and processors are weighted as for `layered`.
    """

    name: ClassVar[str] = "gaussian-elimination"
    source: ClassVar[str] = _PAPER

    size: Annotated[int, msgspec.Meta(ge=2, le=200)] = 5

    def _shape(self, random: np.random.Generator) -> tuple[int, Arcs]:
        arcs: list[tuple[int, int]] = []
        before: list[int] = []  # the updates of the step before, by column
        count = 0
        for k in range(self.size - 1):
            pivot, columns = count, self.size - 1 - k
            updates = [pivot + 1 + j for j in range(columns)]
            if before:
                arcs.append((before[0], pivot))
                arcs += zip(before[1:], updates, strict=True)
            arcs += [(pivot, update) for update in updates]
            before, count = updates, pivot + 1 + columns
        return count, sorted(arcs)


class Fourier(Weighted, frozen=True, kw_only=True):
    """The fast Fourier transform of `points` points, a power of two.

    There are 2 x points - 1 recursive calls, a binary tree, and points x log2(points) butterflies.
    All tasks of a level have the same mean time, and all arcs between two levels the same volume,
    so every path from the entry to an exit is critical. Otherwise tasks and processors are weighted
    as for `layered`.
    """

    name: ClassVar[str] = "fourier"
    source: ClassVar[str] = _PAPER

    points: Annotated[int, msgspec.Meta(ge=2, le=1024)] = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.points & (self.points - 1):
            what = f"{self.points} is no power of two"
            raise InputError(f"taskgraph/{self.name}", [Problem("points", what)])

    @property
    def _widths(self) -> list[int]:
        """The levels: 1, 2, 4 ... points calls, then the butterflies."""
        stages = self.points.bit_length() - 1
        return [2**level for level in range(stages + 1)] + [self.points] * stages

    def _shape(self, random: np.random.Generator) -> tuple[int, Arcs]:
        stages = self.points.bit_length() - 1
        calls = 2 * self.points - 1
        arcs = [(parent, 2 * parent + side) for parent in range(self.points - 1) for side in (1, 2)]
        for stage in range(stages):
            first = calls - self.points + stage * self.points
            for i in range(self.points):
                target = first + self.points + i
                arcs += [(first + i, target), (first + (i ^ (1 << stage)), target)]
        return calls + stages * self.points, sorted(arcs)

    def _means(self, count: int, random: np.random.Generator) -> list[int]:
        times = draw_means(self.work, len(self._widths), random)
        return [time for time, width in zip(times, self._widths, strict=True) for _ in range(width)]

    def _volumes(self, arcs: Arcs, random: np.random.Generator) -> list[int]:
        level = [number for number, width in enumerate(self._widths) for _ in range(width)]
        drawn = draw_volumes(self.work * self.ccr, len(self._widths), random)
        return [drawn[level[source]] for source, _ in arcs]


class ForkJoin(Weighted, frozen=True, kw_only=True):
    """Graphs that fork into `width` parallel tasks and join again, `stages` times.

    Tasks and processors are weighted as for `layered`.
    """

    name: ClassVar[str] = "fork-join"
    source: ClassVar[str] = (
        "a graph of the folklore, e.g. Y.-K. Kwok, I. Ahmad, Static scheduling algorithms for "
        "allocating directed task graphs to multiprocessors, ACM Computing Surveys 31 (1999) "
        "406-471"
    )

    width: Count = 8
    stages: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 3

    def _shape(self, random: np.random.Generator) -> tuple[int, Arcs]:
        arcs: list[tuple[int, int]] = []
        for stage in range(self.stages):
            fork = stage * (self.width + 1)
            join = fork + self.width + 1
            for task in range(fork + 1, join):
                arcs += [(fork, task), (task, join)]
        return self.stages * (self.width + 1) + 1, sorted(arcs)
