"""What the server itself fills in, and what it does not let be changed, by kind."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

from tests.cluster.live.apiserver.errors import Json, forbidden, invalid
from tests.cluster.live.apiserver.resources import CLASSES, NODES, PODS, Resource
from tests.cluster.live.apiserver.store import Store

_SYSTEM_CLASSES = {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}
_TOLERATED_SECONDS = 300


def now() -> str:
    """The time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(kind: str, holds: bool, reason: str = "", message: str = "") -> Json:
    found = {"type": kind, "status": str(holds), "lastTransitionTime": now()}
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    return found


def with_condition(status: Json, new: Json) -> Json:
    """A status with one condition set; its time stays if its truth does."""
    kept = [one for one in status.get("conditions") or [] if one["type"] != new["type"]]
    return {**status, "conditions": [*kept, new]}


def prepared(store: Store, resource: Resource, obj: Json) -> Json:
    """A new object with its defaults; its status, which is not the creator's to say, is dropped."""
    obj = copy.deepcopy(obj)
    if "status" in resource.subresources:
        obj.pop("status", None)
    if resource is PODS:
        _pod(store, obj)
    if resource is NODES:
        obj.setdefault("spec", {})
    if resource.plural == "namespaces":
        obj.setdefault("spec", {"finalizers": ["kubernetes"]})
        obj["status"] = {"phase": "Active"}
    return obj


def _pod(store: Store, pod: Json) -> None:
    spec = pod.setdefault("spec", {})
    if not spec.get("containers"):
        raise invalid("Pod", pod["metadata"].get("name", ""), "spec.containers", "Required value")
    for container in spec["containers"]:
        resources = container.setdefault("resources", {})
        if "limits" in resources:
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    for field, value in (
        ("schedulerName", "default-scheduler"),
        ("restartPolicy", "Always"),
        ("terminationGracePeriodSeconds", 30),
        ("dnsPolicy", "ClusterFirst"),
        ("serviceAccountName", "default"),
        ("preemptionPolicy", "PreemptLowerPriority"),
    ):
        spec.setdefault(field, value)
    if "priority" not in spec:
        spec["priority"] = _priority(store, pod)
    tolerations = spec["tolerations"] = list(spec.get("tolerations") or [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(one.get("key", key) == key for one in tolerations):
            tolerations.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": _TOLERATED_SECONDS,
                }
            )
    pod["status"] = {"phase": "Pending", "qosClass": _quality(spec)}
    if spec.get("schedulingGates"):
        why = "Scheduling is blocked due to non-empty scheduling gates"
        gated = condition("PodScheduled", False, "SchedulingGated", why)
        pod["status"]["conditions"] = [gated]


def _priority(store: Store, pod: Json) -> int:
    name = pod["spec"].get("priorityClassName")
    if not name:
        return 0
    if name in _SYSTEM_CLASSES:
        return _SYSTEM_CLASSES[name]
    found = store.get(CLASSES.plural, ("", name))
    if found is None:
        why = f"no PriorityClass with name {name} was found"
        raise forbidden("pods", pod["metadata"].get("name", ""), why)
    return int(found["value"])


def _quality(spec: Json) -> str:
    requests = [c["resources"].get("requests") for c in spec["containers"]]
    limits = [c["resources"].get("limits") for c in spec["containers"]]
    if not any(requests) and not any(limits):
        return "BestEffort"
    alike = requests == limits and all(limit and len(limit) > 1 for limit in limits)
    return "Guaranteed" if alike else "Burstable"


def updated(resource: Resource, old: Json, new: Json, subresource: str) -> Json:
    """What an update leaves: only the status, or all but the status; and never the identity."""
    if subresource == "status":
        result = {**old, "status": new.get("status") or {}}
        meta = {**old["metadata"]}
        for field in ("labels", "annotations"):
            if field in new["metadata"]:
                meta[field] = new["metadata"][field]
        result["metadata"] = meta
        return result
    result = {key: value for key, value in new.items() if key not in ("kind", "apiVersion")}
    if "status" in resource.subresources:
        result.pop("status", None)
        if "status" in old:
            result["status"] = old["status"]
    meta = {key: value for key, value in new["metadata"].items() if key != "managedFields"}
    for field in (
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
    ):
        meta.pop(field, None)
        if field in old["metadata"]:
            meta[field] = old["metadata"][field]
    result["metadata"] = meta
    if resource is PODS:
        _unchanged(old, result)
    if result.get("spec") != old.get("spec") and "generation" in meta:
        meta["generation"] += 1
    return result


def _unchanged(old: Json, new: Json) -> None:
    """Of a pod's spec hardly anything can be changed; its node least of all."""

    def fixed(spec: Json) -> Json:
        kept = {
            key: value
            for key, value in spec.items()
            if key not in ("activeDeadlineSeconds", "tolerations", "schedulingGates")
        }
        kept["containers"] = [{**c, "image": ""} for c in spec.get("containers") or []]
        return kept

    name, before, after = old["metadata"]["name"], old["spec"], new.get("spec") or {}
    if fixed(before) != fixed(after):
        why = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`"
        raise invalid("Pod", name, "spec", f"{why},`spec.activeDeadlineSeconds`")
    gates = list(after.get("schedulingGates") or [])
    if any(gate not in (before.get("schedulingGates") or []) for gate in gates):
        raise invalid("Pod", name, "spec.schedulingGates", "Forbidden: only deletion is allowed")
    kept = after.get("tolerations") or []
    if any(one not in kept for one in before.get("tolerations") or []):
        why = "Forbidden: existing toleration can not be modified except its tolerationSeconds"
        raise invalid("Pod", name, "spec.tolerations", why)


def terminal(pod: Json) -> bool:
    """Whether a pod has ended."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def ready(pod: Json) -> bool:
    """Whether a pod counts as up for budgets."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def controller_of(obj: Json) -> Json | None:
    """The owner that makes it anew."""
    owners = obj["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)
