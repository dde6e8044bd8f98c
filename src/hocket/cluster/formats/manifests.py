"""Workloads as manifests describe them: templates, of which a controller would make pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from hocket.cluster.formats.kubernetes import owner_of, read_pod
from hocket.cluster.formats.kubernetes_parts import Part
from hocket.cluster.model.labels import Expression, selects
from hocket.cluster.model.pods import NAME, Node, Pod
from hocket.cluster.model.rules import Toleration

MOST_REPLICAS = 100_000

WORKLOADS = (
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "ReplicationController",
)
"""The kinds that are read; each becomes as many pods as it asks for."""

_BORNE = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
"""Taints that pods of a DaemonSet bear; their controller says so."""


class Workload(msgspec.Struct, kw_only=True):
    """Pods that are alike but for their names.

    - `live`: it comes from a cluster that runs, which also lists its pods
    - `owner`: the workload that makes it, as its `key`, if one does
    - `priority_class`: its name, None where the template gives the priority itself
    """

    kind: str
    pod: Pod
    replicas: int
    live: bool
    owner: str
    priority_class: str | None

    @property
    def key(self) -> str:
        """What tells it apart: ``namespace/Kind/name``."""
        return f"{self.pod.namespace}/{self.kind}/{self.pod.name}"

    def pods(self, nodes: tuple[Node, ...]) -> Iterator[Pod]:
        """Its pods, ``web-0`` and so on, waiting."""
        for i in range(self.replicas):
            name = f"{self.pod.name}-{i}"
            labels = self.pod.labels
            if self.kind == "StatefulSet":
                own = {"statefulset.kubernetes.io/pod-name": name}
                labels = labels | own | {"apps.kubernetes.io/pod-index": str(i)}
            yield msgspec.structs.replace(self.pod, name=name, labels=labels)


class DaemonSet(Workload, kw_only=True):
    """A pod for every node that it may run on and that takes pods."""

    def pods(self, nodes: tuple[Node, ...]) -> Iterator[Pod]:
        """Its pods, each of which may run on its own node only."""
        borne = tuple(Toleration(key=k, op="Exists", effect=e) for k, e in _BORNE)  # type: ignore[arg-type]
        tolerations = self.pod.tolerations + borne
        for node in nodes:
            labels = node.described
            fits = selects(self.pod.selector, labels) and (
                not self.pod.affinity or any(selects(one, labels) for one in self.pod.affinity)
            )
            if not fits or node.cordoned or node.down:
                continue
            if any(
                taint.effect != "PreferNoSchedule" and not any(t.bears(taint) for t in tolerations)
                for taint in node.taints
            ):
                continue
            yield msgspec.structs.replace(
                self.pod,
                name=f"{self.pod.name}-{node.name}",
                selector=(*self.pod.selector, Expression(key=NAME, values=(node.name,))),
                tolerations=tolerations,
            )


def workload(part: Part, kind: str) -> Workload | None:
    """The workload that an object describes; None where its template is broken."""
    metadata, spec = part.part("metadata"), part.part("spec")
    if kind == "Job":
        parallel = spec.whole("parallelism", 1, 0, MOST_REPLICAS)
        replicas = min(parallel, spec.whole("completions", parallel, 0, 2**31))
    else:
        replicas = spec.whole("replicas", 1, 0, MOST_REPLICAS)
    template = spec.part("template")
    if not spec.has("template"):
        spec.say("template", "is missing; it says what the pods are")
    before = len(part.trouble.problems)
    pod = read_pod(_templated(template, metadata, kind))
    if pod is None or len(part.trouble.problems) > before:
        return None
    inner = template.part("spec")
    return (DaemonSet if kind == "DaemonSet" else Workload)(
        kind=kind,
        pod=pod,
        replicas=replicas,
        live=metadata.has("uid"),
        owner=f"{pod.namespace}/{owner_of(metadata)}",
        priority_class=None if inner.has("priority") else inner.text("priorityClassName"),
    )


def _templated(template: Part, metadata: Part, kind: str) -> Part:
    """A template as the pod that its controller would make, under the template's path."""
    name = metadata.text("name")
    if not name:
        metadata.say("name", "is missing; every object needs one")
    own: dict[str, Any] = {
        "name": name or "nameless",
        "namespace": metadata.text("namespace"),
        "ownerReferences": [{"kind": kind, "name": name, "controller": True}],
    }
    inner = template.data.get("metadata")
    made = template.data | {"metadata": (inner if isinstance(inner, dict) else {}) | own}
    return Part(made, template.path, template.trouble)
