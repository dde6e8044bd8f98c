"""PodDisruptionBudgets: how many of their pods may be taken down now."""

from __future__ import annotations

from tests.cluster.live.apiserver import kinds, selectors
from tests.cluster.live.apiserver.api import Api
from tests.cluster.live.apiserver.errors import Json
from tests.cluster.live.apiserver.resources import BUDGETS, PODS, REPLICASETS


class Budgets:
    """Writes the status that evictions are judged by."""

    def reconcile(self, api: Api, now: float) -> float | None:
        with api.lock:
            for budget in api.store.all(BUDGETS.plural):
                status = _status(api, budget)
                if budget.get("status") != status:
                    api.status(BUDGETS, budget, status)
        return None


def _status(api: Api, budget: Json) -> Json:
    spec, namespace = budget["spec"], budget["metadata"]["namespace"]
    pods = [
        pod
        for pod in api.store.all(PODS.plural, namespace)
        if selectors.matches(spec.get("selector"), pod["metadata"].get("labels") or {})
        and not kinds.terminal(pod)
    ]
    staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    names = {pod["metadata"]["name"] for pod in staying}
    going = (budget.get("status") or {}).get("disruptedPods") or {}
    disrupted = {name: since for name, since in going.items() if name in names}
    healthy = sum(kinds.ready(pod) and pod["metadata"]["name"] not in disrupted for pod in staying)
    expected = _expected(api, pods)
    if "maxUnavailable" in spec:
        desired = max(expected - _amount(spec["maxUnavailable"], expected), 0)
    elif isinstance(spec.get("minAvailable", 0), int):
        expected, desired = len(pods), spec.get("minAvailable", 0)
    else:
        desired = _amount(spec["minAvailable"], expected)
    status: Json = {
        "expectedPods": expected,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": max(healthy - desired, 0) if expected else 0,
        "observedGeneration": budget["metadata"]["generation"],
    }
    return status | {"disruptedPods": disrupted} if disrupted else status


def _expected(api: Api, pods: list[Json]) -> int:
    """What the owners of the pods want in all; a pod without owner counts for itself."""
    sets = {one["metadata"]["uid"]: one for one in api.store.all(REPLICASETS.plural)}
    owners, alone = set(), 0
    for pod in pods:
        owner = kinds.controller_of(pod)
        if owner is not None and owner["uid"] in sets:
            owners.add(owner["uid"])
        else:
            alone += 1
    return alone + sum(int(sets[uid]["spec"].get("replicas", 1)) for uid in owners)


def _amount(amount: int | str, pods: int) -> int:
    if isinstance(amount, int):
        return amount
    percent = int(amount.removesuffix("%"))
    return -(-percent * pods // 100)
