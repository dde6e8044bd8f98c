"""Few waves of steps from the present to a target, found without looking back.

Pods whose budgets let all of them go at once are evicted at once. A pod whose budgets are tight is
only evicted in a wave that also brings it back, together with those that have to leave its new node
for that. Where pods of one budget wait for each other's nodes, one of them waits on a third node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hocket.cluster.model.pods import Pod
from hocket.cluster.packing.ground import Done, Ground

_DETOURS = 16
"""On how many third nodes a pod is tried."""


class Change(NamedTuple):
    """What becomes of a pod: it runs on node `goal` in the end, or nowhere if that is None."""

    pod: Pod
    goal: int | None


class Wave(NamedTuple):
    """Pods evicted at once, and the binds that follow when they are gone, in order."""

    evicts: tuple[str, ...]
    binds: tuple[tuple[str, int], ...]


class Waves:
    """The search; `run` takes the steps on the ground and says whether all changes are made."""

    def __init__(
        self, ground: Ground, changes: tuple[Change, ...], stop: Callable[[], bool] | None = None
    ) -> None:
        """Changes are tried in their order."""
        self.ground = ground
        self.changes = changes
        self.stop = stop
        self.hopped: set[str] = set()
        self.left: list[int] = []  # how many pods of each budget may yet go down in this wave

    def run(self) -> bool:
        """Take waves until no change is open, or none of those open can be made."""
        while any(open_changes(self.ground, self.changes)):
            if self.stop is not None and self.stop():
                return False
            if not self.wave() and not self._hop():
                return False
        return True

    def wave(self) -> bool:
        """Take the steps of one wave; whether there were any."""
        ground = self.ground
        start = len(ground.done)
        self.left = ground.spare()
        self._evict_freely()
        self._bind()
        for change in self._leaving():
            if change.goal is not None:
                self._bring(change)
        self._dismiss(first=len(ground.done) == start)
        evicted = [step.pod for step in ground.done[start:] if step.act == "evict"]
        self._take(start, evicted)
        self._spare(start)
        return len(ground.done) > start

    def _take(self, start: int, evicted: list[str]) -> None:
        """A wave as it is carried out: first all that leave, then all that can be bound."""
        self.ground.back_to(start)
        for key in evicted:
            self.ground.evict(key)
        self._bind()

    def _spare(self, start: int) -> None:
        """Leave those alone for now who would be down after the wave, and make room for nobody."""
        taken = self.ground.done[start:]
        bound = {step.pod for step in taken if step.act == "bind"}
        filled = {step.node for step in taken if step.act == "bind"}
        evicted = [step for step in taken if step.act == "evict"]
        useful = [s.pod for s in evicted if s.pod in bound or s.node in filled]
        if not bound or len(useful) == len(evicted):
            return
        self._take(start, useful)
        if sum(step.act == "bind" for step in self.ground.done[start:]) < len(bound):
            self._take(start, [step.pod for step in evicted])

    def _dismiss(self, *, first: bool) -> None:
        """Evict pods for good, after those that move have had what their budgets allow.

        If they come `first` there is nothing else to do, and all that may go do.
        """
        leaving = self._leaving()
        still = {b for change in leaving if change.goal is not None for b in self._of(change)}
        for change in leaving:
            if change.goal is None and (first or not still.intersection(self._of(change))):
                self._evict(change)

    def _of(self, change: Change) -> tuple[int, ...]:
        return self.ground.covering(change.pod.key)

    def _leaving(self) -> list[Change]:
        """Changes of pods that are still on another node than the one they shall run on."""
        where = self.ground.state.where
        return [c for c in open_changes(self.ground, self.changes) if c.pod.key in where]

    def _evict_freely(self) -> None:
        """Evict all pods whose budgets bear that all of them are down."""
        leaving = self._leaving()
        asked = Counter(b for change in leaving for b in self._of(change))
        spare = self.ground.spare()
        for change in leaving:
            if all(asked[b] <= spare[b] for b in self._of(change)):
                self._evict(change)

    def _evict(self, change: Change) -> bool:
        covering = self._of(change)
        if any(self.left[b] <= 0 for b in covering):
            return False
        self.ground.evict(change.pod.key)
        for b in covering:
            self.left[b] -= 1
        return True

    def _bind(self) -> None:
        """Bind every pod that is down and can be, again and again while that helps others."""
        waiting = [
            change
            for change in open_changes(self.ground, self.changes)
            if change.goal is not None and change.pod.key not in self.ground.state.where
        ]
        # On shared GPUs large pieces go first, as those that come late find only crumbs.
        waiting.sort(key=lambda change: -change.pod.gpus * change.pod.gpu_milli)
        bound = True
        while bound and waiting:
            later = [change for change in waiting if not self._bind_one(change)]
            bound = len(later) < len(waiting)
            waiting = later

    def _bind_one(self, change: Change) -> bool:
        assert change.goal is not None
        if not self.ground.may_bind(change.pod.key, change.goal):
            return False
        self.ground.bind(change.pod.key, change.goal)
        return True

    def _bring(self, change: Change) -> None:
        """Evict a pod and bind it to its goal in this wave, with all that takes; or do nothing."""
        mark, left = len(self.ground.done), list(self.left)
        here = self.ground.state.where.get(change.pod.key)
        # It may be down, or have been brought already as one that was in another's way.
        if here in (None, change.goal) or not self._evict(change):
            return
        waiting = [change]
        while waiting:
            later = [other for other in waiting if not self._bind_one(other)]
            if len(later) < len(waiting):
                waiting = later
                continue
            blocking = next(self._blocking(waiting), None)
            if blocking is None:
                self.ground.back_to(mark)
                self.left = left
                return
            self._evict(blocking)
            if blocking.goal is not None:
                waiting.append(blocking)

    def _blocking(self, waiting: list[Change]) -> Iterator[Change]:
        """Pods that may leave the nodes that others wait for; first those that fit elsewhere."""
        goals = {change.goal for change in waiting}
        state = self.ground.state
        able = [
            change
            for change in self._leaving()
            if state.where[change.pod.key] in goals
            and all(self.left[b] > 0 for b in self._of(change))
        ]
        for change in able:
            if change.goal is not None and self.ground.may_bind(change.pod.key, change.goal):
                yield change
        yield from able

    def _hop(self) -> bool:
        """Move a pod to a third node for the time being, if that gets others on; whether it did."""
        ground = self.ground
        for change in self._leaving():
            key = change.pod.key
            if change.goal is None or key in self.hopped or not ground.may_evict(key):
                continue
            start = len(ground.done)
            source = ground.state.where[key]
            ground.evict(key)
            third = [node for node in ground.able(key) if node not in (source, change.goal)]
            for node in third[:_DETOURS]:
                ground.bind(key, node)
                self.hopped.add(key)
                mark = len(ground.done)
                if self.wave() and any(step.pod != key for step in ground.done[mark:]):
                    return True
                ground.back_to(start + 1)
                self.hopped.discard(key)
            ground.back_to(start)
        return False


def open_changes(ground: Ground, changes: tuple[Change, ...]) -> Iterator[Change]:
    """The changes that are not made yet."""
    where = ground.state.where
    return (change for change in changes if where.get(change.pod.key) != change.goal)


def as_waves(steps: list[Done]) -> list[Wave]:
    """Steps in as few waves as their order allows."""
    waves: list[Wave] = []
    evicts: list[str] = []
    binds: list[tuple[str, int]] = []
    for step in steps:
        if step.act == "bind":
            binds.append((step.pod, step.node))
            continue
        if binds:
            waves.append(Wave(tuple(evicts), tuple(binds)))
            evicts, binds = [], []
        evicts.append(step.pod)
    if evicts or binds:
        waves.append(Wave(tuple(evicts), tuple(binds)))
    return waves
