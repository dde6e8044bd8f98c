"""The virtual time of cluster fair queuing (CFQ): the same for all stages, whoever's they are.

Cores are shared equally by the stages in a fluid system, so that virtual time moves at cores /
stages; a stage that comes at V with work L is done there at V + L, and the earliest of these
deadlines goes first. Source: Chen, Wang, Zhang, Li, "Cluster fair queueing: speeding up
data-parallel jobs with delay guarantees", INFOCOM 2017.
"""

from __future__ import annotations

from heapq import heappop, heappush


class FairQueue:
    """The fluid system: `virtual` time at the real time `now`. Units as in VirtualTime."""

    def __init__(self, cores: float) -> None:
        """An empty system at time 0."""
        self.cores = cores
        self.now: float = 0
        self.virtual: float = 0
        self._ends: list[float] = []

    def submit(self, work: float, now: float) -> float:
        """The deadline, in virtual time, of something that comes at `now` with so much work."""
        self.advance(now)
        deadline = self.virtual + work
        heappush(self._ends, deadline)
        return deadline

    def advance(self, now: float) -> None:
        """Let the fluid system run until `now`; a time before the last counts as that one."""
        now = max(now, self.now)
        while self._ends:
            pace = self.cores / len(self._ends)
            reached = self.now + max(self._ends[0] - self.virtual, 0) / pace
            if reached > now:
                self.virtual += (now - self.now) * pace
                break
            self.now, self.virtual = reached, max(heappop(self._ends), self.virtual)
        self.now = now

    def resize(self, cores: float, now: float) -> None:
        """From `now` on there are so many cores."""
        self.advance(now)
        self.cores = cores
