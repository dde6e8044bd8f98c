"""Clusters as a list of Kubernetes objects, which ``kubectl apply -f`` takes and `load` reads back.

A pod's container holds its requests and does nothing. What the API has no field for stands in
annotations: owners (an owner reference to what is not there would have the pod deleted at once),
protection and shared GPUs. Every priority gets a PriorityClass. The grace of a cluster and the unit
of its time have no place in the list, and are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from hocket.cluster.formats.kubernetes import GPU_MILLI, OWNER, SHARED_GPUS
from hocket.cluster.formats.kubernetes_protection import PROTECTED, PROTECTION
from hocket.cluster.formats.kubernetes_rules import EVERYWHERE
from hocket.cluster.formats.quantities import written
from hocket.cluster.model.labels import Selector
from hocket.cluster.model.pods import NAME, WHOLE, Amounts, Node, Pod, Pods
from hocket.cluster.model.rules import Budget, Preferred, Spread, Taint, Term, Toleration
from hocket.core.errors import InputError, NotApplicable, Problem

IMAGE = "registry.k8s.io/pause:3.10"
"""What the containers of written pods run: nothing."""

_Object = dict[str, Any]
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NO_LIMIT = ("cpu", "memory", "ephemeral-storage")  # of anything else there must be one
_PORT = re.compile(r"[A-Z]+/[0-9]{1,5}", re.ASCII)
_SYSTEM = {2_000_000_000: "system-cluster-critical", 2_000_001_000: "system-node-critical"}


def write(scenario: Any) -> str:
    """The list, in JSON.

    Raises InputError for what makes it another problem: arrivals, lifetimes and a horizon, because
    a snapshot knows no time; and NotApplicable for other problems.
    """
    if not isinstance(scenario, Pods):
        told = f"a list of Kubernetes objects holds pods, and this is a {type(scenario).__name__}"
        raise NotApplicable(told)
    if problems := list(_problems(scenario)):
        raise InputError(f"{scenario.name or 'this scenario'} as Kubernetes objects", problems)
    items = [
        *_classes(scenario.pods),
        *(_node(node) for node in scenario.nodes),
        *(_pod(pod) for pod in scenario.pods),
        *(_budget(budget) for budget in scenario.budgets),
    ]
    document = {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _problems(cluster: Pods) -> Iterator[Problem]:
    told = "has no place in a snapshot; write YAML, or leave it out"
    if cluster.horizon is not None:
        yield Problem("horizon", told)
    for i, pod in enumerate(cluster.pods):
        if pod.arrival:
            yield Problem(f"pods[{i}].arrival", told)
        if pod.lifetime is not None:
            yield Problem(f"pods[{i}].lifetime", told)
        for j, port in enumerate(pod.ports):
            if not _PORT.fullmatch(port):
                where = f"pods[{i}].ports[{j}]"
                yield Problem(where, f"is {port[:40]!r}; Kubernetes has ports such as TCP/8080")
        for j, one in enumerate(pod.prefers):
            if one.weight < 1:
                where = f"pods[{i}].prefers[{j}].weight"
                yield Problem(where, f"is {one.weight}; Kubernetes has weights from 1 to 100")


def _classes(pods: Iterable[Pod]) -> Iterator[_Object]:
    made = dict.fromkeys((pod.priority, pod.preempts) for pod in pods)
    for priority, preempts in sorted(made, reverse=True):
        name = _class(priority, preempts)
        if name and not name.startswith("system-"):
            yield {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": name},
                "value": priority,
                "preemptionPolicy": _preemption(preempts),
            }


def _class(priority: int, preempts: bool) -> str:
    """The name of a priority's class; empty for that which every pod has without one."""
    if not priority and preempts:
        return ""
    if priority in _SYSTEM and preempts:
        return _SYSTEM[priority]
    sign = "minus-" if priority < 0 else ""
    return f"hocket-{sign}{abs(priority)}" + ("" if preempts else "-never")


def _preemption(preempts: bool) -> str:
    return "PreemptLowerPriority" if preempts else "Never"


def _node(node: Node) -> _Object:
    metadata = _filled(
        name=node.name,
        labels=node.labels,
        annotations={SHARED_GPUS: str(node.gpus)} if node.gpus else {},
    )
    amounts = _amounts(node.allocatable)
    ready = {"type": "Ready", "status": "False" if node.down else "True"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata,
        "spec": _filled(
            taints=[_taint(one) for one in node.taints], unschedulable=node.cordoned or None
        ),
        "status": {"capacity": amounts, "allocatable": amounts, "conditions": [ready]},
    }


