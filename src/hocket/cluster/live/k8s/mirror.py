"""The cluster as the API tells it, kept up to date by listing once and watching from there."""

from __future__ import annotations

import logging
import time
from threading import Condition, Event, Thread
from typing import Any, NamedTuple

from hocket.cluster.formats.kubernetes import budget_of, node_of, pod_of
from hocket.cluster.live.k8s.api import KINDS, Api, Kind, Refused
from hocket.cluster.live.k8s.pins import template
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.model.rules import Budget
from hocket.core.errors import InputError

LOG = logging.getLogger("hocket.k8s")

WATCH = 300
"""Seconds after which a watch is begun anew."""

_SHORTEST_WAIT, _LONGEST_WAIT = 0.5, 30.0


class Seen(NamedTuple):
    """A pod and what only the live cluster knows of it.

    - `uid`: which pod this is, whatever its name; `maker`: the uid of its controller
    - `scheduler`: who is to place it
    - `unschedulable`: whether its scheduler has found no place for it
    - `leaving`: whether it is being deleted
    - `since`: when it was first seen to wait (seconds of a monotonic clock)
    """

    pod: Pod
    uid: str
    maker: str
    scheduler: str
    unschedulable: bool
    leaving: bool
    since: float


class Mirror:
    """Nodes, pods and budgets of a cluster, followed by a thread for each kind.

    A watch that breaks, or whose version is too old, is followed by a new list; failures are
    retried with growing pauses, and `trouble` tells what is wrong meanwhile: by then what is
    mirrored may be out of date. `version` counts changes to what is mirrored, of which
    `last_change` is the last (seconds of a monotonic clock); heartbeats of nodes are none.
    """

    def __init__(self, api: Api) -> None:
        """Nothing is asked before `start`."""
        self.api = api
        self.changed = Condition()
        self.nodes: dict[str, Node] = {}
        self.pods: dict[str, Seen] = {}
        self.budgets: dict[str, Budget] = {}
        self.trouble: dict[Kind, str] = {}
        self.left_out: dict[str, str] = {}
        self.version = 0
        self.last_change = time.monotonic()
        self._closed = Event()

    def start(self) -> None:
        """List everything, and follow it from then on.

        Raises Refused if the cluster cannot be listed at all: the first failure is told at once.
        """
        versions = {}
        for kind in KINDS:
            objects, versions[kind] = self.api.list(kind)
            self._replace(kind, objects)
        for kind in KINDS:
            Thread(
                target=self._follow,
                args=(kind, versions[kind]),
                name=f"hocket-watch-{kind}",
                daemon=True,
            ).start()

    def refresh(self) -> None:
        """List everything once more, without watching."""
        for kind in KINDS:
            self._replace(kind, self.api.list(kind)[0])

    def close(self) -> None:
        """Stop following, and hang up."""
        self._closed.set()
        self.api.hang_up()

    def snapshot(self, name: str = "live") -> Pods:
        """The cluster as a scenario, in milliseconds; leaving pods hold their nodes."""
        with self.changed:
            known = set(self.nodes)
            pods = [seen.pod for seen in self.pods.values()]
            return Pods(
                name=name,
                nodes=tuple(self.nodes[key] for key in sorted(known)),
                pods=tuple(
                    pod
                    for pod in sorted(pods, key=lambda pod: pod.key)
                    if pod.node is None or pod.node in known
                ),
                budgets=tuple(self.budgets[key] for key in sorted(self.budgets)),
            )

    def told(self) -> str:
        """What is wrong with following the cluster; empty if nothing is."""
        return "; ".join(dict.fromkeys(self.trouble.copy().values()))

    def wait(self, version: int, seconds: float) -> int:
        """Wait until something has changed since `version`; the version now."""
        with self.changed:
            self.changed.wait_for(lambda: self.version != version, timeout=seconds)
            return self.version

    def _follow(self, kind: Kind, version: str) -> None:
        pause = _SHORTEST_WAIT
        while not self._closed.is_set():
            try:
                if not version:
                    objects, version = self.api.list(kind)
                    self._replace(kind, objects)
                begun = time.monotonic()
                for what, thing in self.api.watch(kind, version, WATCH):
                    version = str((thing.get("metadata") or {}).get("resourceVersion", version))
                    if what != "BOOKMARK":
                        self._note(kind, what, thing)
                    pause = _SHORTEST_WAIT
                    if self._closed.is_set():
                        return
                if time.monotonic() - begun < _SHORTEST_WAIT:  # a proxy that cuts every watch
                    self._closed.wait(_SHORTEST_WAIT)
            except Exception as error:  # whatever it is, the mirror must not stand still for good
                if self._closed.is_set():
                    return
                version = ""
                if isinstance(error, Refused) and error.status == 410:
                    LOG.info("watch of %s is too old; listing again", kind)
                else:
                    self.trouble[kind] = str(error)
                    LOG.warning("%s; trying again in %.1f s", error, pause)
                self._closed.wait(pause)
                pause = min(2 * pause, _LONGEST_WAIT)

    def _replace(self, kind: Kind, objects: list[dict[str, Any]]) -> None:
        with self.changed:
            version = self.version
            present = {self._put(kind, thing) for thing in objects}
            held = getattr(self, kind)
            for key in [key for key in held if key not in present]:
                self._drop(kind, key)
            for about in [about for about in self.left_out if about.startswith(f"{kind} ")]:
                if about.removeprefix(f"{kind} ") not in present:
                    del self.left_out[about]
            self.trouble.pop(kind, None)
            self._tell(version)

    def _note(self, kind: Kind, what: str, thing: dict[str, Any]) -> None:
        with self.changed:
            version = self.version
            if what == "DELETED":
                key = _key(kind, thing)
                seen = self.pods.get(key) if kind == "pods" else None
                uid = (thing.get("metadata") or {}).get("uid", "")
                if seen is None or seen.uid == uid:
                    self._drop(kind, key)
                    self.left_out.pop(f"{kind} {key}", None)
            else:
                self._put(kind, thing)
            self._tell(version)

    def _tell(self, version: int) -> None:
        """Wake who waits, if anything has changed since `version`."""
        if self.version != version:
            self.last_change = time.monotonic()
            self.changed.notify_all()

    def _hold(self, kind: Kind, key: str, value: Node | Seen | Budget) -> None:
        if getattr(self, kind).get(key) != value:
            getattr(self, kind)[key] = value
            self.version += 1

    def _drop(self, kind: Kind, key: str) -> None:
        if getattr(self, kind).pop(key, None) is not None:
            self.version += 1

    def _put(self, kind: Kind, thing: dict[str, Any]) -> str:
        """Take up an object; one that cannot be read is left out, and said so once."""
        key = _key(kind, thing)
        try:
            if kind == "nodes":
                self._hold(kind, key, node_of(thing))
            elif kind == "budgets":
                self._hold(kind, key, budget_of(thing))
            else:
                self._put_pod(key, thing)
            self.left_out.pop(f"{kind} {key}", None)
        except InputError as error:
            self._drop(kind, key)
            if f"{kind} {key}" not in self.left_out:
                self.left_out[f"{kind} {key}"] = str(error)
                LOG.warning("left out: %s", error)
        return key

    def _put_pod(self, key: str, thing: dict[str, Any]) -> None:
        pod = pod_of(thing)
        if pod is None:
            self._drop("pods", key)
            return
        metadata, spec = thing.get("metadata") or {}, thing.get("spec") or {}
        before = self.pods.get(key)
        uid = str(metadata.get("uid", ""))
        same = before is not None and before.uid == uid
        makers = [
            str(one.get("uid", ""))
            for one in metadata.get("ownerReferences") or ()
            if one.get("controller")
        ]
        conditions = (thing.get("status") or {}).get("conditions") or ()
        seen = Seen(
            pod,
            uid,
            makers[0] if makers else "",
            str(spec.get("schedulerName", "default-scheduler")),
            any(
                one.get("type") == "PodScheduled" and one.get("reason") == "Unschedulable"
                for one in conditions
            ),
            "deletionTimestamp" in metadata,
            before.since if same and before is not None else time.monotonic(),
        )
        self._hold("pods", key, seen)


def alike(one: Seen, other: Seen) -> bool:
    """Whether two pods were made by the same controller from the same template."""
    return bool(one.maker) and one.maker == other.maker and template(one.pod) == template(other.pod)


def _key(kind: Kind, thing: dict[str, Any]) -> str:
    metadata = thing.get("metadata") or {}
    name = str(metadata.get("name", ""))
    return name if kind == "nodes" else f"{metadata.get('namespace', 'default')}/{name}"
