"""The queue of waiting pods: by priority, with back-off, and woken by what changes."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Literal

from hocket.cluster.model.pods import Pod
from hocket.core.kernel import Event, Kernel, Phase

FIRST_BACKOFF = 1
LONGEST_BACKOFF = 10
"""Seconds."""

Spot = Literal["", "active", "aside", "backing off", "making room"]


class Entry:
    """A pod in the simulation.

    - `order`: which of all it was to come, or to come again
    - `since`: since when it has waited, or run; `ran`: how long it ran on nodes that it has left
    - `node`: the number of its node, -1 without one; `here`, `ended`: has come; is over
    - `tries`: in how many tries in a row no place was found
    - `spot`: where it waits; empty while it runs. Gated pods are nowhere in the queue
    - `victims`: how many pods must still leave before it is tried again
    """

    __slots__ = (
        "end",
        "ended",
        "here",
        "leave",
        "leaving",
        "node",
        "order",
        "pod",
        "ran",
        "ready",
        "reason",
        "since",
        "spot",
        "tries",
        "victims",
    )

    def __init__(self, pod: Pod) -> None:
        """A pod that has not come yet."""
        self.pod = pod
        self.order = self.since = self.ran = self.ready = self.tries = self.victims = 0
        self.node = -1
        self.here = self.ended = self.leaving = False
        self.spot: Spot = ""
        self.reason = ""
        self.end: Event | None = None
        self.leave: Event | None = None

    @property
    def waiting(self) -> bool:
        """Whether it has come and is on no node."""
        return self.here and not self.ended and self.node < 0

    @property
    def rank(self) -> tuple[int, int, int]:
        """Pods of lower rank are tried first."""
        return -self.pod.priority, self.since, self.order


class Queue:
    """Waiting pods: those to be tried now, and those set aside until something changes."""

    def __init__(self, kernel: Kernel, second: Callable[[int], int], wake: Callable[[], None]):
        """`second` turns seconds into ticks; `wake` is called when a pod is to be tried."""
        self._kernel, self._ticks, self._wake = kernel, second, wake
        self._active: list[tuple[tuple[int, int, int], Entry]] = []
        self._aside: dict[str, Entry] = {}
        self._curious: dict[str, Entry] = {}  # of those aside, whose terms a bind may have met

    def add(self, entry: Entry) -> None:
        """Try a pod as soon as it is its turn."""
        entry.spot = "active"
        heappush(self._active, (entry.rank, entry))
        self._wake()

    def pop(self) -> Entry | None:
        """The next pod to be tried, None if there is none."""
        while self._active:
            rank, entry = heappop(self._active)
            if entry.spot == "active" and entry.rank == rank:
                return entry
        return None

    def set_aside(self, entry: Entry) -> None:
        """A pod found no place: it waits for a change, and for its back-off."""
        backoff = min(FIRST_BACKOFF << min(entry.tries, 10), LONGEST_BACKOFF)
        entry.tries += 1
        entry.ready = self._kernel.now + self._ticks(backoff)
        entry.spot = "aside"
        self._aside[entry.pod.key] = entry
        if entry.pod.near or entry.pod.spread:
            self._curious[entry.pod.key] = entry

    def remove(self, entry: Entry) -> None:
        """A pod waits no more."""
        self._aside.pop(entry.pod.key, None)
        self._curious.pop(entry.pod.key, None)
        entry.spot = ""

    def room_made(self) -> None:
        """A pod has left a node."""
        for entry in self._aside.values():
            self._try_again(entry)
        self._aside.clear()
        self._curious.clear()

    def bound(self) -> None:
        """A pod was bound."""
        for key, entry in self._curious.items():
            del self._aside[key]
            self._try_again(entry)
        self._curious.clear()

    def _try_again(self, entry: Entry) -> None:
        if entry.ready <= self._kernel.now:
            self.add(entry)
        else:
            entry.spot = "backing off"
            self._kernel.at(entry.ready, self._backed_off, entry, entry.rank, phase=Phase.WAKE)

    def _backed_off(self, entry: Entry, rank: tuple[int, int, int]) -> None:
        if entry.spot == "backing off" and entry.rank == rank:
            self.add(entry)
