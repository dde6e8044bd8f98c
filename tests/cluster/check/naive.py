"""The rules of binds, word for word and as slow as they come: every count is made anew."""

from __future__ import annotations

from hocket.cluster.model.labels import selects
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.model.rules import Spread, Term

On = list[tuple[Pod, Node, tuple[int, ...]]]
"""Pods on nodes, with their GPUs."""


def may_be_bound(
    cluster: Pods, on: On, leaving: set[str], pod: Pod, node: Node, gpus: tuple[int, ...]
) -> bool:
    """Rules 2 and 3 of the simulator."""
    return (
        not node.cordoned
        and not node.down
        and _tolerates(pod, node)
        and _wants(pod, node)
        and _has_room(on, pod, node)
        and _has_gpus(on, pod, node, gpus)
        and not any(p in other.ports for other, at, _ in on if at is node for p in pod.ports)
        and all(_near(on, pod, node, term) for term in pod.near)
        and _apart(on, pod, node)
        and all(_even(cluster, on, leaving, pod, node, spread) for spread in _hard(pod))
    )


def _tolerates(pod: Pod, node: Node) -> bool:
    return all(
        any(toleration.bears(taint) for toleration in pod.tolerations)
        for taint in node.taints
        if taint.effect in ("NoSchedule", "NoExecute")
    )


def _wants(pod: Pod, node: Node) -> bool:
    labels = node.described
    return selects(pod.selector, labels) and (
        not pod.affinity or any(selects(alternative, labels) for alternative in pod.affinity)
    )


def _has_room(on: On, pod: Pod, node: Node) -> bool:
    there = [other for other, at, _ in on if at is node]
    if len(there) + 1 > node.allocatable.get("pods", len(there) + 1):
        return False
    return all(
        sum(other.requests.get(name, 0) for other in there) + amount
        <= node.allocatable.get(name, 0)
        for name, amount in pod.requests.items()
        if amount
    )


def _has_gpus(on: On, pod: Pod, node: Node, gpus: tuple[int, ...]) -> bool:
    if len(gpus) != pod.gpus:
        return False
    for gpu in gpus:
        used = sum(other.gpu_milli for other, at, held in on if at is node and gpu in held)
        if gpu >= node.gpus or used + pod.gpu_milli > 1000:
            return False
    return True


def _near(on: On, pod: Pod, node: Node, term: Term) -> bool:
    domain = node.label(term.topology)
    if domain is None:
        return False
    meant = [at for other, at, _ in on if all(_means(t, pod, other) for t in pod.near)]
    if any(at.label(term.topology) == domain for at in meant):
        return True
    return not meant and all(_means(t, pod, pod) for t in pod.near)


def _apart(on: On, pod: Pod, node: Node) -> bool:
    for other, at, _ in on:
        for term, mine in ((term, True) for term in pod.apart):
            same = at.label(term.topology) == node.label(term.topology)
            if mine and same and node.label(term.topology) and _means(term, pod, other):
                return False
        for term in other.apart:
            same = at.label(term.topology) == node.label(term.topology)
            if same and node.label(term.topology) and _means(term, other, pod):
                return False
    return True


def _hard(pod: Pod) -> list[Spread]:
    return [spread for spread in pod.spread if spread.hard]


def _even(cluster: Pods, on: On, leaving: set[str], pod: Pod, node: Node, spread: Spread) -> bool:
    if node.label(spread.topology) is None:
        return False
    counted = [
        at
        for at in cluster.nodes
        if _wants(pod, at) and all(at.label(s.topology) is not None for s in _hard(pod))
    ]

    def pods(domain: str | None) -> int:
        return sum(
            other.namespace == pod.namespace
            and selects(spread.selector, other.labels)
            and other.key not in leaving
            for other, at, _ in on
            if at in counted and at.label(spread.topology) == domain
        )

    least = min((pods(at.label(spread.topology)) for at in counted), default=0)
    itself = selects(spread.selector, pod.labels)
    return pods(node.label(spread.topology)) + itself - least <= spread.max_skew


def _means(term: Term, whose: Pod, other: Pod) -> bool:
    return term.means(whose.namespace, other.namespace, other.labels)
