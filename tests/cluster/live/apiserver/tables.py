"""Lists as the tables that ``kubectl get`` prints."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.cluster.live.apiserver.errors import Json

Column = tuple[str, Callable[[Json], Any], int]
"""Its name, its cell, and from which verbosity it is shown (1: only with ``-o wide``)."""


def table(kind: str, objects: list[Json], list_meta: Json, include: str) -> Json:
    """`include` is how much of each object comes along: Metadata, Object or None."""
    columns = (_NAME, *_COLUMNS.get(kind, ()), _AGE, *_WIDE.get(kind, ()))
    rows = []
    for obj in objects:
        row: Json = {"cells": [cell(obj) for _, cell, _ in columns]}
        if include == "Object":
            row["object"] = obj
        elif include != "None":
            row["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": obj["metadata"],
            }
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_meta,
        "columnDefinitions": [
            {
                "name": name,
                "type": "string",
                "format": "name" if name == "Name" else "",
                "description": name,
                "priority": priority,
            }
            for name, _, priority in columns
        ],
        "rows": rows,
    }


def _age(obj: Json) -> str:
    born = datetime.strptime(obj["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")
    seconds = int((datetime.now(UTC) - born.replace(tzinfo=UTC)).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _pod_status(pod: Json) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    conditions = pod["status"].get("conditions") or []
    if any(one.get("reason") == "SchedulingGated" for one in conditions):
        return "SchedulingGated"
    return str(pod["status"].get("phase", "Unknown"))


def _pod_ready(pod: Json) -> str:
    states = pod["status"].get("containerStatuses") or []
    return f"{sum(bool(one.get('ready')) for one in states)}/{len(pod['spec']['containers'])}"


def _node_status(node: Json) -> str:
    conditions = (node.get("status") or {}).get("conditions") or []
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    cordoned = ",SchedulingDisabled" if node["spec"].get("unschedulable") else ""
    return ("Ready" if ready else "NotReady") + cordoned


def _roles(node: Json) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels") or {}
    return ",".join(k.removeprefix(prefix) for k in labels if k.startswith(prefix)) or "<none>"


def _at(*path: str, default: Any = "<none>") -> Callable[[Json], Any]:
    def cell(obj: Json) -> Any:
        value: Any = obj
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return default if value is None else str(value)

    return cell


_NAME: Column = ("Name", _at("metadata", "name"), 0)
_AGE: Column = ("Age", _age, 0)
_COLUMNS: dict[str, tuple[Column, ...]] = {
    "Pod": (
        ("Ready", _pod_ready, 0),
        ("Status", _pod_status, 0),
        ("Restarts", lambda pod: "0", 0),
    ),
    "Node": (
        ("Status", _node_status, 0),
        ("Roles", _roles, 0),
        ("Version", _at("status", "nodeInfo", "kubeletVersion"), 0),
    ),
    "Namespace": (("Status", _at("status", "phase"), 0),),
    "ReplicaSet": (
        ("Desired", _at("spec", "replicas"), 0),
        ("Current", _at("status", "replicas", default="0"), 0),
        ("Ready", _at("status", "readyReplicas", default="0"), 0),
    ),
    "PodDisruptionBudget": (
        ("Min Available", _at("spec", "minAvailable", default="N/A"), 0),
        ("Max Unavailable", _at("spec", "maxUnavailable", default="N/A"), 0),
        ("Allowed Disruptions", _at("status", "disruptionsAllowed", default="0"), 0),
    ),
    "PriorityClass": (("Value", _at("value"), 0),),
    "Event": (
        ("Type", _at("type"), 0),
        ("Reason", _at("reason"), 0),
        ("Object", _at("involvedObject", "name"), 0),
        ("Message", _at("message"), 0),
    ),
    "Lease": (("Holder", _at("spec", "holderIdentity"), 0),),
}
_WIDE: dict[str, tuple[Column, ...]] = {
    "Pod": (
        ("IP", _at("status", "podIP"), 1),
        ("Node", _at("spec", "nodeName"), 1),
        ("Nominated Node", _at("status", "nominatedNodeName"), 1),
        ("Readiness Gates", lambda pod: "<none>", 1),
    ),
}
