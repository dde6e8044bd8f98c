"""The best assignment of a tiny cluster by looking at all of them, straight from the rules."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hocket.cluster.model.labels import selects
from hocket.cluster.model.pods import WHOLE, Node, Pod, Pods
from hocket.cluster.packing.case import Changes
from hocket.cluster.state import State

Where = dict[str, str | None]


def parts(cluster: Pods, where: Where, cost: str) -> tuple[int, ...]:
    """The score: for every tier, pods that run, and minus what is disturbed."""
    evict, move = (1, 2) if cost == "evict-first" else (2, 1)
    found = []
    for priority in cluster.priorities:
        tier = [pod for pod in cluster.pods if pod.priority >= priority]
        disturbed = 0
        for pod in tier:
            if pod.node is not None and where[pod.key] != pod.node:
                disturbed += evict if where[pod.key] is None else move
        found += [sum(where[pod.key] is not None for pod in tier), -disturbed]
    return tuple(found)


def best(
    cluster: Pods, cost: str, preemptor: str = "", forbidden: tuple[Changes, ...] = ()
) -> tuple[int, ...] | None:
    """The best score of a plan that places what it must; None where there is none."""
    ranked = sorted(
        (
            where
            for where in assignments(cluster)
            if (
                where[preemptor] is not None
                if preemptor
                else any(p.node is None and where[p.key] is not None for p in cluster.pods)
            )
        ),
        key=lambda where: parts(cluster, where, cost),
        reverse=True,
    )
    for where in ranked:
        made = any(all(where[k] == n for k, n in changes) for changes in forbidden)
        if not made and legal(cluster, where):
            return parts(cluster, where, cost)
    return None


def assignments(cluster: Pods) -> Iterator[Where]:
    names = [None, *(node.name for node in cluster.nodes)]
    for choice in itertools.product(names, repeat=len(cluster.pods)):
        yield {pod.key: name for pod, name in zip(cluster.pods, choice, strict=True)}


def legal(cluster: Pods, where: Where) -> bool:
    """Whether a cluster may end like this."""
    nodes = {node.name: node for node in cluster.nodes}
    there: dict[str, list[Pod]] = {name: [] for name in nodes}
    for pod in cluster.pods:
        place = where[pod.key]
        if place is not None:
            there[place].append(pod)
        if place != pod.node and pod.node is not None and pod.protected:
            return False
    return (
        all(_node(cluster, node, there[node.name]) for node in cluster.nodes)
        and all(
            _terms(cluster, pod, nodes, there, where)
            for pod in cluster.pods
            if where[pod.key] not in (None, pod.node)
        )
        and _budgets(cluster, where)
    )


def _node(cluster: Pods, node: Node, pods: list[Pod]) -> bool:
    new = [pod for pod in pods if pod.node != node.name]
    old = [pod for pod in cluster.pods if pod.node == node.name]
    for pod in new:
        if node.cordoned or node.down or pod.gated or not selects(pod.selector, node.described):
            return False
        if pod.affinity and not any(selects(s, node.described) for s in pod.affinity):
            return False
        for taint in node.taints:
            hard = taint.effect != "PreferNoSchedule"
            if hard and not any(t.bears(taint) for t in pod.tolerations):
                return False
    names = {name for pod in (*pods, *old) for name in pod.requests} | {"pods"}
    for name in sorted(names):
        room = node.allocatable.get(name, 2**62 if name == "pods" else 0)

        def ask(pod: Pod, name: str = name) -> int:
            return 1 if name == "pods" else pod.requests.get(name, 0)

        limit = room if any(ask(pod) for pod in new) else max(room, sum(ask(pod) for pod in old))
        if sum(ask(pod) for pod in pods) > limit:
            return False
    if sum(pod.gpus * pod.gpu_milli for pod in pods) > max(
        node.gpus * WHOLE,
        0 if any(pod.gpus for pod in new) else sum(pod.gpus * pod.gpu_milli for pod in old),
    ):
        return False
    return _gpus(cluster, node, [p for p in pods if p.node == node.name], new)


def _gpus(cluster: Pods, node: Node, stay: list[Pod], new: list[Pod]) -> bool:
    left = [WHOLE] * node.gpus
    holds = State.of(cluster).holds
    for pod in stay:
        for device in holds.get(pod.key, ()):
            left[device] -= pod.gpu_milli
    if not any(pod.gpus for pod in new):
        return True
    choices = [list(itertools.combinations(range(node.gpus), pod.gpus)) for pod in new]
    for choice in itertools.product(*choices):
        rest = list(left)
        for pod, devices in zip(new, choice, strict=True):
            for device in devices:
                rest[device] -= pod.gpu_milli
        if min(rest, default=0) >= 0:
            return True
    return False


def _terms(
    cluster: Pods, pod: Pod, nodes: dict[str, Node], there: dict[str, list[Pod]], where: Where
) -> bool:
    place = where[pod.key]
    assert place is not None
    node = nodes[place]
    for other in there[place]:
        if other is not pod and set(other.ports) & set(pod.ports):
            return False

    def domain(topology: str) -> list[Pod]:
        value = node.label(topology)
        alike = [n for n in cluster.nodes if value is not None and n.label(topology) == value]
        return [p for n in alike for p in there[n.name] if p is not pod]

    for term in pod.apart:
        for other in domain(term.topology):
            if term.means(pod.namespace, other.namespace, other.labels):
                return False
    for name in nodes:
        for other in there[name]:
            for term in other.apart if other is not pod else ():
                if other in domain(term.topology) and term.means(
                    other.namespace, pod.namespace, pod.labels
                ):
                    return False
    for term in pod.near:
        if node.label(term.topology) is None:
            return False
        meant = [
            other
            for name in nodes
            for other in there[name]
            if other is not pod and _all_mean(pod, other)
        ]
        alone = not meant and _all_mean(pod, pod)
        if not alone and not any(other in meant for other in domain(term.topology)):
            return False
    return _even(cluster, pod, node, there)


def _all_mean(pod: Pod, other: Pod) -> bool:
    return all(t.means(pod.namespace, other.namespace, other.labels) for t in pod.near)


def _even(cluster: Pods, pod: Pod, node: Node, there: dict[str, list[Pod]]) -> bool:
    hard = [spread for spread in pod.spread if spread.hard]
    counted = [
        n
        for n in cluster.nodes
        if selects(pod.selector, n.described)
        and (not pod.affinity or any(selects(s, n.described) for s in pod.affinity))
        and all(n.label(spread.topology) is not None for spread in hard)
    ]
    for spread in hard:
        if node.label(spread.topology) is None:
            return False
        sums: dict[str | None, int] = {}
        for n in counted:
            meant = [
                p
                for p in there[n.name]
                if p.namespace == pod.namespace and selects(spread.selector, p.labels)
            ]
            value = n.label(spread.topology)
            sums[value] = sums.get(value, 0) + len(meant)
        if sums[node.label(spread.topology)] > min(sums.values()) + spread.max_skew:
            return False
    return True


def _budgets(cluster: Pods, where: Where) -> bool:
    for budget in cluster.budgets:
        pods = [pod for pod in cluster.pods if budget.covers(pod.namespace, pod.labels)]
        running = [pod for pod in pods if pod.node is not None]
        allowed = len(running) - budget.needed(len(pods))
        if allowed <= 0 and any(where[pod.key] != pod.node for pod in running):
            return False
        if allowed > 0 and sum(where[pod.key] is None for pod in running) > allowed:
            return False
    return True
