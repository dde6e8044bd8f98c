"""Nodes: a cordoned node bears the taint that says so."""

from __future__ import annotations

from tests.cluster.live.apiserver.api import Api
from tests.cluster.live.apiserver.resources import NODES

CORDONED = "node.kubernetes.io/unschedulable"


class Nodes:
    """Keeps the taint of cordoned nodes."""

    def reconcile(self, api: Api, now: float) -> float | None:
        with api.lock:
            for node in api.store.all(NODES.plural):
                spec = node.get("spec") or {}
                taints = spec.get("taints") or []
                kept = [taint for taint in taints if taint["key"] != CORDONED]
                if spec.get("unschedulable"):
                    kept.append({"key": CORDONED, "effect": "NoSchedule"})
                if len(kept) != len(taints):
                    new = {**node, "spec": {**spec, "taints": kept}}
                    api.update(NODES, "", node["metadata"]["name"], new)
        return None
