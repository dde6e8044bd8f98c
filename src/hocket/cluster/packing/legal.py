"""Whether an assignment is one that a cluster may end in.

Pods that stay where they are may do so; those that enter a node must fit and have their terms met
once everything is in its place. Whether there is an order of steps to it is another question.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hocket.cluster.model.pods import WHOLE
from hocket.cluster.packing.case import At, Case, Vector
from hocket.cluster.packing.devices import fit


def legal(case: Case, at: At) -> bool:
    """Whether an assignment breaks no rule and makes no forbidden set of changes."""
    return next(breaches(case, at), None) is None


def breaches(case: Case, at: At) -> Iterator[str]:
    """The rules that an assignment breaks."""
    entered = (at >= 0) & (at != case.home)
    for i in np.flatnonzero(entered):
        if not case.kinds[case.kind[i]].enter[at[i]]:
            yield f"{case.keys[i]} may not enter {case.names[at[i]]}"
    for i in np.flatnonzero((case.home >= 0) & (at != case.home)):
        if case.fixed(int(i)):
            yield f"{case.keys[i]} must stay"
    used, asked = case.used(at), np.zeros_like(case.capacity)
    movers = np.flatnonzero(entered)
    np.add.at(asked, at[movers], case.demand[case.kind[movers]])
    if (used > np.where(asked > 0, case.capacity, case.limit)).any():
        yield "too much on a node"
    evicted = np.flatnonzero((case.home >= 0) & (at < 0))
    for allowance in case.allowances:
        if int(np.isin(case.kind[evicted], allowance.kinds).sum()) > allowance.most:
            yield "more evicted than a budget allows"
    if any(case.sharing):
        yield from _devices(case, at, sorted(set(at[movers].tolist())))
    if case.relations.kinds:
        yield from _terms(case, at, entered)
    if case.forbids(at):
        yield "a forbidden set of changes"


def devices_left(case: Case, at: At, node: int) -> list[int]:
    """What pods that stay leave free of every GPU of a node."""
    left = [WHOLE] * case.gpus[node]
    for i in np.flatnonzero((at == node) & (case.home == node)):
        for device in case.devices[i]:
            left[device] -= case.kinds[case.kind[i]].milli
    return left


def _devices(case: Case, at: At, nodes: list[int]) -> Iterator[str]:
    for node in nodes:
        if not case.sharing[node]:
            continue
        enter = np.flatnonzero((at == node) & (case.home != node))
        kinds = [case.kinds[case.kind[i]] for i in enter]
        if fit(devices_left(case, at, node), [(kind.gpus, kind.milli) for kind in kinds]) is None:
            yield f"the GPUs of {case.names[node]}"


def _terms(case: Case, at: At, entered: At) -> Iterator[str]:
    nodes, related = len(case.names), case.relations
    total: dict[int, Vector] = {}
    came: dict[int, Vector] = {}
    for kind in related.kinds:
        there = (case.kind == kind) & (at >= 0)
        total[kind] = np.bincount(at[there], minlength=nodes)
        came[kind] = np.bincount(at[there & entered], minlength=nodes)
    for topology, one, other in related.conflicts:
        for g, h in ((one, other), (other, one)):
            newcomers = by_domain(case, came[g], topology)
            if (by_domain(case, total[h], topology)[newcomers > 0] > (g == h)).any():
                yield "pods that must be apart are together"
    for near in related.near:
        newcomers = by_domain(case, came[near.kind], near.topology)
        meant = [total[kind] for kind in near.meant]
        there = sum((by_domain(case, m, near.topology) for m in meant), np.zeros_like(newcomers))
        alone = near.own and sum(int(m.sum()) for m in meant) == 1
        if (there[newcomers > 0] <= near.own).any() and not alone:
            yield "a pod is not near those it needs"
    for even in related.even:
        newcomers = by_domain(case, came[even.kind], even.topology)
        meant = [np.where(even.counted, total[kind], 0) for kind in even.meant]
        there = sum((by_domain(case, m, even.topology) for m in meant), np.zeros_like(newcomers))
        domains = np.unique(case.terms.domains(even.topology)[even.counted])
        if len(domains) and (there[newcomers > 0] > there[domains].min() + even.most).any():
            yield "pods are not spread evenly"


def by_domain(case: Case, counts: Vector, topology: str) -> Vector:
    """Sums of counts of nodes over the domains of a topology."""
    domains = case.terms.domains(topology)
    sums = np.zeros(int(domains.max(initial=-1)) + 1, dtype=np.int64)
    has = domains >= 0
    np.add.at(sums, domains[has], counts[has])
    return sums
