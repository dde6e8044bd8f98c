"""A small learned policy over the shop, and ways in which one can go wrong. Workers import it."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import numpy as np

from hocket.core.errors import NotApplicable
from hocket.core.streams import Streams
from hocket.learn.asking import Choose, Episode, Learned, Question
from hocket.learn.batch import question
from hocket.shop.dispatch import ShopView, Start
from hocket.shop.generate.taillard import Taillard


class Dispatching(Learned, frozen=True):
    """Chooses among the candidates by their durations and remaining work."""

    name: ClassVar[str] = "shop/dispatching"
    problems: ClassVar[tuple[str, ...]] = ("shop/job-shop",)
    free: ClassVar[tuple[str, ...]] = ("weights", "greed")
    width: int = 8
    greed: float = 1.0

    def decider(self, scenario: Any, streams: Streams, choose: Choose) -> Any:
        return Decider(self, streams.seed, choose)

    def network(self) -> Any:
        from tests.learn.networks import Scorer

        return Scorer(self.width)

    def trainer(self) -> Any:
        from tests.learn.networks import Nudge

        return Nudge()

    def at(self, view: ShopView, seed: int, turn: int) -> Any:
        """Something to do at a decision."""


class Decider:
    def __init__(self, policy: Dispatching, seed: int, choose: Choose) -> None:
        self.policy, self.seed, self.choose = policy, seed, choose
        self.turn = 0

    def dispatch(self, view: ShopView) -> Start:
        self.turn += 1
        self.policy.at(view, self.seed, self.turn)
        op = np.array(view.candidates)
        features = np.stack([view.duration[op], view.remaining_work[op], view.ready[op]], 1) / 100
        batch = question({"operations": features}, "operations")
        return Start(int(op[self.choose(Question(batch, view.now, float(view.now)))]))


class Failing(Dispatching, frozen=True):
    """Fails at the third decision of episodes with one of these seeds."""

    name: ClassVar[str] = "shop/failing"
    seeds: tuple[int, ...] = ()
    how: str = "bug"

    def at(self, view: ShopView, seed: int, turn: int) -> Any:
        if turn == 3 and seed in self.seeds:
            if self.how == "die":
                os._exit(3)
            if self.how == "refuse":
                raise NotApplicable("no such thing")
            raise ValueError("no idea")


def small(jobs: int = 4, machines: int = 3) -> Taillard:
    return Taillard(jobs=jobs, machines=machines)


def episodes(count: int, first: int = 0, **size: int) -> list[Episode]:
    return [Episode(small(**size).make(first + i), first + i) for i in range(count)]
