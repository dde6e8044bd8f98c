"""A watch: the changes of a kind as they happen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tests.cluster.live.apiserver.answers import choice
from tests.cluster.live.apiserver.api import Api
from tests.cluster.live.apiserver.calls import Call
from tests.cluster.live.apiserver.errors import ApiError, Json, bad_request
from tests.cluster.live.apiserver.resources import Resource
from tests.cluster.live.apiserver.selectors import Test
from tests.cluster.live.apiserver.shapes import shown
from tests.cluster.live.apiserver.store import Change
from tests.cluster.live.apiserver.tables import table

_LONGEST = 1800.0
_LOOK_EVERY = 0.5
"""Seconds between two looks at whether the client is still there."""


class Watch:
    """One watch of a client, as an iterator over events; it ends when `over` says so.

    `bookmarks` is the number of seconds between two bookmarks.
    """

    def __init__(
        self, api: Api, call: Call, resource: Resource, over: Callable[[], bool], bookmarks: float
    ) -> None:
        self.api, self.call, self.resource, self.over = api, call, resource, over
        self.test: Test = choice(call, resource)
        self.every = bookmarks
        self.wants_bookmarks = call.query.get("allowWatchBookmarks") in ("true", "1")
        try:
            given = float(call.query.get("timeoutSeconds") or _LONGEST)
            self.seen = int(call.query.get("resourceVersion") or "0")
        except ValueError as error:
            raise bad_request(f"invalid query: {error}") from error
        self.end = time.monotonic() + given
        self.initial = self.seen == 0 or call.query.get("sendInitialEvents") in ("true", "1")
        if self.seen > api.store.version:
            why = f"Too large resource version: {self.seen}, current: {api.store.version}"
            raise ApiError(504, "Timeout", why, retry_after=1)

    def __iter__(self) -> Iterator[Json]:
        try:
            yield from self._present()
            yield from self._changes()
        except ApiError as error:
            yield {"type": "ERROR", "object": error.status()}

    def _present(self) -> Iterator[Json]:
        if not self.initial:
            return
        with self.api.lock:
            present = self.api.store.all(self.resource.plural)
            self.seen = self.api.store.version
        for obj in present:
            if self.test(obj):
                yield self._event("ADDED", obj)
        if self.call.query.get("sendInitialEvents") in ("true", "1"):
            yield self._bookmark({"k8s.io/initial-events-end": "true"})

    def _changes(self) -> Iterator[Json]:
        store, bookmark = self.api.store, time.monotonic() + self.every
        while not self.over():
            now = time.monotonic()
            pause = max(min(self.end - now, _LOOK_EVERY, self.every), 0.0)
            store.wait(lambda: store.version > self.seen or self.over(), pause)
            with store.lock:
                changes = store.since(self.resource.plural, self.seen)
                latest = store.version
            for change in changes:
                yield from self._told(change)
            self.seen = latest
            if self.wants_bookmarks and now >= min(bookmark, self.end):
                bookmark = now + self.every
                yield self._bookmark({})
            if now >= self.end:
                return

    def _told(self, change: Change) -> Iterator[Json]:
        """A change as this watch sees it: what ceases to match is deleted, what begins is added."""
        self.seen = change.version
        matched = bool(change.before) and self.test(change.before)
        matches = change.type != "DELETED" and self.test(change.object)
        if matches:
            yield self._event("MODIFIED" if matched else "ADDED", change.object)
        elif matched:
            yield self._event("DELETED", change.object)

    def _event(self, kind: str, obj: Json) -> Json:
        whole = shown(self.resource, self.call.target.version, obj)
        if "as=Table" in self.call.headers.get("Accept", ""):
            version = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            include = self.call.query.get("includeObject", "Metadata")
            whole = table(self.resource.kind, [whole], version, include)
        return {"type": kind, "object": whole}

    def _bookmark(self, annotations: dict[str, str]) -> Json:
        meta: Json = {"resourceVersion": str(self.seen), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        return {"type": "BOOKMARK", "object": shown(self.resource, "v1", {"metadata": meta})}
