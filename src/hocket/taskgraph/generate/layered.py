"""Random graphs in layers: the parametric generator of Topcuoglu et al."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np

from hocket.core.scenario import Ticks
from hocket.core.streams import Streams
from hocket.taskgraph.generate.base import Capacity, Count, Gap, Noise
from hocket.taskgraph.generate.costs import (
    Arcs,
    Weighted,
    draw_means,
    draw_volumes,
    graph,
    machines,
)
from hocket.taskgraph.model.jobs import JobType, Stream
from hocket.taskgraph.model.processors import Communication
from hocket.taskgraph.model.scenario import TaskGraphs

Shape = Annotated[float, msgspec.Meta(ge=0.01, le=100)]


class Layered(Weighted, frozen=True, kw_only=True):
    """Random graphs of `tasks` tasks in layers, by shape, out-degree, CCR and heterogeneity.

    - `processors`: how many there are, all joined by the same bandwidth
    - `work`: mean ticks of a task; means are U[1, 2 `work` - 1]
    - `ccr`: mean ticks of a transfer over mean ticks of a task; volumes are U[0, 2 `work` `ccr`]
    - `beta`: a task's time on a processor is its mean times U[1 - `beta`/2, 1 + `beta`/2]
    - `consistent`: one such factor per processor, not one for each task on it: a fast processor is
      fast for all; `identical`: all processors take the mean
    - `able`: the probability that a processor can run a task; at least one always can
    - `tasks`: how many; `alpha`: below 1 graphs are long and narrow, above 1 short and wide. The
      number of layers is uniform with mean sqrt(tasks) / `alpha`, the width of each with mean
      sqrt(tasks) x `alpha`; widths are then brought to the number of tasks
    - `degree`: how many tasks of the next layer follow a task, as far as it has so many; each task
      behind the first layer follows at least one

    The paper's experiments take 20 to 100 tasks, `alpha` .5, 1 and 2, `degree` 1 to 5, `ccr` .1 to
    10 and `beta` .1 to 1.
    """

    name: ClassVar[str] = "layered"
    source: ClassVar[str] = (
        "H. Topcuoglu, S. Hariri, M.-Y. Wu, Performance-effective and low-complexity task "
        "scheduling for heterogeneous computing, IEEE Transactions on Parallel and Distributed "
        "Systems 13 (2002) 260-274, section 5.2"
    )

    tasks: Count = 40
    alpha: Shape = 1.0
    degree: Count = 3

    def _shape(self, random: np.random.Generator) -> tuple[int, Arcs]:
        return self.tasks, layered_arcs(self.tasks, self.alpha, self.degree, random)


class RandomStream(Layered, frozen=True, kw_only=True):
    """Streams of jobs of `graphs` random layered graphs, on processors that differ.

    - `graphs`: how many there are, equally frequent; every task is a function of its own
    - `tasks`, `alpha`, `degree` of each graph, and how tasks and processors are weighted: as for
      `layered`
    - `load`: the work that arrives per tick, over what the processors do if each task runs where it
      is fastest; above 1 the system fills up. `gap` in ticks instead, if given
    - `capacity`, `when_full`, `prefill`: of the system, as in `Stream`
    - `noise`: standard deviation of durations as a share of their means
    - `jobs`: how many arrive; `horizon`: when the run ends at the latest
    """

    name: ClassVar[str] = "random-stream"
    source: ClassVar[str] = (
        "graphs as those of H. Topcuoglu, S. Hariri, M.-Y. Wu, IEEE Transactions on Parallel and "
        "Distributed Systems 13 (2002) 260-274; arrivals as in gym_ds3"
    )

    tasks: Count = 10
    graphs: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    load: Annotated[float, msgspec.Meta(gt=0, le=100)] = 0.7
    gap: Gap | None = None
    capacity: Capacity | None = 10
    when_full: Literal["retry", "wait"] = "retry"
    prefill: bool = False
    noise: Noise = 0.0
    jobs: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = 100
    horizon: Ticks | None = None

    def make(self, seed: int = 0) -> TaskGraphs:
        """The scenario of this seed; the seed of a run draws the arrivals."""
        random = Streams(seed)[self.name]
        types: list[JobType] = []
        means: dict[str, int] = {}
        for g in range(self.graphs):
            arcs = layered_arcs(self.tasks, self.alpha, self.degree, random)
            volumes = draw_volumes(self.work * self.ccr, len(arcs), random)
            prefix = f"g{g}t"
            types.append(graph(f"g{g}", prefix, self.tasks, arcs, volumes))
            times = draw_means(self.work, self.tasks, random)
            means |= {f"{prefix}{t}": mean for t, mean in enumerate(times)}
        processors = machines(self, means, random)
        best = sum(
            min(p.functions[name].duration for p in processors if name in p.functions)
            for name in means
        )
        gap = self.gap or best / self.graphs / len(processors) / self.load
        return TaskGraphs(
            name=f"{self.name}-{self.graphs}x{self.tasks}-{seed}",
            processors=processors,
            communication=Communication(default=1.0),
            types=tuple(types),
            arrivals=Stream(
                gap=gap,
                capacity=self.capacity,
                when_full=self.when_full,
                prefill=self.prefill and self.capacity is not None,
                jobs=self.jobs,
            ),
            horizon=self.horizon,
            noise=self.noise,
        )


def layered_arcs(tasks: int, alpha: float, degree: int, random: np.random.Generator) -> Arcs:
    """Arcs between neighbouring layers of a random graph, ascending."""
    widths = _widths(tasks, alpha, random)
    arcs: list[tuple[int, int]] = []
    first = 0
    for width, following in pairwise(widths):
        second = first + width
        reached = set()
        for task in range(first, second):
            chosen = random.choice(following, size=min(degree, following), replace=False)
            reached |= {int(one) for one in chosen}
            arcs += [(task, second + int(one)) for one in chosen]
        for one in range(following):
            if one not in reached:
                arcs.append((first + int(random.integers(width)), second + one))
        first = second
    return sorted(arcs)


def _widths(tasks: int, alpha: float, random: np.random.Generator) -> list[int]:
    """How many tasks each layer has: at least one, and together all."""
    height = min(tasks, _around(math.sqrt(tasks) / alpha, random))
    drawn = [_around(math.sqrt(tasks) * alpha, random) for _ in range(height)]
    spare, total = tasks - height, sum(drawn)
    widths = [1 + spare * width // total for width in drawn]
    for layer in random.permutation(height)[: tasks - sum(widths)]:
        widths[layer] += 1
    return widths


def _around(mean: float, random: np.random.Generator) -> int:
    """A whole number from 1 up, uniform, with this mean as far as there is one."""
    return int(random.integers(1, max(2, round(2 * mean))))
