"""The kubelets of all nodes: bound pods start, leaving pods go."""

from __future__ import annotations

from tests.cluster.live.apiserver import kinds
from tests.cluster.live.apiserver.api import Api
from tests.cluster.live.apiserver.errors import Json
from tests.cluster.live.apiserver.resources import NODES, PODS


class Kubelet:
    """`start` and `stop`: seconds from binding to running, and from deletion to gone.

    A grace period shorter than `stop` is kept. Pods on nodes that do not exist are left alone.
    """

    def __init__(self, start: float = 0.02, stop: float = 0.02) -> None:
        self.start, self.stop = start, stop
        self._since: dict[tuple[str, str], float] = {}

    def reconcile(self, api: Api, now: float) -> float | None:
        nodes = {node["metadata"]["name"] for node in api.store.all(NODES.plural)}
        due: list[float] = []
        pending: dict[tuple[str, str], float] = {}
        for pod in api.store.all(PODS.plural):
            if pod["spec"].get("nodeName") not in nodes:
                continue
            work = self._work(pod)
            if not work:
                continue
            key = (pod["metadata"]["uid"], work)
            at = self._since.get(key, now + self._delay(pod, work))
            if at > now:
                pending[key] = at
                due.append(at)
            elif work == "stop":
                self._gone(api, pod)
            else:
                api.status(PODS, pod, _running(pod))
        self._since = pending
        return min(due, default=None)

    def _work(self, pod: Json) -> str:
        if "deletionTimestamp" in pod["metadata"]:
            return "stop"
        waiting = (pod.get("status") or {}).get("phase", "Pending") == "Pending"
        return "start" if waiting else ""

    def _delay(self, pod: Json, work: str) -> float:
        if work == "start":
            return self.start
        return min(self.stop, float(pod["metadata"].get("deletionGracePeriodSeconds", 0)))

    def _gone(self, api: Api, pod: Json) -> None:
        meta = pod["metadata"]
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
        api.delete(PODS, meta["namespace"], meta["name"], options)


def _running(pod: Json) -> Json:
    status = {**(pod.get("status") or {}), "phase": "Running", "startTime": kinds.now()}
    number = int(pod["metadata"]["uid"][:4], 16)
    status["podIP"] = f"10.244.{number // 256}.{number % 256}"
    status["containerStatuses"] = [
        {
            "name": container["name"],
            "image": container.get("image", ""),
            "imageID": "",
            "ready": True,
            "restartCount": 0,
            "started": True,
            "state": {"running": {"startedAt": kinds.now()}},
        }
        for container in pod["spec"]["containers"]
    ]
    for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready"):
        status = kinds.with_condition(status, kinds.condition(kind, True))
    return status
