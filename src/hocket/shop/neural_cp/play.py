"""The agent at work: schedules by a network's scores, one for each of several draws.

At each moment the agent draws an order of *all* legal actions, without replacement from the
softmax of its scores, and the environment carries them out until the clock moves. So the network is
asked once per moment, not once per operation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from hocket.learn.asking import Choose, Question
from hocket.shop.neural_cp.environment import Bools, Environment
from hocket.shop.neural_cp.forward import Weights, logits
from hocket.shop.neural_cp.observation import Floats, observe
from hocket.shop.neural_cp.questions import to_batch
from hocket.shop.search.instance import Ints, Shop

LARGEST = 2**14
"""Jobs of all lanes together that are played at once: it bounds the memory."""


class Schedules(NamedTuple):
    """`start`: int64 (L, N), start times; `makespans`: int64 (L,)."""

    start: Ints
    makespans: Ints

    def best(self) -> Ints:
        """The start times of the first schedule with the smallest makespan, int64 (N,)."""
        found: Ints = self.start[int(self.makespans.argmin())]
        return found


def temperatures(samples: int) -> Floats:
    """The softmax temperatures of the paper's samples: from 0.5 in equal steps, below 2."""
    steps: Floats = (0.5 + 1.5 / samples * np.arange(samples)).astype(np.float32)
    return steps


def greedy(shop: Shop, weights: Weights) -> Schedules:
    """One schedule: at each moment the actions in the order of their scores."""
    world = Environment(shop)
    while not world.finished.all():
        seen = observe(world)
        world.act(_ranks(logits(weights, seen), seen.legal))
    return Schedules(world.start, world.makespans())


def sample(shop: Shop, weights: Weights, samples: int, rng: np.random.Generator) -> Schedules:
    """As many schedules, drawn at the temperatures of `temperatures`.

    Adding Gumbel noise to scores and sorting draws without replacement from their softmax.
    """
    lanes = max(LARGEST // max(shop.jobs, 1), 1)
    heat = temperatures(samples)
    parts = [_sample(shop, weights, heat[i : i + lanes], rng) for i in range(0, samples, lanes)]
    return Schedules(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _sample(shop: Shop, weights: Weights, heat: Floats, rng: np.random.Generator) -> Schedules:
    world = Environment(shop, len(heat))
    while not world.finished.all():
        seen = observe(world)
        scores = logits(weights, seen) / heat[:, None]
        scores += rng.gumbel(size=scores.shape).astype(np.float32)
        world.act(_ranks(scores, seen.legal))
    return Schedules(world.start, world.makespans())


def _ranks(scores: Floats, legal: Bools) -> Ints:
    """The place of each legal action when sorted by score, the highest first; -1 if illegal."""
    order = np.argsort(np.where(legal, -scores, np.inf), axis=1, kind="stable")
    ranks = np.empty(order.shape, np.int64)
    np.put_along_axis(ranks, order, np.arange(order.shape[1])[None], axis=1)
    return np.where(legal, ranks, -1)


def ask(shop: Shop, choose: Choose) -> Ints:
    """A schedule, every drawn action put as a question: start times int64 (N,)."""
    drawing = Drawing(shop)
    while not drawing.world.finished[0]:
        batch = to_batch(drawing.seen, drawing.left)
        action = choose(Question(batch, time=int(drawing.world.now[0])))
        drawing.draw(np.array([action]))
    found: Ints = drawing.world.start[0]
    return found


class Drawing:
    """Lanes of one shop on which single actions are drawn, one after the other.

    The draws of one moment go by the same observation; a moment is over when its clock has moved or
    nothing is left to draw. Lanes are not in step.

    - `seen`: what is seen in each lane, as it was when its present moment began
    - `left`: bool (L, J + 1), what can still be drawn; nothing where a lane has finished
    - `fresh`: bool (L,), whether the last draw has ended a moment and another has begun
    """

    def __init__(self, shop: Shop, lanes: int = 1) -> None:
        self.world = Environment(shop, lanes)
        self.seen = observe(self.world)
        self.left = self.seen.legal.copy()
        self.fresh = ~self.world.finished
        self._moment = self.world.now.copy()

    def draw(self, actions: Ints) -> None:
        """Carry out one action in each lane, int64 (L,), or none where it is -1."""
        chosen = np.arange(self.left.shape[1]) == actions[:, None]
        self.world.act(np.where(chosen, 0, -1))
        self.left &= self.world.legal() & ~chosen
        over = (self.world.now != self._moment) | ~self.left.any(axis=1)
        self.fresh = over & (actions >= 0) & ~self.world.finished
        if over.any():
            new = observe(self.world)
            parts: Iterable[tuple[Any, Any]] = zip(self.seen, new, strict=True)
            for mine, theirs in parts:
                mine[over] = theirs[over]
            self.left[over] = new.legal[over]
            self._moment[over] = self.world.now[over]
