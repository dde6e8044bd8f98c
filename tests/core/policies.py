"""Policies that misbehave, for the tests of studies and pools; worker processes import them."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.shop.dispatch import ShopView, Start


class Taking(Policy, frozen=True):
    """Takes the first candidate, unless it is `at` this decision: then it misbehaves.

    `seeds` limits the misbehaviour to runs with these seeds.
    """

    name: ClassVar[str] = "test/taking"
    problems: ClassVar[tuple[str, ...]] = ("shop/job-shop",)
    at: int = 5
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4, 5)

    def begin(self, scenario: Any, streams: Streams) -> Any:
        return _Decider(self, streams.seed)

    def misbehave(self) -> Start | None:
        return Start(0)


class _Decider:
    def __init__(self, policy: Taking, seed: int) -> None:
        self.policy, self.seed, self.turn = policy, seed, 0

    def dispatch(self, view: ShopView) -> Start | None:
        self.turn += 1
        if self.seed in self.policy.seeds and self.turn >= self.policy.at:
            return self.policy.misbehave()
        return Start(view.candidates[0])


class Raising(Taking, frozen=True):
    """Fails."""

    name: ClassVar[str] = "test/raising"

    def misbehave(self) -> Start:
        raise RuntimeError("no idea")


class Waiting(Taking, frozen=True):
    """Waits for ever."""

    name: ClassVar[str] = "test/waiting"

    def misbehave(self) -> None:
        return None


class Dying(Taking, frozen=True):
    """Ends its process, as the kernel does when memory is out."""

    name: ClassVar[str] = "test/dying"

    def misbehave(self) -> Start:
        os._exit(3)
