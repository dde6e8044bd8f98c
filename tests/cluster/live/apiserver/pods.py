"""The two subresources that move pods: binding and eviction."""

from __future__ import annotations

from tests.cluster.live.apiserver import kinds, selectors
from tests.cluster.live.apiserver.api import Api
from tests.cluster.live.apiserver.errors import (
    ApiError,
    Json,
    bad_request,
    conflict,
    forbidden,
    invalid,
    over_budget,
    success,
)
from tests.cluster.live.apiserver.resources import BUDGETS, PODS

_STILL_PROCESSED_SECONDS = 10


def bind(api: Api, namespace: str, name: str, binding: Json, *, dry: bool = False) -> Json:
    """Put a pod on a node; 409 if it has one, is leaving, or is gated.

    As in Kubernetes nobody looks whether there is such a node, or room on it.
    """
    target = binding.get("target") or {}
    if target.get("kind") not in (None, "", "Node"):
        raise invalid("Binding", name, "target.kind", "Unsupported value: must be empty or Node")
    node = target.get("name")
    if not node:
        raise invalid("Binding", name, "target.name", "Required value")
    with api.lock:
        pod = api.get(PODS, namespace, name)
        meta, wanted = pod["metadata"], binding.get("metadata") or {}
        for field in ("uid", "resourceVersion"):
            if wanted.get(field) not in (None, "", meta[field]):
                why = f"Precondition failed: {field} in precondition: {wanted[field]}"
                raise conflict("pods/binding", name, f"{why}, in object meta: {meta[field]}")
        if "deletionTimestamp" in meta:
            why = f"pod {name} is being deleted, cannot be assigned to a host"
            raise conflict("pods/binding", name, why)
        if pod["spec"].get("nodeName"):
            why = f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"'
            raise conflict("pods/binding", name, why)
        if pod["spec"].get("schedulingGates"):
            why = f"pod {name} has non-empty .spec.schedulingGates"
            raise conflict("pods/binding", name, why)
        if not dry:
            scheduled = kinds.condition("PodScheduled", True)
            status = kinds.with_condition(pod.get("status") or {}, scheduled)
            spec = {**pod["spec"], "nodeName": node}
            new = {**pod, "spec": spec, "status": status}
            if wanted.get("annotations"):
                notes = {**(meta.get("annotations") or {}), **wanted["annotations"]}
                new["metadata"] = {**meta, "annotations": notes}
            api.store.put(PODS.plural, (namespace, name), new)
    return success()


def evict(api: Api, namespace: str, name: str, eviction: Json, *, dry: bool = False) -> Json:
    """Delete a pod if its PodDisruptionBudget allows it; 429 if it does not."""
    named = (eviction.get("metadata") or {}).get("name")
    if named not in (None, "", name):
        raise bad_request(f"name in URL does not match name in Eviction object: {named} != {name}")
    options = dict(eviction.get("deleteOptions") or {})
    if dry:
        options["dryRun"] = ["All"]
    with api.lock:
        pod = api.get(PODS, namespace, name)
        uid = (options.get("preconditions") or {}).get("uid")
        if uid not in (None, "", pod["metadata"]["uid"]):
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
            raise conflict("pods", name, why + pod["metadata"]["uid"])
        budget = None if _needs_no_budget(pod) else _budget_of(api, pod)
        if budget is not None and not _ignores(budget, pod):
            _spend(api, budget, pod, dry=bool(options.get("dryRun")))
        api.delete(PODS, namespace, name, options)
    return success()


def _needs_no_budget(pod: Json) -> bool:
    waiting = (pod.get("status") or {}).get("phase") == "Pending"
    return waiting or kinds.terminal(pod) or "deletionTimestamp" in pod["metadata"]


def _budget_of(api: Api, pod: Json) -> Json | None:
    meta = pod["metadata"]
    found = [
        budget
        for budget in api.store.all(BUDGETS.plural, meta["namespace"])
        if selectors.matches(budget["spec"].get("selector"), meta.get("labels") or {})
    ]
    if len(found) > 1:
        why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does"
        raise ApiError(500, "InternalError", f"{why} not support.")
    return found[0] if found else None


def _ignores(budget: Json, pod: Json) -> bool:
    """Whether a pod that is not ready may go in any case."""
    if kinds.ready(pod):
        return False
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy", 0)
    return bool(desired > 0 and status.get("currentHealthy", 0) >= desired)


def _spend(api: Api, budget: Json, pod: Json, *, dry: bool) -> None:
    meta, status = budget["metadata"], budget.get("status") or {}
    if status.get("observedGeneration", 0) < meta["generation"]:
        why = "is still being processed by the server."
        raise over_budget(meta["name"], why, _STILL_PROCESSED_SECONDS)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise forbidden(BUDGETS.name, meta["name"], "pdb disruptions allowed is negative")
    if allowed == 0:
        needed, current = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise over_budget(meta["name"], f"needs {needed} healthy pods and has {current} currently")
    if not dry:
        going = {**(status.get("disruptedPods") or {}), pod["metadata"]["name"]: kinds.now()}
        left = {**status, "disruptionsAllowed": allowed - 1, "disruptedPods": going}
        api.status(BUDGETS, budget, left)
