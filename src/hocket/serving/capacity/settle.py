"""The cheapest fleet of one configuration that meets the SLO."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from hocket.serving.capacity.fleet import Configuration, Counts, fleet
from hocket.serving.capacity.grid import Grid
from hocket.serving.capacity.probe import Clock, Ended, Outcome, probe
from hocket.serving.model.cluster import Cluster
from hocket.serving.model.search import Search

Ending = Literal["", "time", "interrupted", "lost"]


class Job(msgspec.Struct, frozen=True):
    """What all tasks of a search share. `scenario` has the log, or a part of it."""

    scenario: Cluster
    search: Search
    configurations: tuple[Configuration, ...]
    seed: int
    clock: Clock

    def look(self, index: int, counts: Counts) -> Outcome:
        """Simulate a fleet. Raises Ended."""
        one = self.configurations[index]
        world = fleet(self.scenario, self.search, one, counts)
        return probe(world, one.policy, seed=self.seed, clock=self.clock)


class Task(msgspec.Struct, frozen=True):
    """Which configuration to settle, up to which price; `hint` is where to begin."""

    index: int
    hint: Counts
    limit: float = math.inf


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a configuration.

    - `rows`: the fleets that were simulated, in order
    - `best`: the cheapest that meets the SLO, None if there is none within the limit
    - `floor`: no fleet of it below this price does; infinite if none does at all
    - `ended`: what kept it from being settled, if anything did: time was over, the user ended it,
      or its process was `lost` with `error`
    """

    index: int
    rows: tuple[tuple[Counts, Outcome], ...] = ()
    best: Counts | None = None
    floor: float
    ended: Ending = ""
    error: str = ""


def look(job: Job, point: tuple[int, Counts]) -> Outcome | None:
    """Simulate one fleet: a task for `hocket.core.pool.spread`. None if time was over."""
    try:
        return job.look(*point)
    except Ended:
        return None


def settle(job: Job, task: Task) -> Settled:
    """Settle a configuration: a task for `hocket.core.pool.spread`."""
    one = job.configurations[task.index]

    def price(counts: Counts) -> float:
        return one.price(job.search, counts)

    grid = Grid(price, len(one.cuts), job.search.most, task.hint, task.limit)
    rows: list[tuple[Counts, Outcome]] = []
    ended: Ending = ""
    try:
        while (counts := grid.ask()) is not None:
            outcome = job.look(task.index, counts)
            rows.append((counts, outcome))
            grid.tell(counts, outcome.meets, outcome.limit)
    except Ended:
        ended = "time"
    except KeyboardInterrupt:  # what was found until now is the answer
        ended = "interrupted"
    floor = grid.floor() if grid.best is None or ended else price(grid.best)
    return Settled(index=task.index, rows=tuple(rows), best=grid.best, floor=floor, ended=ended)
