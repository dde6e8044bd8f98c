"""How good an assignment is: tier by tier, first how many pods run, then how few are disturbed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hocket.cluster.packing.case import NOWHERE, At, Case
from hocket.cluster.packing.options import Cost
from hocket.cluster.packing.plan import Tier


class Price(NamedTuple):
    """What it costs to evict a running pod for good, and to move it to another node."""

    evict: int
    move: int


ANY = -(2**62)
"""Less than any part of a score."""

PRICES: dict[Cost, Price] = {"evict-first": Price(1, 2), "move-first": Price(2, 1)}
"""The authors' code counts 1 for an eviction and 2 for a move, their paper the other way round."""


class Score(NamedTuple):
    """What an assignment reaches; of two, the larger is better, compared in this order.

    - `asked`: whether the pod that asked runs (always, where none did)
    - `tiers`: for each tier, how many pods of it and of those above run, and minus their disruption
    """

    asked: bool
    tiers: tuple[tuple[int, int], ...]

    @property
    def parts(self) -> tuple[int, ...]:
        """The numbers of all tiers in the order in which they count."""
        return tuple(part for tier in self.tiers for part in tier)


def score(case: Case, at: At) -> Score:
    """The score of an assignment."""
    price, home = PRICES[case.options.cost], case.home
    running = home >= 0
    cost = price.evict * (running & (at < 0)) + price.move * (running & (at >= 0) & (at != home))
    count = len(case.priorities)
    placed = np.bincount(case.tier[at >= 0], minlength=count).cumsum()
    disrupted = np.bincount(case.tier, weights=cost, minlength=count).cumsum()
    asked = case.preemptor == NOWHERE or bool(at[case.preemptor] >= 0)
    tiers = zip(placed.tolist(), (-disrupted).astype(int).tolist(), strict=True)
    return Score(asked, tuple(tiers))


class Bounds:
    """What is proved: upper bounds on the parts of a score, given that those before are as good.

    They hold for every plan, that is for every legal assignment that places what it must.
    """

    def __init__(self, case: Case) -> None:
        """Nothing but that no more pods can run than there are, and no less than none disturbed."""
        every = np.bincount(case.tier, minlength=len(case.priorities)).cumsum().tolist()
        self.known: list[tuple[int, int, tuple[int, ...]]] = []
        for t, pods in enumerate(every):
            self.prove(2 * t, pods, ())
            self.prove(2 * t + 1, 0, ())
        self.hopeless = False
        """Whether it is proved that no plan places what it must, so that there is none."""

    def prove(self, part: int, most: int, given: tuple[int, ...]) -> None:
        """Part number `part` is at most `most` if the parts before are at least those `given`."""
        self.known.append((part, most, given))

    def most(self, part: int, reached: tuple[int, ...]) -> int:
        """The least bound that holds for a part, where the parts before are as reached."""
        return min(
            most
            for p, most, given in self.known
            if p == part and all(a >= b for a, b in zip(reached, given, strict=False))
        )

    def proves(self, reached: Score) -> bool:
        """Whether no score is better than this one."""
        if self.hopeless:
            return True
        for part, value in enumerate(reached.parts):
            most = self.most(part, reached.parts)
            if most != value:
                return most < value  # then all that may be better so far is worse here
        return True


def tiers(case: Case, reached: Score, bounds: Bounds) -> tuple[Tier, ...]:
    """The account of what is reached and proved.

    Where nothing is better than what is reached, no tier can be, given those above.
    """
    proved = bounds.proves(reached)
    most = reached.parts if proved else _most(bounds, reached)
    pods = np.bincount(case.tier, minlength=len(case.priorities)).cumsum().tolist()
    before = score(case, case.home).tiers
    return tuple(
        Tier(
            priority=priority,
            pods=pods[t],
            before=before[t][0],
            placed=reached.tiers[t][0],
            placed_bound=most[2 * t],
            disruption=-reached.tiers[t][1],
            disruption_bound=-most[2 * t + 1],
        )
        for t, priority in enumerate(case.priorities)
    )


def _most(bounds: Bounds, reached: Score) -> tuple[int, ...]:
    """The bound of every part; never less than what is reached, which may be no plan."""
    parts = reached.parts
    return tuple(max(bounds.most(part, parts), value) for part, value in enumerate(parts))
