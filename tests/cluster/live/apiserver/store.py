"""Objects with one counter of versions for all, and the log of changes that watches read."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from typing import Literal, NamedTuple

from tests.cluster.live.apiserver.errors import Json, expired

Key = tuple[str, str]
"""Namespace (empty for objects of the cluster) and name."""


class Change(NamedTuple):
    """What happened to an object. `before` is what it was; empty if it is new."""

    version: int
    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: Json
    before: Json


class Store:
    """All objects, by the plural name of their kind. Stored objects are never changed in place.

    `lock` is held for reading and writing; it is notified at every change.
    """

    def __init__(self) -> None:
        self.lock = threading.Condition(threading.RLock())
        self.version = 1
        self.compacted = 0
        self._objects: dict[str, dict[Key, Json]] = defaultdict(dict)
        self._log: dict[str, list[Change]] = defaultdict(list)
        self._pages: dict[tuple[str, int], list[tuple[Key, Json]]] = {}

    def get(self, kind: str, key: Key) -> Json | None:
        with self.lock:
            return self._objects[kind].get(key)

    def all(self, kind: str, namespace: str = "") -> list[Json]:
        """All objects of a kind, in the order of namespace and name."""
        with self.lock:
            found = sorted(self._objects[kind].items())
        return [obj for key, obj in found if not namespace or key[0] == namespace]

    def put(self, kind: str, key: Key, obj: Json) -> Json:
        """Write an object under a new version; what is stored."""
        with self.lock:
            self.version += 1
            meta = {**obj["metadata"], "resourceVersion": str(self.version)}
            stored = {**obj, "metadata": meta}
            before = self._objects[kind].get(key)
            self._objects[kind][key] = stored
            if before is None:
                self._note(kind, Change(self.version, "ADDED", stored, {}))
            else:
                self._note(kind, Change(self.version, "MODIFIED", stored, before))
            return stored

    def remove(self, kind: str, key: Key) -> Json:
        """Delete an object for good; what it was last, under the version of its end."""
        with self.lock:
            self.version += 1
            before = self._objects[kind].pop(key)
            meta = {**before["metadata"], "resourceVersion": str(self.version)}
            last = {**before, "metadata": meta}
            self._note(kind, Change(self.version, "DELETED", last, before))
            return last

    def since(self, kind: str, version: int) -> list[Change]:
        """Every change of a kind after a version; 410 if it was compacted away."""
        with self.lock:
            if version < self.compacted:
                why = f"too old resource version: {version} ({self.compacted})"
                raise expired(why)
            log = self._log[kind]
            return log[bisect_right(log, version, key=lambda change: change.version) :]

    def wait(self, done: Callable[[], bool], timeout: float | None) -> bool:
        """Until `done` says so, looked at after every change; False if the time is over."""
        with self.lock:
            return self.lock.wait_for(done, timeout)

    def page(self, kind: str, version: int) -> list[tuple[Key, Json]]:
        """All objects of a kind as they were at a version that was kept for paging."""
        with self.lock:
            kept = self._pages.get((kind, version))
            if kept is None:
                why = "The provided continue parameter is too old to display a consistent list"
                raise expired(f"{why} result. You can start a new list without it.")
            return kept

    def keep(self, kind: str) -> int:
        """Keep the present list of a kind for paging; its version."""
        with self.lock:
            self._pages[kind, self.version] = sorted(self._objects[kind].items())
            return self.version

    def compact(self) -> int:
        """Forget all changes up to now: a watch from before gets 410, so do old pages."""
        with self.lock:
            self.version += 1
            self.compacted = self.version
            self._log.clear()
            self._pages.clear()
            self.lock.notify_all()
            return self.version

    def _note(self, kind: str, change: Change) -> None:
        self._log[kind].append(change)
        self.lock.notify_all()
