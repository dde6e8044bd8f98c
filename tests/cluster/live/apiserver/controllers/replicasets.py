"""ReplicaSets: as many pods as wanted, made anew under new names; pods without owner go."""

from __future__ import annotations

import copy

from tests.cluster.live.apiserver import kinds
from tests.cluster.live.apiserver.api import Api
from tests.cluster.live.apiserver.errors import Json
from tests.cluster.live.apiserver.resources import PODS, REPLICASETS


class ReplicaSets:
    """A pod that is leaving counts no more: its successor comes at once, as in Kubernetes."""

    def reconcile(self, api: Api, now: float) -> float | None:
        sets = {one["metadata"]["uid"]: one for one in api.store.all(REPLICASETS.plural)}
        owned: dict[str, list[Json]] = {uid: [] for uid in sets}
        for pod in api.store.all(PODS.plural):
            owner = kinds.controller_of(pod)
            if owner is None or owner["kind"] != "ReplicaSet":
                continue
            if owner["uid"] in owned:
                owned[owner["uid"]].append(pod)
            elif "deletionTimestamp" not in pod["metadata"]:
                api.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        for uid, pods in owned.items():
            if "deletionTimestamp" not in sets[uid]["metadata"]:
                self._one(api, sets[uid], pods)
        return None

    def _one(self, api: Api, one: Json, pods: list[Json]) -> None:
        alive = [
            pod
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"] and not kinds.terminal(pod)
        ]
        wanted = one["spec"].get("replicas", 1)
        namespace = one["metadata"]["namespace"]
        for _ in range(wanted - len(alive)):
            api.create(PODS, namespace, _new(one))
        alive.sort(key=lambda pod: (bool(pod["spec"].get("nodeName")), kinds.ready(pod)))
        for pod in alive[: max(len(alive) - wanted, 0)]:
            api.delete(PODS, namespace, pod["metadata"]["name"])
        up = sum(kinds.ready(pod) for pod in alive)
        status = {
            "replicas": len(alive),
            "fullyLabeledReplicas": len(alive),
            "readyReplicas": up,
            "availableReplicas": up,
            "observedGeneration": one["metadata"]["generation"],
        }
        if one.get("status") != status:
            api.status(REPLICASETS, one, status)


def _new(one: Json) -> Json:
    template = copy.deepcopy(one["spec"]["template"])
    meta = one["metadata"]
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    fields = template.get("metadata") or {}
    return {
        "metadata": {
            **fields,
            "generateName": f"{meta['name']}-",
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
    }