def _pod(pod: Pod) -> _Object:
    annotations = {PROTECTED: "true" if pod.protected else "false"}
    if pod.protected or pod.protection:
        annotations[PROTECTION] = pod.protection
    if pod.owner:
        annotations[OWNER] = pod.owner
    if pod.gpus:
        annotations[SHARED_GPUS] = str(pod.gpus)
    if pod.gpu_milli != WHOLE:
        annotations[GPU_MILLI] = str(pod.gpu_milli)
    metadata = _filled(
        name=pod.name, namespace=pod.namespace, labels=pod.labels, annotations=annotations
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": _spec(pod),
        "status": {"phase": "Pending" if pod.node is None else "Running"},
    }


def _spec(pod: Pod) -> _Object:
    simple, rest = _split(pod)
    requests = _amounts(pod.requests)
    limits = {name: text for name, text in requests.items() if name not in _NO_LIMIT}
    container = _filled(
        name="pod",
        image=IMAGE,
        resources=_filled(requests=requests, limits=limits),
        ports=[_port(one) for one in pod.ports],
    )
    return _filled(
        nodeName=pod.node,
        priority=pod.priority,
        priorityClassName=_class(pod.priority, pod.preempts),
        preemptionPolicy=_preemption(pod.preempts),
        nodeSelector=simple,
        affinity=_affinity(pod, rest),
        tolerations=[_toleration(one) for one in pod.tolerations],
        topologySpreadConstraints=[_spread(one) for one in pod.spread],
        schedulingGates=[{"name": "hocket.dev/gated"}] if pod.gated else [],
        containers=[container],
    )


def _split(pod: Pod) -> tuple[dict[str, str], Selector]:
    """The selector as ``nodeSelector``, and what of it only an affinity can say."""
    simple: dict[str, str] = {}
    rest = []
    for one in pod.selector:
        if one.op == "In" and len(one.values) == 1 and one.key not in (NAME, *simple):
            simple[one.key] = one.values[0]
        else:
            rest.append(one)
    return simple, tuple(rest)


def _affinity(pod: Pod, rest: Selector) -> _Object:
    alternatives = [(*rest, *one) for one in pod.affinity or ((),)]
    terms = [_node_term(one) for one in alternatives] if all(alternatives) else []
    nodes = _filled(
        **{
            _REQUIRED: {"nodeSelectorTerms": terms} if terms else {},
            _PREFERRED: [
                {"weight": one.weight, "preference": _node_term(one.selector)}
                for one in pod.prefers
                if one.selector  # one that all nodes meet ranks none
            ],
        }
    )
    return _filled(
        nodeAffinity=nodes,
        podAffinity=_pods(pod.near, [one for one in pod.likes if one.weight > 0]),
        podAntiAffinity=_pods(pod.apart, [one for one in pod.likes if one.weight < 0]),
    )


def _pods(required: Iterable[Term], preferred: Iterable[Preferred]) -> _Object:
    return _filled(
        **{
            _REQUIRED: [_term(one) for one in required],
            _PREFERRED: [
                {"weight": abs(one.weight), "podAffinityTerm": _term(one.term)} for one in preferred
            ],
        }
    )


def _term(term: Term) -> _Object:
    found: _Object = {"labelSelector": _selector(term.selector), "topologyKey": term.topology}
    if EVERYWHERE[0] in term.namespaces:
        return found | {"namespaceSelector": {}}
    return found | _filled(namespaces=[*term.namespaces])


def _node_term(selector: Selector) -> _Object:
    fields = [one for one in selector if one.key == NAME]
    others = [one for one in selector if one.key != NAME]
    return _filled(matchExpressions=_expressions(others), matchFields=_expressions(fields))


def _selector(selector: Selector) -> _Object:
    return _filled(matchExpressions=_expressions(selector))


def _expressions(selector: Iterable[Any]) -> list[_Object]:
    return [_filled(key=e.key, operator=e.op, values=[*e.values]) for e in selector]


def _spread(spread: Spread) -> _Object:
    return {
        "maxSkew": spread.max_skew,
        "topologyKey": spread.topology,
        "whenUnsatisfiable": "DoNotSchedule" if spread.hard else "ScheduleAnyway",
        "labelSelector": _selector(spread.selector),
    }


def _budget(budget: Budget) -> _Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": budget.name, "namespace": budget.namespace},
        "spec": {"selector": _selector(budget.selector)}
        | _filled(minAvailable=budget.min_available, maxUnavailable=budget.max_unavailable),
    }


def _taint(taint: Taint) -> _Object:
    return _filled(key=taint.key, value=taint.value, effect=taint.effect)


def _toleration(one: Toleration) -> _Object:
    return _filled(key=one.key, operator=one.op, value=one.value, effect=one.effect)


def _port(port: str) -> _Object:
    protocol, _, number = port.rpartition("/")
    return {"containerPort": int(number), "hostPort": int(number), "protocol": protocol}


def _amounts(amounts: Amounts) -> dict[str, str]:
    return dict(written(resource, count) for resource, count in amounts.items())


def _filled(**fields: Any) -> _Object:
    """The fields that say something; 0 does."""
    return {k: v for k, v in fields.items() if v is not None and v not in ("", [], {}, ())}
