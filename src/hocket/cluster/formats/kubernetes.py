"""Objects of the Kubernetes API as nodes, pods and budgets.

Objects are plain data with the names of the API (camelCase): what ``kubectl get -o json`` prints,
what a manifest says, or what ``ApiClient().sanitize_for_serialization`` makes of the official
client's objects.
"""

from __future__ import annotations

from hocket.cluster.formats import kubernetes_rules as rules
from hocket.cluster.formats.kubernetes_amounts import amounts, requests
from hocket.cluster.formats.kubernetes_parts import Object, Part, Trouble
from hocket.cluster.formats.kubernetes_protection import protection
from hocket.cluster.model.pods import WHOLE, Node, Pod
from hocket.cluster.model.rules import Budget, Toleration
from hocket.core.errors import InputError

SHARED_GPUS = "hocket.dev/gpus"
GPU_MILLI = "hocket.dev/gpu-milli"
OWNER = "hocket.dev/owner"
"""Annotations for what the API has no field for: see `Node.gpus`, `Pod.gpu_milli`, `Pod.owner`."""


def node_of(object: Object) -> Node:
    """The node.

    What it can give is ``allocatable``, else ``capacity``. It is down if its condition Ready is
    not True, cordoned if it is unschedulable or being deleted. Raises InputError with every
    problem.
    """
    trouble = Trouble()
    found = read_node(Part(object, "", trouble))
    _stop(trouble, "Node", found.name)
    return found


def pod_of(object: Object) -> Pod | None:
    """The pod; None for one that has ended, or that is deleted before it ran.

    It is on the node of ``spec.nodeName``; one that is only nominated for a node still waits. What
    it requests: see `requests`. Ports are those of the node, for all its addresses. Its owner is
    its controller, ``ReplicaSet/web-5d9c``. Whether it is protected, and why: see `protection`.
    Raises InputError with every problem.
    """
    trouble = Trouble()
    found = read_pod(Part(object, "", trouble))
    if trouble.problems:
        metadata = object.get("metadata") if isinstance(object, dict) else None
        name = metadata.get("name") if isinstance(metadata, dict) else ""
        _stop(trouble, "Pod", str(name))
    return found


def budget_of(object: Object) -> Budget:
    """The PodDisruptionBudget; without any bound it needs none of its pods.

    Raises InputError with every problem.
    """
    trouble = Trouble()
    found = read_budget(Part(object, "", trouble))
    _stop(trouble, "PodDisruptionBudget", found.name)
    return found


def _stop(trouble: Trouble, kind: str, name: str) -> None:
    if trouble.problems:
        raise InputError(f"{kind} {name[:80]}", trouble.problems)


def name_of(part: Part) -> str:
    """The name of an object, which it must have."""
    metadata = part.part("metadata")
    name = metadata.text("name")
    if not name:
        metadata.say("name", "is missing; every object needs one")
    return name


def read_node(part: Part) -> Node:
    """See `node_of`."""
    metadata, spec, status = part.part("metadata"), part.part("spec"), part.part("status")
    given = "allocatable" if status.has("allocatable") else "capacity"
    if not status.has(given):
        part.say("status", "has neither allocatable nor capacity; say what the node can give")
    return Node(
        name=name_of(part),
        allocatable=amounts(status.part(given)),
        labels=metadata.labels("labels"),
        taints=tuple(rules.taint(one) for one in spec.parts("taints")),
        cordoned=spec.flag("unschedulable") or metadata.has("deletionTimestamp"),
        down=any(
            one.text("type") == "Ready" and one.text("status") != "True"
            for one in status.parts("conditions")
        ),
        gpus=_counted(metadata, SHARED_GPUS, 0, 0, 1024),
    )


