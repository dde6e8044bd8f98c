"""User-job fair sharing as a fluid, played from event to event with exact fractions.

Every user who has work gets an equal share of the cores, every job of a user an equal share of
that. It knows nothing of virtual times or deadlines.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Arrival(NamedTuple):
    time: int
    user: str
    work: int


def finishes(arrivals: list[Arrival], cores: int) -> list[Fraction]:
    """When each job is done."""
    order = sorted(range(len(arrivals)), key=lambda i: arrivals[i].time)
    left: dict[int, Fraction] = {}
    ends = [Fraction(0)] * len(arrivals)
    now = Fraction(0)
    while order or left:
        users = [arrivals[i].user for i in left]
        share = {i: Fraction(cores, len({*users}) * users.count(arrivals[i].user)) for i in left}
        until = min((now + left[i] / share[i] for i in left), default=None)
        if order and (until is None or arrivals[order[0]].time <= until):
            until = Fraction(max(now, arrivals[order[0]].time))
        assert until is not None
        for i in left:
            left[i] -= (until - now) * share[i]
        now = until
        for i in [i for i in left if left[i] == 0]:
            ends[i] = now
            del left[i]
        while order and arrivals[order[0]].time <= now:
            i = order.pop(0)
            left[i] = Fraction(arrivals[i].work)
    return ends
