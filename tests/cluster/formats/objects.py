"""Objects of the Kubernetes API, as little of them as a test needs."""

from __future__ import annotations

from typing import Any

Data = dict[str, Any]


def node(name: str = "n0", cpu: str = "4", memory: str = "16Gi", **spec: Any) -> Data:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"node-{name}"},
        "spec": spec,
        "status": {
            "capacity": {"cpu": "64", "memory": "1Ti", "pods": "200"},
            "allocatable": {"cpu": cpu, "memory": memory, "pods": "110"},
            "conditions": [
                {"type": "MemoryPressure", "status": "False"},
                {"type": "Ready", "status": "True"},
            ],
        },
    }


def container(cpu: str = "100m", memory: str = "64Mi", **rest: Any) -> Data:
    return {"name": "app", "resources": {"requests": {"cpu": cpu, "memory": memory}}, **rest}


def pod(name: str = "p0", node: str | None = None, owner: str = "web", **spec: Any) -> Data:
    metadata: Data = {"name": name, "namespace": "shop", "uid": f"pod-{name}"}
    if owner:
        reference = {"kind": "ReplicaSet", "name": owner, "controller": True}
        metadata["ownerReferences"] = [reference]
    found = {"priority": 0, "containers": [container()], **spec}
    if node is not None:
        found["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": found, "status": {}}


def listed(*items: Data) -> Data:
    return {"apiVersion": "v1", "items": [*items], "kind": "List", "metadata": {}}
