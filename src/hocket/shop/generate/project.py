"""Random projects in the style of ProGen.

Kolisch, Sprecher & Drexl, "Characterization and generation of a general class of
resource-constrained project scheduling problems", Management Science 41 (1995). The parameters are
theirs; the order of the random draws is not, so no published instance comes out again.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import numpy as np

from hocket.core.domain import Generator, checked
from hocket.core.errors import InputError, Problem
from hocket.core.streams import Streams
from hocket.shop.model.project import Activity, Lag, Mode, Project, Resource
from hocket.solvers.network import windows
from hocket.solvers.profile import Profile

Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Matrix = np.ndarray[tuple[int, int], np.dtype[np.bool_]]


class ProGen(Generator, frozen=True, kw_only=True):
    """A project with a network and resources of given difficulty.

    - `complexity`: arcs per activity, none of them redundant, counting a source and a sink as
      PSPLIB does (network complexity NC; as near as at most three predecessors and successors per
      activity allow)
    - `factor`, `stock_factor`: the share of the pairs (activity, resource) with a demand (RF)
    - `strength`, `stock_strength`: how much capacity there is, from 0, the least with which the
      project can be done, to 1, enough that the resource never delays anything (RS)
    - with several `modes`, a longer mode never needs more, and less of one resource at least

    The defaults are those of the middle of PSPLIB's set j30.
    """

    name: ClassVar[str] = "project"
    source: ClassVar[str] = "Kolisch, Sprecher & Drexl, Management Science 41 (1995)"

    activities: Positive = 30
    modes: Positive = 1
    renewable: Count = 4
    nonrenewable: Count = 0
    complexity: Annotated[float, msgspec.Meta(ge=1)] = 1.8
    factor: Share = 0.5
    strength: Share = 0.5
    stock_factor: Share = 0.5
    stock_strength: Share = 0.5
    longest: Positive = 10
    largest: Positive = 10
    ends: Positive = 3
    degree: Positive = 3

    def __post_init__(self) -> None:
        checked(self, "shop")
        if self.modes > self.longest:
            told = f"{self.modes} modes of different durations do not fit into 1 to {self.longest}"
            raise InputError("shop/project", [Problem("modes", told)])

    def make(self, seed: int = 0) -> Project:
        """See Generator.make."""
        streams = Streams(seed)
        arcs = self._network(streams["project.network"])
        durations = self._durations(streams["project.durations"])
        names = [f"R{r + 1}" for r in range(self.renewable)]
        stocks = [f"N{r + 1}" for r in range(self.nonrenewable)]
        needs = self._demands(streams["project.renewable"], len(names), self.factor)
        spends = self._demands(streams["project.nonrenewable"], len(stocks), self.stock_factor)
        lags = tuple(Lag(before=str(i + 1), after=str(j + 1)) for i, j in arcs)
        activities = tuple(
            Activity(
                name=str(i + 1),
                modes=tuple(
                    Mode(
                        duration=duration,
                        demands={
                            name: levels[k]
                            for name, levels in zip(
                                [*names, *stocks], [*needs[i], *spends[i]], strict=True
                            )
                            if levels[k]
                        },
                    )
                    for k, duration in enumerate(durations[i])
                ),
            )
            for i in range(self.activities)
        )
        free = Project(activities=activities, lags=lags)
        capacity = [
            Resource(name=name, capacity=_between(*_peaks(free, name), self.strength))
            for name in names
        ]
        stock = [
            Resource(
                name=name,
                capacity=_between(*_totals(free, name), self.stock_strength),
                renewable=False,
            )
            for name in stocks
        ]
        return Project(
            name=f"project-{self.activities}-{seed}",
            activities=activities,
            resources=(*capacity, *stock),
            lags=lags,
        )

    def _network(self, random: np.random.Generator) -> list[tuple[int, int]]:
        """Arcs between activities, lower number to higher, none redundant."""
        count = self.activities
        starts = int(random.integers(1, min(self.ends, count) + 1))
        finishes = int(random.integers(1, min(self.ends, count) + 1))
        net = _Net(count, starts, max(starts, count - finishes), self.degree)
        for j in range(starts, count):
            net.add_some(random, [(i, j) for i in range(j)])
        for i in range(net.last):
            if not net.follows[i].any():
                net.add_some(random, [(i, j) for j in range(i + 1, count)])
        goal = round(self.complexity * (count + 2))
        for number in random.permutation(count * count):
            if net.arcs_with_ends() >= goal:
                break
            net.add_some(random, [divmod(int(number), count)])
        return net.arcs()

    def _durations(self, random: np.random.Generator) -> list[list[int]]:
        """For every activity the durations of its modes, all different, the shortest first."""
        return [
            sorted(int(d) + 1 for d in random.choice(self.longest, size=self.modes, replace=False))
            for _ in range(self.activities)
        ]

    def _demands(
        self, random: np.random.Generator, resources: int, factor: float
    ) -> list[list[list[int]]]:
        """``[activity][resource][mode]``: demands, 0 in all modes where there is none."""
        count = self.activities
        levels = [[[0] * self.modes for _ in range(resources)] for _ in range(count)]
        if not resources:
            return levels
        wanted = round(factor * count * resources)
        # First every activity gets a resource, as far as the share allows, then any pair will do.
        firsts = [(int(i), int(random.integers(resources))) for i in random.permutation(count)]
        others = [(i, r) for i in range(count) for r in range(resources)]
        random.shuffle(others)
        chosen = list(dict.fromkeys([*firsts, *others]))[:wanted]
        decided: set[int] = set()
        for i, r in chosen:
            falls = i not in decided or random.random() < 0.5
            decided.add(i)
            # Falling levels are drawn apart if possible, so that no mode is better in everything.
            size, again = (self.modes, self.modes > self.largest) if falls else (1, True)
            drawn = random.choice(self.largest, size=size, replace=again)
            ordered = sorted((int(d) + 1 for d in drawn), reverse=True)
            levels[i][r] = ordered if falls else ordered * self.modes
        return levels


class _Net:
    """An acyclic network without redundant arcs: what reaches what, and who follows whom."""

    def __init__(self, count: int, first: int, last: int, degree: int) -> None:
        self.first, self.last, self.degree = first, last, degree
        self.follows: _Matrix = np.zeros((count, count), dtype=np.bool_)
        self.reaches: _Matrix = np.eye(count, dtype=np.bool_)

    def add_some(self, random: np.random.Generator, pairs: list[tuple[int, int]]) -> None:
        """Add one of the arcs that are possible, at random; none if none is."""
        for n in random.permutation(len(pairs)):
            i, j = pairs[n]
            if self._possible(i, j):
                self.follows[i, j] = True
                # Whatever reaches i now reaches whatever j reaches.
                self.reaches |= np.outer(self.reaches[:, i], self.reaches[j])
                return

    def _possible(self, i: int, j: int) -> bool:
        """Whether the arc keeps to starts, finishes and degrees and makes no arc redundant."""
        if i >= j or i >= self.last or j < self.first or self.reaches[i, j]:
            return False
        if self.follows[i].sum() >= self.degree or self.follows[:, j].sum() >= self.degree:
            return False
        detours = self.follows[np.ix_(self.reaches[:, i], self.reaches[j])]
        return not detours.any()

    def arcs(self) -> list[tuple[int, int]]:
        """The arcs in order."""
        return [(int(i), int(j)) for i, j in np.argwhere(self.follows)]

    def arcs_with_ends(self) -> int:
        """How many arcs there are with those of a source and a sink."""
        heads = int((~self.follows.any(axis=0)).sum())
        tails = int((~self.follows.any(axis=1)).sum())
        return int(self.follows.sum()) + heads + tails


def _between(least: int, most: int, strength: float) -> int:
    return least + round(strength * (most - least))


def _peaks(project: Project, resource: str) -> tuple[int, int]:
    """The least capacity that allows every activity, and the peak of the earliest schedule.

    For the peak every activity takes the shortest of its modes that need most of the resource.
    """
    least, greedy = 0, []
    for activity in project.activities:
        needs = [mode.demands.get(resource, 0) for mode in activity.modes]
        least = max(least, min(needs))
        greedy.append(needs.index(max(needs)))
    network = project.network().restricted(greedy)
    profile = Profile((0,))
    for start, k, activity in zip(
        windows(network).earliest, greedy, project.activities, strict=True
    ):
        mode = activity.modes[k]
        profile.add(start, mode.duration, (mode.demands.get(resource, 0),))
    return least, max(least, profile.peak()[0])


def _totals(project: Project, resource: str) -> tuple[int, int]:
    """The least and the most that the modes can need of a resource in all."""
    needs = [[mode.demands.get(resource, 0) for mode in a.modes] for a in project.activities]
    return sum(min(n) for n in needs), sum(max(n) for n in needs)


GENERATORS: tuple[type[Generator], ...] = (ProGen,)
