"""How jobs come: known releases, or a stream that a full system blocks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

from hocket.core.kernel import Kernel, Phase
from hocket.core.streams import Streams
from hocket.taskgraph.model.jobs import Listed, Stream
from hocket.taskgraph.model.scenario import TaskGraphs

Admit = Callable[[int], None]
"""Lets a job of this type into the system."""


class Releases:
    """Jobs whose times are known; nothing blocks them."""

    def __init__(self, scenario: TaskGraphs, listed: Listed, kernel: Kernel, admit: Admit) -> None:
        """Schedules all arrivals."""
        index = {kind.name: i for i, kind in enumerate(scenario.types)}
        jobs = [(index[release.type], release.time) for release in listed.jobs]
        jobs = jobs or [(i, 0) for i in range(len(scenario.types))]
        self.left = len(jobs)
        for kind, time in jobs:
            kernel.at(time, self._arrive, admit, kind, phase=Phase.ARRIVE)

    def _arrive(self, admit: Admit, kind: int) -> None:
        self.left -= 1
        admit(kind)

    @property
    def over(self) -> bool:
        """Whether no job will come any more."""
        return self.left == 0

    def departed(self) -> None:
        """A job has left the system."""


class Streaming:
    """Jobs of random types after random gaps, while the system has room.

    Gaps come from the stream ``arrivals``, types from ``types``; so the n-th job that is admitted
    has the same type under every policy.
    """

    def __init__(
        self,
        scenario: TaskGraphs,
        stream: Stream,
        kernel: Kernel,
        streams: Streams,
        admit: Admit,
        blocked: Callable[[], None],
    ) -> None:
        """Fills the system if it is to be filled, and schedules the first attempt."""
        self.stream = stream
        self.kernel = kernel
        self.admit, self.blocked = admit, blocked
        self.gaps, self.types = streams["arrivals"], streams["types"]
        self.shares = list(accumulate(kind.weight for kind in scenario.types))
        self.admitted = 0
        self.inside = 0
        self.waiting = False  # a job stands before the door until there is room
        kernel.at(0, self._begin, phase=Phase.ARRIVE)

    @property
    def over(self) -> bool:
        """Whether no job will come any more."""
        return self.admitted == self.stream.jobs

    def departed(self) -> None:
        """A job has left the system."""
        self.inside -= 1
        if self.waiting:
            self.waiting = False
            self.kernel.after(0, self._attempt, phase=Phase.ARRIVE)

    def _begin(self) -> None:
        if self.stream.prefill and self.stream.capacity is not None:
            while self.inside < self.stream.capacity and not self.over:
                self._let_in()
            self._next(0)
        else:
            self._attempt()

    def _attempt(self) -> None:
        if self.stream.capacity is not None and self.inside >= self.stream.capacity:
            self.blocked()
            if self.stream.when_full == "wait":
                self.waiting = True
            else:
                self._next(1)
            return
        self._let_in()
        self._next(0)

    def _let_in(self) -> None:
        self.admitted += 1
        self.inside += 1
        share = self.types.random() * self.shares[-1]
        self.admit(min(bisect_right(self.shares, share), len(self.shares) - 1))

    def _next(self, more: int) -> None:
        if self.over:
            return
        mean = self.stream.gap
        gap = mean if self.stream.gaps == "constant" else self.gaps.exponential(mean)
        self.kernel.after(int(gap) + more, self._attempt, phase=Phase.ARRIVE)
