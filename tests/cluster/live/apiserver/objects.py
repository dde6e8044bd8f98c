"""Objects for tests, as short as they can be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.cluster.live.apiserver.errors import Json

_INFO = {
    "architecture": "amd64",
    "bootID": "",
    "containerRuntimeVersion": "containerd://2.0.0",
    "kernelVersion": "6.1.0",
    "kubeProxyVersion": "v1.32.4",
    "kubeletVersion": "v1.32.4",
    "machineID": "",
    "operatingSystem": "linux",
    "osImage": "Debian GNU/Linux 12 (bookworm)",
    "systemUUID": "",
}


def node(name: str, cpu: str = "1", memory: str = "4Gi", **more: Any) -> Json:
    """A node that is ready. `labels`, `taints`, `unschedulable`, `pods`; others are resources."""
    labels = {"kubernetes.io/hostname": name, **more.pop("labels", {})}
    spec = {key: more.pop(key) for key in ("taints", "unschedulable") if key in more}
    amounts = {"cpu": cpu, "memory": memory, "pods": str(more.pop("pods", 110))}
    amounts |= {key.replace("__", "/"): str(value) for key, value in more.items()}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {
            "allocatable": amounts,
            "capacity": amounts,
            "conditions": [ready],
            "nodeInfo": _INFO,
        },
    }


def spec(cpu: str = "100m", memory: str = "64Mi", *, scheduler: str = "", **more: Any) -> Json:
    """The spec of a pod with one container; `more` are other fields of the spec."""
    container = {
        "name": "main",
        "image": "registry.test/main:1",
        "resources": {"requests": {"cpu": cpu, "memory": memory}},
    }
    found: Json = {"containers": [container], **more}
    return found | {"schedulerName": scheduler} if scheduler else found


def pod(
    name: str,
    cpu: str = "100m",
    memory: str = "64Mi",
    *,
    on: str = "",
    namespace: str = "default",
    labels: dict[str, str] | None = None,
    owner: Json | None = None,
    **more: Any,
) -> Json:
    """A pod; `on` a node it runs there and is ready. `more` are fields of its spec."""
    found: Json = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {}},
        "spec": spec(cpu, memory, **more),
    }
    if owner is not None:
        found["metadata"]["ownerReferences"] = [owner]
    if on:
        found["spec"]["nodeName"] = on
        conditions = [
            {"type": kind, "status": "True"}
            for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ]
        found["status"] = {"phase": "Running", "conditions": conditions}
    return found


def replicaset(
    name: str, replicas: int, *, namespace: str = "default", priority: int = 0, **more: Any
) -> Json:
    """A ReplicaSet whose pods have the label ``app: NAME``; `more` goes to `spec`."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec(priority=priority, **more)},
        },
    }


def budget(name: str, app: str, *, namespace: str = "default", **amount: int | str) -> Json:
    """A PodDisruptionBudget over ``app: APP``; give minAvailable or maxUnavailable."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": app}}, **amount},
    }


def nodes(number: int, **more: Any) -> Sequence[Json]:
    """Alike nodes n0, n1, ..."""
    return [node(f"n{i}", **more) for i in range(number)]
