"""Priority rules in the same environment, for comparison: as they are, and randomised.

Whoever is legal at a moment competes with the rivals for its machine only, so one order of all
jobs carries out a rule's choice on every machine at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hocket.shop.neural_cp.environment import NEVER, Bools, Environment
from hocket.shop.neural_cp.play import Schedules
from hocket.shop.search.instance import Ints, Shop

Key = Callable[[Environment], Ints]


def _remaining_work(world: Environment) -> Ints:
    """Work of each job from its next operation on, int64 (L, J)."""
    total = np.append(0, np.cumsum(world.shop.duration))
    work: Ints = total[world.first[1:]] - total[world.first[:-1] + world.done]
    return work


RULES: dict[str, Key] = {
    "SPT": lambda world: world.duration[world.next],
    "MWR": lambda world: -_remaining_work(world),
    "MOR": lambda world: world.done - world.length,
    "FIFO": lambda world: world.ready,
}
"""Shortest processing time, most work remaining, most operations remaining, first in first out: the
job with the smallest value goes first, of equals the first."""


def by_rule(shop: Shop, rule: str) -> Schedules:
    """The schedule of a rule, one lane. No-Op is never used."""
    world = Environment(shop)
    while not world.finished.all():
        world.act(_ranks(RULES[rule](world), world.legal()[:, :-1]))
    return Schedules(world.start, world.makespans())


def randomised(shop: Shop, rule: str, samples: int, rng: np.random.Generator) -> Schedules:
    """As many schedules of a rule that is not always obeyed.

    Of the rivals for a machine, each is half as likely to go first as the one before it in the
    rule's order.
    """
    world = Environment(shop, samples)
    while not world.finished.all():
        legal = world.legal()[:, :-1]
        place = _place_among_rivals(RULES[rule](world), world.next_machine, legal)
        noise = rng.gumbel(size=place.shape)
        world.act(_ranks(place * np.log(2) - noise, legal))
    return Schedules(world.start, world.makespans())


def _place_among_rivals(key: Ints, machine: Ints, legal: Bools) -> Ints:
    """How many legal rivals for the same machine come before each job: int64 (L, J)."""
    lane = np.broadcast_to(np.arange(len(key))[:, None], key.shape)
    group = np.where(legal, lane * (machine.max(initial=0) + 1) + machine, NEVER).ravel()
    order = np.lexsort((key.ravel(), group))
    begins = np.searchsorted(group[order], group[order])
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - begins
    return place.reshape(key.shape)


def _ranks(score: np.ndarray[tuple[int, ...], np.dtype[np.generic]], legal: Bools) -> Ints:
    """The place of each legal job when sorted by score, the smallest first; No-Op has none."""
    order = np.argsort(score, axis=1, kind="stable")
    ranks = np.empty(order.shape, np.int64)
    np.put_along_axis(ranks, order, np.arange(order.shape[1])[None], axis=1)
    ranks = np.where(legal, ranks, -1)
    return np.pad(ranks, ((0, 0), (0, 1)), constant_values=-1)