def read_pod(part: Part) -> Pod | None:
    """See `pod_of`."""
    metadata, spec, status = part.part("metadata"), part.part("spec"), part.part("status")
    node = spec.text("nodeName") or None
    if status.text("phase") in ("Succeeded", "Failed"):
        return None
    if node is None and metadata.has("deletionTimestamp"):
        return None
    labels = metadata.labels("labels")
    affinity = spec.part("affinity")
    needed, prefers = rules.node_affinity(affinity)
    spreads = [rules.spread(one, labels) for one in spec.parts("topologySpreadConstraints")]
    owner = owner_of(metadata)
    protected, reason = protection(part, owner)
    return Pod(
        name=name_of(part),
        namespace=metadata.text("namespace") or "default",
        requests=requests(part),
        priority=spec.whole("priority", 0, -(2**31), 2**31),
        preempts=spec.text("preemptionPolicy") != "Never",
        node=node,
        owner=owner,
        labels=labels,
        selector=rules.labels_selector(spec.labels("nodeSelector")),
        affinity=needed,
        prefers=prefers,
        near=tuple(rules.pod_terms(affinity, "podAffinity", labels)),
        apart=tuple(rules.pod_terms(affinity, "podAntiAffinity", labels)),
        likes=tuple(rules.preferred_terms(affinity, labels)),
        tolerations=_tolerations(spec),
        spread=tuple(one for one in spreads if one is not None),
        ports=_ports(spec),
        protected=protected,
        protection=reason,
        gpus=_counted(metadata, SHARED_GPUS, 0, 0, 1024),
        gpu_milli=_counted(metadata, GPU_MILLI, WHOLE, 1, WHOLE),
        gated=node is None and any(True for _ in spec.parts("schedulingGates")),
    )


def read_budget(part: Part) -> Budget:
    """See `budget_of`."""
    metadata, spec = part.part("metadata"), part.part("spec")
    least, most = _bound(spec, "minAvailable"), _bound(spec, "maxUnavailable")
    if least is not None and most is not None:
        spec.say("maxUnavailable", "stands beside minAvailable; drop one of them")
    return Budget(
        name=name_of(part),
        namespace=metadata.text("namespace") or "default",
        selector=rules.selector(spec, "selector"),
        min_available=0 if least is None and most is None else least,
        max_unavailable=most,
    )


def owner_of(metadata: Part) -> str:
    """The controller of a pod, ``Kind/name``; empty if it has none."""
    annotations = metadata.part("annotations")
    if annotations.has(OWNER):
        return annotations.text(OWNER)
    for one in metadata.parts("ownerReferences"):
        if one.flag("controller"):
            return f"{one.text('kind')}/{one.text('name')}"
    return ""


def _tolerations(spec: Part) -> tuple[Toleration, ...]:
    found = [rules.toleration(one) for one in spec.parts("tolerations")]
    return tuple(one for one in found if one is not None)


def _ports(spec: Part) -> tuple[str, ...]:
    """Ports of the node. With the node's network every port of a container is one of them."""
    own = spec.flag("hostNetwork")
    found: dict[str, None] = {}
    for key in ("containers", "initContainers"):
        for container in spec.parts(key):
            if key == "initContainers" and container.text("restartPolicy") != "Always":
                continue  # its ports are free again before the pod runs
            for one in container.parts("ports"):
                default = one.whole("containerPort", 0, 0, 65535) if own else 0
                port = one.whole("hostPort", 0, 0, 65535) or default
                if port:
                    found[f"{one.text('protocol', 'TCP')}/{port}"] = None
    return tuple(found)


def _bound(spec: Part, key: str) -> int | str | None:
    value = spec.data.get(key)
    if value is None or (type(value) is int and 0 <= value <= 2**31):
        return value
    percent = value.removesuffix("%") if isinstance(value, str) else ""
    if percent != value and percent.isascii() and percent.isdecimal() and len(percent) < 6:
        return str(value)
    told = "is neither a whole number nor a share such as '50%'"
    spec.say(key, f"{str(value)[:24]!r} {told}")
    return None


def _counted(metadata: Part, key: str, default: int, low: int, high: int) -> int:
    """A whole number in an annotation."""
    if not metadata.has("annotations"):
        return default
    annotations = metadata.part("annotations")
    word = annotations.text(key)
    if not word:
        return default
    if word.isascii() and word.isdecimal() and len(word) < 8 and low <= int(word) <= high:
        return int(word)
    annotations.say(key, f"expected a whole number from {low} to {high}, got {word[:24]!r}")
    return default
