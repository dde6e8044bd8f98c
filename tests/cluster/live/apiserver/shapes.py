"""Stored objects as a version of the API shows them, and back."""

from __future__ import annotations

from typing import Any

from tests.cluster.live.apiserver.errors import Json, bad_request
from tests.cluster.live.apiserver.resources import EVENTS, Resource

_RENAMED = (
    ("note", "message"),
    ("regarding", "involvedObject"),
    ("deprecatedSource", "source"),
    ("deprecatedCount", "count"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("reportingController", "reportingComponent"),
)
"""What events.k8s.io calls otherwise than the core group."""


def shown(resource: Resource, version: str, obj: Json) -> Json:
    """With its kind and apiVersion."""
    full = f"{resource.group}/{version}" if resource.group else version
    return {"kind": resource.kind, "apiVersion": full, **_event(resource, obj, 1, 0)}


def listed(resource: Resource, version: str, objects: list[Json], meta: Json) -> Json:
    """The list of a kind; its items are without kind and apiVersion, as in Kubernetes."""
    full = f"{resource.group}/{version}" if resource.group else version
    items: list[Any] = [_event(resource, obj, 1, 0) for obj in objects]
    return {"kind": f"{resource.kind}List", "apiVersion": full, "metadata": meta, "items": items}


def stored(resource: Resource, version: str, obj: Json) -> Json:
    """What a client sent, without kind and apiVersion; 400 if they are of something else."""
    full = f"{resource.group}/{version}" if resource.group else version
    for field, wanted in (("kind", resource.kind), ("apiVersion", full)):
        if obj.get(field) not in (None, "", wanted):
            what = f"the object provided is of {field} {obj[field]!r}, where {wanted!r} is expected"
            raise bad_request(what)
    plain = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
    return _event(resource, plain, 0, 1)


def _event(resource: Resource, obj: Json, source: int, result: int) -> Json:
    if resource is not EVENTS:
        return obj
    names = {pair[source]: pair[result] for pair in _RENAMED}
    return {names.get(key, key): value for key, value in obj.items()}
