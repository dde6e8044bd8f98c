"""What a policy sees of a running simulation, worked out when it looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.roles.pods import View
from hocket.cluster.simulate.pods_queue import Entry
from hocket.cluster.state import State


class LiveView(View):
    """A View whose lists are made anew only after a change, and only when they are asked for."""

    __slots__ = ("_entries", "_failed", "_leaving", "_leaving_now", "_waiting")

    def __init__(self, scenario: Pods, state: State, entries: Mapping[str, Entry]) -> None:
        """A view of `entries`, those of pods that have come and wait."""
        self._entries = entries
        self._leaving_now: dict[str, None] = {}
        self.stale()
        super().__init__(scenario, state)

    def stale(self) -> None:
        """Something has changed: work everything out again."""
        self._waiting: tuple[Pod, ...] | None = None
        self._failed: tuple[Pod, ...] | None = None
        self._leaving: frozenset[str] | None = None

    def leaves(self, key: str) -> None:
        """A pod begins to leave its node."""
        self._leaving_now[key] = None
        self.stale()

    def left(self, key: str) -> None:
        """A pod is on its node no more."""
        self._leaving_now.pop(key, None)
        self.started.pop(key, None)
        self.stale()

    @property
    def waiting(self) -> tuple[Pod, ...]:
        """See View."""
        if self._waiting is None:
            self._waiting = _sorted(self._entries.values())
        return self._waiting

    @waiting.setter
    def waiting(self, pods: tuple[Pod, ...]) -> None:
        self._waiting = None

    @property
    def failed(self) -> tuple[Pod, ...]:
        """See View."""
        if self._failed is None:
            self._failed = _sorted(entry for entry in self._entries.values() if has_failed(entry))
        return self._failed

    @failed.setter
    def failed(self, pods: tuple[Pod, ...]) -> None:
        self._failed = None

    @property
    def leaving(self) -> frozenset[str]:
        """See View."""
        if self._leaving is None:
            self._leaving = frozenset(self._leaving_now)
        return self._leaving

    @leaving.setter
    def leaving(self, keys: frozenset[str]) -> None:
        self._leaving = None


def has_failed(entry: Entry) -> bool:
    """Whether a waiting pod was tried since it came, in vain."""
    return entry.tries > 0 and entry.spot in ("aside", "backing off")


def _sorted(entries: Iterable[Entry]) -> tuple[Pod, ...]:
    return tuple(entry.pod for entry in sorted(entries, key=lambda entry: entry.rank))
