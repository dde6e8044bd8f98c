"""The scores of the default plug-ins said once more, node by node, in plain arithmetic."""

from __future__ import annotations

import math

from hocket.cluster.model.labels import selects
from hocket.cluster.model.pods import HOSTNAME, ZONE, Node, Pod
from hocket.cluster.model.rules import Spread

Placed = list[tuple[Pod, Node]]


def scores(
    pod: Pod, able: list[Node], nodes: tuple[Node, ...], placed: Placed, leaving: set[str]
) -> list[int]:
    """The weighted sum for every node that passed the filters."""
    fit = [_fit(pod, node, placed) for node in able]
    balance = [_balance(pod, node, placed) for node in able]
    taints = _normal([_shy(pod, node) for node in able])
    wishes = _normal([_liked(pod, node) for node in able])
    company = _stretched([_company(pod, node, placed) for node in able])
    even = _even(pod, able, nodes, placed, leaving)
    return [
        f + b + 3 * (100 - t) + 2 * w + 2 * c + 2 * e
        for f, b, t, w, c, e in zip(fit, balance, taints, wishes, company, even, strict=True)
    ]


def _asked(pod: Pod, resource: str) -> int:
    return pod.requests.get(resource, 100 if resource == "milli_cpu" else 209715200)


def _fit(pod: Pod, node: Node, placed: Placed) -> int:
    parts = []
    for resource in ("milli_cpu", "memory"):
        has = node.allocatable.get(resource, 0)
        if has:
            taken = _asked(pod, resource)
            taken += sum(_asked(other, resource) for other, at in placed if at is node)
            parts.append(0 if taken > has else (has - taken) * 100 // has)
    return sum(parts) // len(parts) if parts else 0


def _balance(pod: Pod, node: Node, placed: Placed) -> int:
    if not pod.requests.get("milli_cpu") and not pod.requests.get("memory"):
        return 0
    shares = []
    for resource in ("milli_cpu", "memory"):
        has = node.allocatable.get(resource, 0)
        if has:
            taken = pod.requests.get(resource, 0)
            taken += sum(other.requests.get(resource, 0) for other, at in placed if at is node)
            shares.append(min(taken / has, 1.0))
    apart = abs((shares[0] - shares[1]) / 2) if len(shares) == 2 else 0.0
    return int((1 - apart) * 100)


def _shy(pod: Pod, node: Node) -> int:
    able = [t for t in pod.tolerations if t.effect in ("", "PreferNoSchedule")]
    return len(
        [
            taint
            for taint in node.taints
            if taint.effect == "PreferNoSchedule" and not any(t.bears(taint) for t in able)
        ]
    )


def _liked(pod: Pod, node: Node) -> int:
    return sum(p.weight for p in pod.prefers if selects(p.selector, node.described))


def _company(pod: Pod, node: Node, placed: Placed) -> int:
    total = 0
    for other, at in placed:
        for like in pod.likes:
            if like.term.means(pod.namespace, other.namespace, other.labels):
                total += like.weight * _same(like.term.topology, node, at)
        for like in other.likes:
            if like.term.means(other.namespace, pod.namespace, pod.labels):
                total += like.weight * _same(like.term.topology, node, at)
        for term in other.near:
            if term.means(other.namespace, pod.namespace, pod.labels):
                total += _same(term.topology, node, at)
    return total


def _same(topology: str, one: Node, other: Node) -> bool:
    value = one.described.get(topology)
    return value is not None and value == other.described.get(topology)


def _even(
    pod: Pod, able: list[Node], nodes: tuple[Node, ...], placed: Placed, leaving: set[str]
) -> list[int]:
    soft = [spread for spread in pod.spread if not spread.hard]
    default = not pod.spread and bool(pod.owner)
    if default:
        soft = [
            Spread(topology=HOSTNAME, max_skew=3, hard=False),
            Spread(topology=ZONE, max_skew=5, hard=False),
        ]
    if not soft:
        return [0] * len(able)
    keys = [] if default else [spread.topology for spread in soft]
    counted = [node for node in able if all(key in node.described for key in keys)]
    found = {}
    for node in counted:
        total = 0.0
        for spread in soft:
            if spread.topology not in node.described:
                continue
            if spread.topology == HOSTNAME:
                size, where = len(counted), [node]
            else:
                size = len({n.described.get(spread.topology) for n in counted})
                where = [
                    n
                    for n in nodes
                    if _same(spread.topology, n, node)
                    and all(key in n.described for key in keys)
                    and selects(pod.selector, n.described)
                ]
            count = sum(
                other.namespace == pod.namespace
                and other.key not in leaving
                and any(at is n for n in where)
                and (
                    other.owner == pod.owner if default else selects(spread.selector, other.labels)
                )
                for other, at in placed
            )
            total += count * math.log(size + 2) + (spread.max_skew - 1)
        found[node.name] = math.floor(total + 0.5)
    least, most = min(found.values(), default=0), max(found.values(), default=0)
    return [
        0 if n.name not in found else 100 * (most + least - found[n.name]) // most if most else 100
        for n in able
    ]


def _normal(found: list[int]) -> list[int]:
    most = max(found)
    return [100 * value // most if most else 0 for value in found]


def _stretched(found: list[int]) -> list[int]:
    least, span = min(found), max(found) - min(found)
    return [int(100 * ((value - least) / span)) if span else 0 for value in found]
