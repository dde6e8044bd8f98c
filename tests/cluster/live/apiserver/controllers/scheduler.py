"""A toy default scheduler: the first node, by name, that has room; nothing is preempted."""

from __future__ import annotations

from decimal import Decimal

from tests.cluster.live.apiserver import kinds, pods
from tests.cluster.live.apiserver.api import Api
from tests.cluster.live.apiserver.errors import Json
from tests.cluster.live.apiserver.resources import NODES, PODS

_UNITS = {"m": "0.001", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12"}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


class Scheduler:
    """Binds waiting pods of one scheduler name, or writes that they are unschedulable.

    It looks at requests, node selectors and cordons only.
    """

    def __init__(self, name: str = "default-scheduler") -> None:
        self.name = name

    def reconcile(self, api: Api, now: float) -> float | None:
        with api.lock:
            waiting = [pod for pod in api.store.all(PODS.plural) if self._mine(pod)]
            waiting.sort(key=lambda pod: -pod["spec"].get("priority", 0))
            for pod in waiting:
                self._place(api, pod)
        return None

    def _mine(self, pod: Json) -> bool:
        spec = pod["spec"]
        return (
            spec.get("schedulerName") == self.name
            and not spec.get("nodeName")
            and not spec.get("schedulingGates")
            and "deletionTimestamp" not in pod["metadata"]
        )

    def _place(self, api: Api, pod: Json) -> None:
        meta = pod["metadata"]
        for node in api.store.all(NODES.plural):
            if fits(api, pod, node):
                target = {"target": {"kind": "Node", "name": node["metadata"]["name"]}}
                pods.bind(api, meta["namespace"], meta["name"], target)
                return
        total = len(api.store.all(NODES.plural))
        why = f"0/{total} nodes are available: {total} Insufficient cpu."
        told = kinds.condition("PodScheduled", False, "Unschedulable", why)
        old = (pod.get("status") or {}).get("conditions") or []
        if not any(one.get("reason") == "Unschedulable" for one in old):
            api.status(PODS, pod, kinds.with_condition(pod["status"], told))


def fits(api: Api, pod: Json, node: Json) -> bool:
    """Whether a node has what a pod requests, and its labels."""
    if node["spec"].get("unschedulable"):
        return False
    labels = node["metadata"].get("labels") or {}
    wanted = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    free = left(api, node)
    return all(free.get(key, Decimal(0)) >= value for key, value in requests(pod).items())


def left(api: Api, node: Json) -> dict[str, Decimal]:
    """What the pods on a node have not requested."""
    free = {key: _amount(value) for key, value in node["status"]["allocatable"].items()}
    free.setdefault("pods", Decimal(110))
    for other in api.store.all(PODS.plural):
        if other["spec"].get("nodeName") == node["metadata"]["name"] and not kinds.terminal(other):
            for key, value in requests(other).items():
                free[key] = free.get(key, Decimal(0)) - value
    return free


def requests(pod: Json) -> dict[str, Decimal]:
    """What its containers request in all."""
    total: dict[str, Decimal] = {"pods": Decimal(1)}
    for container in pod["spec"]["containers"]:
        for key, value in ((container.get("resources") or {}).get("requests") or {}).items():
            total[key] = total.get(key, Decimal(0)) + _amount(value)
    return total


def _amount(text: str | int) -> Decimal:
    text = str(text)
    if text[-2:] in _BINARY:
        return Decimal(text[:-2]) * _BINARY[text[-2:]]
    return Decimal(text[:-1]) * Decimal(_UNITS[text[-1]]) if text[-1] in _UNITS else Decimal(text)
