"""What the workers of one solve share: the best schedule, the best bound, and when to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hocket.shop.search.instance import Ints

Progress = Callable[[float, int, int], None]


@dataclass(frozen=True)
class Entry:
    """One improvement: after how many seconds, to which makespan and bound, found by whom."""

    seconds: float
    makespan: int
    bound: int
    source: str


class Incumbent:
    """The best schedule and bound so far; safe to use from several threads.

    `stop` is a ``uint8[1]`` that compiled loops read; it is set once the bound meets the makespan,
    or by `halt`. Improvements wait in a queue until `publish` hands them to the caller's progress
    function, so that this function always runs in the caller's own thread.
    """

    def __init__(self, order: Ints, makespan: int, bound: int, source: str) -> None:
        """Begins with a first schedule (a line of operations) and a proven bound."""
        self.order, self.makespan, self.bound = order, makespan, bound
        self.stop = np.zeros(1, np.uint8)
        self.log: list[Entry] = []
        self._began = time.perf_counter()
        self._published = 0
        self._lock = threading.Lock()
        with self._lock:
            self._note(source)

    @property
    def seconds(self) -> float:
        """Seconds on the solve's clock."""
        return time.perf_counter() - self._began

    @property
    def stopped(self) -> bool:
        """Whether the workers are to end."""
        return bool(self.stop[0])

    @property
    def proven(self) -> bool:
        """Whether the bound shows that the schedule is optimal."""
        return self.bound >= self.makespan

    def restart_clock(self) -> None:
        """Begin to count seconds from now, whatever was spent on compiling before."""
        self._began = time.perf_counter()

    def halt(self) -> None:
        """Tell the workers to end."""
        self.stop[0] = 1

    def offer(self, makespan: int, order: Ints, source: str) -> bool:
        """Keep a schedule if it is the best so far; says whether it is."""
        with self._lock:
            if makespan >= self.makespan:
                return False
            self.makespan, self.order = makespan, np.array(order, np.int64)
            self._note(source)
            return True

    def raise_bound(self, bound: int, source: str) -> bool:
        """Keep a proven lower bound if it is the best so far; says whether it is."""
        with self._lock:
            if bound <= self.bound:
                return False
            self.bound = min(bound, self.makespan)
            self._note(source)
            return True

    def snapshot(self) -> tuple[int, Ints]:
        """The best makespan and its line, taken together."""
        with self._lock:
            return self.makespan, self.order

    def publish(self, progress: Progress | None) -> None:
        """Report every improvement since the last call to `progress(seconds, makespan, bound)`."""
        with self._lock:
            fresh, self._published = self.log[self._published :], len(self.log)
        if progress is not None:
            for entry in fresh:
                progress(entry.seconds, entry.makespan, entry.bound)

    def _note(self, source: str) -> None:
        self.log.append(Entry(self.seconds, self.makespan, self.bound, source))
        if self.proven:
            self.stop[0] = 1
