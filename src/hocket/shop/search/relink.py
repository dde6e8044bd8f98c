"""Path relinking: a small population of schedules, bred along the paths between them.

After TS/PR (Peng, Lü & Cheng 2015): tabu search improves every member of a population; two of
them are picked, a schedule on the path from one to the other is taken, improved by tabu search,
and replaces the worst member if it is better and no copy. When nothing enters any more, a new
population starts.

Their path swaps neighbouring operations and repairs what becomes infeasible. Here a schedule is a
line of operations, and a point on the path sorts the operations by a weighted mean of their ranks
in the two parents' lines: whatever both parents agree on (the job sequences among it) the child
inherits, so that every point is feasible as it stands.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hocket.shop.search.instance import Ints, Shop, order_of
from hocket.shop.search.rollout import rollouts
from hocket.shop.search.tabu import Tabu, seed_sequence

Report = Callable[[int, Ints], object]

LEG = 100_000  # iterations of a walk after which it reports; about a second at 100 x 100


def between(first: Ints, second: Ints, weight: float) -> Ints:
    """The line at `weight` (0 = first, 1 = second) of the way between two lines, ``int64[N]``."""
    rank = np.empty((2, len(first)), np.int64)
    rank[0, first] = rank[1, second] = np.arange(len(first))
    return np.lexsort((rank[0], (1.0 - weight) * rank[0] + weight * rank[1])).astype(np.int64)


def distance(shop: Shop, first: Ints, second: Ints) -> int:
    """How many pairs of operations two lines run in different sequence on their machine."""
    rank = np.empty((2, len(first)), np.int64)
    rank[0, first] = rank[1, second] = np.arange(len(first))
    different = 0
    for m in range(shop.machines):
        a, b = rank[:, shop.machine == m]
        different += int(np.sum((a[:, None] < a) & (b[:, None] > b)))
    return different


class PathRelinking:
    """One population and its random numbers; `run` continues until told to stop."""

    def __init__(
        self,
        shop: Shop,
        seed: int | np.random.SeedSequence,
        *,
        size: int = 10,
        patience: int = 12_500,
        stop: np.ndarray | None = None,
    ) -> None:
        """`size` schedules; a tabu search ends `patience` iterations after its last success."""
        for_tabu, for_choices = seed_sequence(seed).spawn(2)
        self.shop, self.size, self.patience = shop, size, patience
        self.tabu = Tabu(shop, for_tabu)
        self.random = np.random.Generator(np.random.PCG64(for_choices))
        self.stop = np.zeros(1, np.uint8) if stop is None else stop
        self.spent = 0
        self.members: list[tuple[int, Ints]] = []

    def run(
        self,
        report: Report,
        *,
        iterations: int | None = None,
        target: int = 0,
        first: Ints | None = None,
    ) -> None:
        """Search, and call `report(makespan, line)` after every tabu search or leg of it.

        Ends when `stop[0]` is set, after `iterations` tabu iterations, or at a makespan of
        `target`; a next call continues. `first` becomes a member of the population, if that is
        not yet full. With the same seed and `iterations` the calls are the same.
        """
        limit = self.spent + iterations if iterations is not None else 1 << 62
        best = 1 << 62
        fresh = [first] if first is not None else []
        failures = 0
        while best > target and not self.stop[0] and self.spent < limit:
            if failures > 3 * self.size:
                self.members, failures = [], 0
            growing = len(self.members) < self.size
            origin = (fresh.pop() if fresh else self._newcomer()) if growing else self._child()
            value, line = self._improve(origin, report, limit, target)
            best = min(best, value)
            if growing:
                self.members.append((value, line))
            else:
                failures = 0 if self._enter(value, line) else failures + 1

    def _improve(self, line: Ints, report: Report, limit: int, target: int) -> tuple[int, Ints]:
        """Tabu search from `line`; a walk that is still going after a leg reports and goes on."""
        while True:
            leg, before = min(limit - self.spent, LEG), self.tabu.iterations
            value, line = self.tabu.run(
                line, patience=self.patience, limit=leg, target=target, stop=self.stop
            )
            walked = self.tabu.iterations - before
            self.spent += max(walked, 1)  # a walk may have nowhere to go
            report(value, line)
            if walked < leg or self.spent >= limit or value <= target or self.stop[0]:
                return value, line

    def _newcomer(self) -> Ints:
        """A random non-delay schedule near a good rule: far apart, yet not far from useful."""
        rule = ("mwkr", "mopnr", "random")[self.random.integers(3)]
        seed = int(self.random.integers(1 << 62))
        _, start = rollouts(self.shop, 1, seed, rule, noise=0.5, stop=self.stop)
        return order_of(self.shop, start)

    def _child(self) -> Ints:
        a, b = self.random.choice(len(self.members), 2, replace=False)
        weight = self.random.uniform(0.3, 0.7)
        return between(self.members[a][1], self.members[b][1], weight)

    def _enter(self, value: int, line: Ints) -> bool:
        """Replace the worst member if the newcomer is better and differs from all others."""
        worst = max(range(len(self.members)), key=lambda k: self.members[k][0])
        if value >= self.members[worst][0]:
            return False
        near = self.shop.operations // 50
        for other, twin in self.members:
            if other == value and distance(self.shop, line, twin) <= near:
                return False
        self.members[worst] = (value, line)
        return True
