"""The filters said once more, with dictionaries and loops over all pods."""

from __future__ import annotations

from hocket.cluster.model.labels import Selector
from hocket.cluster.model.pods import Node, Pod
from hocket.cluster.model.rules import Term

Placed = list[tuple[Pod, Node, tuple[int, ...]]]
"""Pods on nodes, in order of placing, with the GPUs that they hold."""


def allowed(
    pod: Pod, node: Node, nodes: tuple[Node, ...], placed: Placed, leaving: set[str]
) -> bool:
    """Whether the rules let a pod be bound to a node."""
    return (
        _open(pod, node)
        and _room(pod, node, placed)
        and _near(pod, node, placed)
        and _apart(pod, node, placed)
        and _even(pod, node, nodes, placed, leaving)
    )


def _open(pod: Pod, node: Node) -> bool:
    if node.cordoned or node.down:
        return False
    for taint in node.taints:
        borne = [t for t in pod.tolerations if t.bears(taint)]
        if taint.effect in ("NoSchedule", "NoExecute") and not borne:
            return False
    return _asked(pod, node)


def _asked(pod: Pod, node: Node) -> bool:
    if not _selected(pod.selector, node.described):
        return False
    return pod.affinity == () or True in [_selected(a, node.described) for a in pod.affinity]


def _selected(selector: Selector, labels: dict[str, str]) -> bool:
    return False not in [expression.holds(labels) for expression in selector]


def _room(pod: Pod, node: Node, placed: Placed) -> bool:
    here = [other for other, at, _ in placed if at.name == node.name]
    for name, amount in pod.requests.items():
        taken = sum(other.requests.get(name, 0) for other in here)
        if amount and amount > node.allocatable.get(name, 0) - taken:
            return False
    if "pods" in node.allocatable and len(here) + 1 > node.allocatable["pods"]:
        return False
    if set(pod.ports) & {port for other in here for port in other.ports}:
        return False
    return gpus_for(pod, node, placed) is not None


def gpus_for(pod: Pod, node: Node, placed: Placed) -> tuple[int, ...] | None:
    """The fullest GPUs of a node that suffice; None if there are too few."""
    left = [1000] * node.gpus
    for other, at, gpus in placed:
        if at.name == node.name:
            for d in gpus:
                left[d] -= other.gpu_milli
    able = [d for d in range(len(left)) if left[d] >= pod.gpu_milli]
    if len(able) < pod.gpus:
        return None
    return tuple(sorted(sorted(able, key=lambda d: (left[d], d))[: pod.gpus]))


def _meant(term: Term, of: Pod, other: Pod) -> bool:
    if term.namespaces == ():
        known = other.namespace == of.namespace
    else:
        known = "*" in term.namespaces or other.namespace in term.namespaces
    return known and _selected(term.selector, other.labels)


def _same(topology: str, one: Node, other: Node) -> bool:
    value = one.described.get(topology)
    return value is not None and value == other.described.get(topology)


def _near(pod: Pod, node: Node, placed: Placed) -> bool:
    for term in pod.near:
        if term.topology not in node.described:
            return False
        meant = [at for p, at, _ in placed if all(_meant(t, pod, p) for t in pod.near)]
        if not meant:
            if not all(_meant(t, pod, pod) for t in pod.near):
                return False
        elif not [at for at in meant if _same(term.topology, node, at)]:
            return False
    return True


def _apart(pod: Pod, node: Node, placed: Placed) -> bool:
    for other, at, _ in placed:
        for term in pod.apart:
            if _meant(term, pod, other) and _same(term.topology, node, at):
                return False
        for term in other.apart:
            if _meant(term, other, pod) and _same(term.topology, node, at):
                return False
    return True


def _even(pod: Pod, node: Node, nodes: tuple[Node, ...], placed: Placed, leaving: set[str]) -> bool:
    hard = [spread for spread in pod.spread if spread.hard]
    count_on = {
        n.name: n
        for n in nodes
        if _asked(pod, n) and all(spread.topology in n.described for spread in hard)
    }
    for spread in hard:
        if spread.topology not in node.described:
            return False
        sizes = {n.described[spread.topology]: 0 for n in count_on.values()}
        for other, at, _ in placed:
            if (
                at.name in count_on
                and other.key not in leaving
                and other.namespace == pod.namespace
                and _selected(spread.selector, other.labels)
            ):
                sizes[at.described[spread.topology]] += 1
        own = 1 if _selected(spread.selector, pod.labels) else 0
        here = sizes.get(node.described[spread.topology], 0) + own
        if here > min(sizes.values(), default=0) + spread.max_skew:
            return False
    return True
