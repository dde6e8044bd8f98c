"""Create, read, update, patch and delete: the meaning of the API, without HTTP."""

from __future__ import annotations

import copy
import random
import re
import threading
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cluster.live.apiserver import kinds, patches
from tests.cluster.live.apiserver.errors import (
    ApiError,
    Json,
    bad_request,
    conflict,
    exists,
    invalid,
    not_found,
    stale,
)
from tests.cluster.live.apiserver.resources import NAMESPACES, PODS, Resource, by_kind
from tests.cluster.live.apiserver.store import Key, Store

_NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
_LOOSE_NAMES = ("clusterroles", "clusterrolebindings", "roles", "rolebindings")
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_GENERATIONS = ("pods", "nodes", "leases", "events", "namespaces", "configmaps", "secrets")


class Api:
    """The objects of a cluster, changed as the Kubernetes API lets them be changed.

    Every method is atomic. What they give back is stored and must not be changed.
    """

    def __init__(self, seed: int = 0) -> None:
        self.store = Store()
        self._random = random.Random(seed)
        for name in _NAMESPACES:
            self.create(NAMESPACES, "", {"metadata": {"name": name}})

    @property
    def lock(self) -> threading.Condition:
        return self.store.lock

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        found = self.store.get(resource.plural, _key(resource, namespace, name))
        if found is None:
            raise not_found(resource.name, name)
        return found

    def create(self, resource: Resource, namespace: str, obj: Json, *, dry: bool = False) -> Json:
        with self.lock:
            meta = self._named(resource, namespace, obj)
            if resource.namespaced and self.store.get("namespaces", ("", namespace)) is None:
                raise not_found("namespaces", namespace)
            key = _key(resource, namespace, meta["name"])
            if self.store.get(resource.plural, key) is not None:
                raise exists(resource.name, meta["name"])
            if meta.pop("resourceVersion", ""):
                raise bad_request("resourceVersion should not be set on objects to be created")
            new = kinds.prepared(self.store, resource, {**obj, "metadata": meta})
            new["metadata"] |= self._identity(resource)
            return new if dry else self._put(resource, key, new)

    def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        obj: Json,
        *,
        sub: str = "",
        dry: bool = False,
    ) -> Json:
        with self.lock:
            old = self.get(resource, namespace, name)
            meta = obj.get("metadata") or {}
            if meta.get("name", name) != name:
                why = f"the name of the object ({meta['name']}) does not match the name on the URL"
                raise bad_request(f"{why} ({name})")
            if meta.get("resourceVersion") not in (None, "", old["metadata"]["resourceVersion"]):
                raise stale(resource.name, name)
            _same_uid(resource, old, meta.get("uid"))
            new = kinds.updated(resource, old, {**obj, "metadata": meta}, sub)
            if new == old or dry:
                return new
            key = _key(resource, namespace, name)
            stored = self._put(resource, key, new)
            last = stored["metadata"]
            held = last.get("finalizers") or last.get("deletionGracePeriodSeconds")
            if "deletionTimestamp" in last and not held:
                return self.store.remove(resource.plural, key)
            return stored

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        kind: str,
        body: bytes,
        *,
        sub: str = "",
        dry: bool = False,
    ) -> Json:
        """`kind` is the content type of the patch."""
        with self.lock:
            old = self.get(resource, namespace, name)
            new = patches.apply(kind, body, old)
            if not isinstance(new.get("metadata"), dict):
                raise invalid(resource.kind, name, "metadata", "Required value")
            return self.update(resource, namespace, name, new, sub=sub, dry=dry)

    def delete(
        self, resource: Resource, namespace: str, name: str, options: Json | None = None
    ) -> Json:
        """Delete, or mark as leaving: a pod on a node leaves after its grace period."""
        options = options or {}
        with self.lock:
            old = self.get(resource, namespace, name)
            wanted = options.get("preconditions") or {}
            _same_uid(resource, old, wanted.get("uid"))
            version = old["metadata"]["resourceVersion"]
            if wanted.get("resourceVersion") not in (None, version):
                why = f"the ResourceVersion in the precondition ({wanted['resourceVersion']})"
                raise conflict(
                    resource.name,
                    name,
                    f"Precondition failed: {why} does not match the"
                    f" ResourceVersion in record ({version}). The object might have been modified",
                )
            if options.get("dryRun"):
                return old
            key = _key(resource, namespace, name)
            if options.get("propagationPolicy") == "Orphan":
                self._orphan(old["metadata"]["uid"])
            grace = _grace(resource, old, options.get("gracePeriodSeconds"))
            if not grace and not old["metadata"].get("finalizers"):
                return self.store.remove(resource.plural, key)
            left = old["metadata"].get("deletionGracePeriodSeconds")
            if left is not None and left <= grace:
                return old
            gone = datetime.now(UTC) + timedelta(seconds=grace)
            meta = {
                **old["metadata"],
                "deletionTimestamp": gone.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "deletionGracePeriodSeconds": grace,
            }
            return self.store.put(resource.plural, key, {**old, "metadata": meta})

    def seed(self, *objects: Json) -> list[Json]:
        """Put whole objects, with their status, as they are; those of one name are replaced."""
        stored = []
        for obj in objects:
            resource = by_kind(obj["apiVersion"], obj["kind"])
            if resource is None:
                raise ValueError(f"the server knows no {obj['apiVersion']} {obj['kind']}")
            stored.append(self._seed(resource, obj))
        return stored

    def _seed(self, resource: Resource, obj: Json) -> Json:
        with self.lock:
            meta = dict(obj["metadata"])
            namespace = meta.setdefault("namespace", "default") if resource.namespaced else ""
            if namespace and self.store.get("namespaces", ("", namespace)) is None:
                self.create(NAMESPACES, "", {"metadata": {"name": namespace}})
            new = kinds.prepared(self.store, resource, {**obj, "metadata": meta})
            if "status" in obj:
                new["status"] = copy.deepcopy(obj["status"])
            new["metadata"] = self._identity(resource) | new["metadata"]
            return self._put(resource, _key(resource, namespace, meta["name"]), new)

    def status(self, resource: Resource, obj: Json, status: Json) -> Json:
        """Write the status of an object that was read; as controllers do."""
        meta = obj["metadata"]
        new = {**obj, "status": status}
        return self.update(resource, meta.get("namespace", ""), meta["name"], new, sub="status")

    def _named(self, resource: Resource, namespace: str, obj: Json) -> Json:
        if not isinstance(obj.get("metadata", {}), dict):
            raise bad_request("metadata is no object")
        meta = {k: v for k, v in (obj.get("metadata") or {}).items() if k != "managedFields"}
        if resource.namespaced:
            if meta.setdefault("namespace", namespace) != namespace:
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on"
                    " the request"
                )
        else:
            meta.pop("namespace", None)
        if not meta.get("name"):
            if not meta.get("generateName"):
                why = "Required value: name or generateName is required"
                raise invalid(resource.kind, "", "metadata.name", why)
            suffix = "".join(self._random.choices(_LETTERS, k=5))
            meta["name"] = meta["generateName"] + suffix
        name = meta["name"]
        if resource.plural not in _LOOSE_NAMES and not (_NAME.match(name) and len(name) <= 253):
            why = f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of'
            raise invalid(
                resource.kind, name, "metadata.name", f"{why} lower case letters, digits, - or ."
            )
        return meta

    def _identity(self, resource: Resource) -> Json:
        uid = uuid.UUID(int=self._random.getrandbits(128), version=4)
        found: Json = {"uid": str(uid), "creationTimestamp": kinds.now()}
        return found if resource.plural in _GENERATIONS else found | {"generation": 1}

    def _put(self, resource: Resource, key: Key, obj: Json) -> Json:
        plain = {name: value for name, value in obj.items() if name not in ("kind", "apiVersion")}
        return self.store.put(resource.plural, key, plain)

    def _orphan(self, uid: str) -> None:
        for pod in self.store.all(PODS.plural):
            owners: Iterable[Any] = pod["metadata"].get("ownerReferences") or []
            kept = [owner for owner in owners if owner["uid"] != uid]
            if kept != owners:
                meta = {**pod["metadata"], "ownerReferences": kept}
                key = (meta["namespace"], meta["name"])
                self.store.put(PODS.plural, key, {**pod, "metadata": meta})


def _key(resource: Resource, namespace: str, name: str) -> Key:
    return (namespace if resource.namespaced else "", name)


def _same_uid(resource: Resource, obj: Json, uid: str | None) -> None:
    have = obj["metadata"]["uid"]
    if uid and uid != have:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {have}"
        raise conflict(resource.name, obj["metadata"]["name"], why)


def _grace(resource: Resource, obj: Json, asked: int | None) -> int:
    if resource is not PODS or not obj["spec"].get("nodeName") or kinds.terminal(obj):
        return 0
    if asked is None:
        return int(obj["spec"]["terminationGracePeriodSeconds"])
    if asked < 0:
        raise ApiError(422, "Invalid", "gracePeriodSeconds must be greater than or equal to 0")
    return asked
