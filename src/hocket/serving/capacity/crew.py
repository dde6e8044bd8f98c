"""Tasks of a search, done here or by several processes, until time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from hocket.core.pool import Task, spread
from hocket.core.solution import OnImprovement, Step
from hocket.serving.capacity.probe import Clock, Ended

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH = 20_000
"""Processes take a second to start: fewer requests than this are simulated without them."""


class Crew(msgspec.Struct, frozen=True):
    """Who works on a search, and until when."""

    workers: int
    on: str
    clock: Clock

    def results(
        self,
        task: Task[Item, Result],
        shared: Any,
        items: Sequence[Item],
        requests: int,
        lost: Callable[[str], Result],
    ) -> Iterator[tuple[int, Result]]:
        """Results with the places of their items, in order of completion.

        Each item is about `requests` requests to simulate. Tasks watch the clock themselves, and
        still say what they found when time is over; only `stop`, which other processes cannot ask,
        ends it at once.
        """
        worth = self.on != "local" or requests * len(items) >= WORTH
        workers = self.workers if worth else 1
        for found in spread(task, shared, items, workers=workers, on=self.on, lost=lost):
            yield found
            if workers > 1 and self.clock.stop is not None and self.clock.stop():
                return

    def over(self) -> bool:
        """Whether it is time to end."""
        try:
            self.clock.check()
        except Ended:
            return True
        return False


class Journal:
    """The improvements of a search."""

    def __init__(self, progress: OnImprovement | None) -> None:
        self.begun = time.perf_counter()
        self.progress = progress
        self.log: list[Step] = []

    @property
    def seconds(self) -> float:
        """Since the search began."""
        return time.perf_counter() - self.begun

    def note(self, value: float | None, bound: float | None) -> None:
        """Tell of value and bound, if either is new."""
        last = self.log[-1] if self.log else None
        if last is not None and (last.value, last.bound) == (value, bound):
            return
        if last is None and value is None and bound is None:
            return
        self.log.append(Step(self.seconds, value, bound))
        if self.progress is not None:
            self.progress(self.seconds, value, bound)
