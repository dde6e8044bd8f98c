"""Filters between pods: terms `near` and `apart`, hard spread, host ports.

Everything is counted by node once, and kept up to date as pods come and go. So a cluster of
thousands of pods is not looked through again for each that is placed, and where nobody has terms
nothing is counted at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from hocket.cluster.model.labels import Labels, Selector, selects
from hocket.cluster.model.pods import Pod
from hocket.cluster.model.rules import Spread, Term
from hocket.cluster.state import State, Vector

Mask = npt.NDArray[np.bool_]
Key = TypeVar("Key")

NEAR = "node(s) didn't match pod affinity rules"
APART = "node(s) didn't match pod anti-affinity rules"
KEPT_APART = "node(s) didn't satisfy existing pods anti-affinity rules"
SPREAD = "node(s) didn't match pod topology spread constraints"
SPREAD_LABEL = f"{SPREAD} (missing required label)"
PORTS = "node(s) didn't have free ports for the requested pod ports"

Who = tuple[tuple[str, ...], Selector]
"""Pods of these namespaces (``*`` for all) that a selector selects."""

Borne = tuple[str, Term, str, int]
"""What pods bear for others: ``near``, ``apart`` or ``like``, the term, their namespace, weight."""


def who(term: Term, namespace: str) -> Who:
    """The pods that a term means, from a pod of a namespace."""
    return term.namespaces or (namespace,), term.selector


def wanted_near(pod: Pod) -> Who:
    """The pods that count for the terms `near` of a pod: those that all of them mean.

    Each term asks for one of these in its own topology, as the InterPodAffinity filter of
    kube-scheduler has it; a pod that only some of the terms mean counts for none.
    """
    namespaces: tuple[str, ...] = ("*",)
    for term in pod.near:
        named, _ = who(term, pod.namespace)
        if "*" in namespaces:
            namespaces = named
        elif "*" not in named:
            namespaces = tuple(name for name in namespaces if name in named)
    return namespaces, tuple(expression for term in pod.near for expression in term.selector)


def means(wanted: Who, pod: Pod) -> bool:
    """Whether a pod is among those meant."""
    namespaces, selector = wanted
    return ("*" in namespaces or pod.namespace in namespaces) and selects(selector, pod.labels)


class Between:
    """What pods on the nodes mean for one that is to be placed."""

    def __init__(self, state: State, meets: Callable[[Pod], Mask]) -> None:
        """For a state; `meets` tells the nodes that satisfy a pod's selector and affinity."""
        self.state = state
        self._meets = meets
        self._nodes = len(state.nodes)
        self._domains: dict[str, Vector] = {}
        self._meant: dict[Who, Vector] = {}
        self._owned: dict[tuple[str, str], Vector] = {}
        self._borne: dict[Borne, Vector] = {}
        self._ports: dict[str, Vector] = {}
        # By the labels of pods: which of `_meant` and `_borne` are about them, of the first so many
        self._matching: dict[object, tuple[int, list[Vector]]] = {}
        self._facing: dict[object, tuple[int, list[Borne]]] = {}
        for j, pods in enumerate(state.on):
            for pod in pods.values():
                self.changed(pod, j, 1)

    # Counting

    def changed(self, pod: Pod, node: int, by: int) -> None:
        """A pod has come to a node (1), or gone from it (-1)."""
        if self._meant:
            for counts in self._about(pod):
                counts[node] += by
        if self._owned and (pod.namespace, pod.owner) in self._owned:
            self._owned[pod.namespace, pod.owner][node] += by
        for port in pod.ports:
            _vector(self._ports, port, self._nodes)[node] += by
        if pod.near or pod.apart or pod.likes:
            for borne in _bears(pod):
                _vector(self._borne, borne, self._nodes)[node] += by

    def meant(self, wanted: Who) -> Vector:
        """For every node, how many pods there are meant. Not to be changed."""
        counts = self._meant.get(wanted)
        if counts is None:
            counts = self._meant[wanted] = np.zeros(self._nodes, dtype=np.int64)
            for j, pods in enumerate(self.state.on):
                counts[j] = sum(means(wanted, pod) for pod in pods.values())
        return counts

    def owned(self, namespace: str, owner: str) -> Vector:
        """For every node, how many pods of an owner are there. Not to be changed."""
        counts = self._owned.get((namespace, owner))
        if counts is None:
            counts = self._owned[namespace, owner] = np.zeros(self._nodes, dtype=np.int64)
            for j, pods in enumerate(self.state.on):
                counts[j] = sum(
                    pod.owner == owner and pod.namespace == namespace for pod in pods.values()
                )
        return counts

    def facing(self, pod: Pod) -> Iterator[tuple[Borne, Vector]]:
        """What pods on nodes bear that is about this pod, and how many do on each node."""
        if not self._borne:
            return
        key = _kind(pod)
        known, found = self._facing.get(key, (0, []))
        if known < len(self._borne):
            for borne in list(self._borne)[known:]:
                _, term, namespace, _ = borne
                if term.means(namespace, pod.namespace, pod.labels):
                    found.append(borne)
            self._facing[key] = (len(self._borne), found)
        for borne in found:
            yield borne, self._borne[borne]

    def domains(self, topology: str) -> Vector:
        """For every node, the number of its domain of a topology; -1 without the label."""
        known = self._domains.get(topology)
        if known is None:
            numbers: dict[str, int] = {}
            values = [node.label(topology) for node in self.state.nodes]
            known = np.array(
                [-1 if v is None else numbers.setdefault(v, len(numbers)) for v in values],
                dtype=np.int64,
            )
            self._domains[topology] = known
        return known

    def around(self, counts: Vector, topology: str) -> Vector:
        """For every node, the sum of counts over its domain; 0 where it has none."""
        domains = self.domains(topology)
        sums = np.zeros(int(domains.max(initial=-1)) + 2, dtype=np.int64)
        np.add.at(sums, domains, counts)  # what has no domain goes to the last place
        sums[-1] = 0
        return sums[domains]

    # Filters

    def concern(self, pod: Pod) -> bool:
        """Whether other pods can keep this one off a node, but for what they take of it."""
        if pod.ports or pod.near or pod.apart or any(spread.hard for spread in pod.spread):
            return True
        return any(borne[0] == "apart" for borne, _ in self.facing(pod))

    def masks(self, pod: Pod, leaving: Collection[str]) -> Iterator[tuple[str, Mask]]:
        """For every filter that is about this pod: its reason, and the nodes that it lets pass."""
        if pod.ports:
            yield PORTS, ~self._taken(pod)
        if any(spread.hard for spread in pod.spread):
            yield from self._spread_masks(pod, leaving)
        if pod.near:
            allowed = np.ones(self._nodes, dtype=np.bool_)
            wanted = wanted_near(pod)
            counts = self.meant(wanted)
            first = not counts.any() and means(wanted, pod)
            for term in pod.near:
                around = self.around(counts, term.topology) > 0
                allowed &= self.domains(term.topology) >= 0 if first else around
            yield NEAR, allowed
        if pod.apart:
            allowed = np.ones(self._nodes, dtype=np.bool_)
            for term in pod.apart:
                counts = self.meant(who(term, pod.namespace))
                allowed &= self.around(counts, term.topology) == 0
            yield APART, allowed
        kept = [self.around(n, b[1].topology) for b, n in self.facing(pod) if b[0] == "apart"]
        if kept:
            yield KEPT_APART, np.add.reduce(kept) == 0

    def ports_free(
        self, pod: Pod, node: int, gone: Collection[Pod] = (), come: Collection[Pod] = ()
    ) -> bool:
        """Whether a node has a pod's ports free, as if `gone` were off it and `come` on it."""
        for port in pod.ports:
            taken = int(self._ports[port][node]) if port in self._ports else 0
            taken += sum(port in other.ports for other in come)
            if taken > sum(port in other.ports for other in gone):
                return False
        return True

    def refusals(
        self,
        pod: Pod,
        node: int,
        leaving: Collection[str],
        gone: Collection[Pod] = (),
        come: Collection[Pod] = (),
    ) -> Iterator[str]:
        """Why terms and spread keep a pod off a node, as if `gone` were off it and `come` on it."""
        changes = [*((other, -1) for other in gone), *((other, 1) for other in come)]
        if any(spread.hard for spread in pod.spread):
            yield from self._spread_refusals(pod, node, leaving, changes)
        if pod.near and not self._near_here(pod, node, changes):
            yield NEAR
        for term in pod.apart:
            wanted = who(term, pod.namespace)
            if self._there(self.meant(wanted), term, node, _change(changes, wanted)):
                yield APART
        yield from self._kept_apart(pod, node, changes)

    def _near_here(self, pod: Pod, node: int, changes: list[tuple[Pod, int]]) -> bool:
        wanted = wanted_near(pod)
        counts, change = self.meant(wanted), _change(changes, wanted)
        if all(self._there(counts, term, node, change) > 0 for term in pod.near):
            return True
        labelled = all(self.domains(term.topology)[node] >= 0 for term in pod.near)
        return labelled and not int(counts.sum()) + change and means(wanted, pod)

    def _kept_apart(self, pod: Pod, node: int, changes: list[tuple[Pod, int]]) -> Iterator[str]:
        for borne, counts in self.facing(pod):
            if borne[0] == "apart":
                change = sum(by * _bears(other).count(borne) for other, by in changes)
                if self._there(counts, borne[1], node, change):
                    yield KEPT_APART
        for other, by in changes:
            for term in other.apart if by > 0 else ():
                meant = term.means(other.namespace, pod.namespace, pod.labels)
                if meant and self.domains(term.topology)[node] >= 0:
                    yield KEPT_APART

    def _there(self, counts: Vector, term: Term, node: int, change: int) -> int:
        """How many of those counted are in the domain of a node, after a change on that node."""
        domains = self.domains(term.topology)
        if domains[node] < 0:
            return 0
        return int(counts[domains == domains[node]].sum()) + change

    def _taken(self, pod: Pod) -> Mask:
        taken = np.zeros(self._nodes, dtype=np.bool_)
        for port in pod.ports:
            if port in self._ports:
                taken |= self._ports[port] > 0
        return taken

    # Spread

    def staying(self, wanted: Who, leaving: Collection[str]) -> Vector:
        """For every node, how many pods are meant that are not leaving."""
        counts = self.meant(wanted)
        if leaving:
            counts = counts.copy()
            for key in leaving:
                node = self.state.where.get(key)
                if node is not None:
                    counts[node] -= means(wanted, self.state.on[node][key])
        return counts

    def _counted(self, pod: Pod) -> Mask:
        """The nodes whose pods count for a pod's hard spreads."""
        counted = self._meets(pod).copy()
        for spread in pod.spread:
            if spread.hard:
                counted &= self.domains(spread.topology) >= 0
        return counted

    def _even(
        self, pod: Pod, spread: Spread, counted: Mask, counts: Vector
    ) -> tuple[Vector, int, int]:
        """Pods by domain, the least of them, and how many a domain may have before this pod."""
        domains = self.domains(spread.topology)
        sums = np.zeros(int(domains.max(initial=-1)) + 1, dtype=np.int64)
        np.add.at(sums, domains[counted], counts[counted])
        present = np.unique(domains[counted])
        least = int(sums[present].min()) if len(present) else 0
        return sums, least, least + spread.max_skew - selects(spread.selector, pod.labels)

    def _spread_masks(self, pod: Pod, leaving: Collection[str]) -> Iterator[tuple[str, Mask]]:
        labelled = np.ones(self._nodes, dtype=np.bool_)
        even = np.ones(self._nodes, dtype=np.bool_)
        counted = self._counted(pod)
        for spread in pod.spread:
            if spread.hard:
                domains = self.domains(spread.topology)
                counts = self.staying(((pod.namespace,), spread.selector), leaving)
                sums, _, most = self._even(pod, spread, counted, counts)
                labelled &= domains >= 0
                even &= np.append(sums, 0)[domains] <= most
        yield SPREAD_LABEL, labelled
        yield SPREAD, even

    def _spread_refusals(
        self, pod: Pod, node: int, leaving: Collection[str], changes: list[tuple[Pod, int]]
    ) -> Iterator[str]:
        hard = [spread for spread in pod.spread if spread.hard]
        if any(self.domains(spread.topology)[node] < 0 for spread in hard):
            yield SPREAD_LABEL
            return
        counted = self._counted(pod)
        for spread in hard:
            wanted = ((pod.namespace,), spread.selector)
            counts = self.staying(wanted, leaving).copy()
            counts[node] += sum(
                by for p, by in changes if means(wanted, p) and p.key not in leaving
            )
            sums, _, most = self._even(pod, spread, counted, counts)
            if sums[self.domains(spread.topology)[node]] > most:
                yield SPREAD

    # Indices

    def _about(self, pod: Pod) -> list[Vector]:
        """The counts of `_meant` that a pod adds to."""
        key = _kind(pod)
        known, found = self._matching.get(key, (0, []))
        if known < len(self._meant):
            for wanted, counts in list(self._meant.items())[known:]:
                if means(wanted, pod):
                    found.append(counts)
            self._matching[key] = (len(self._meant), found)
        return found


def _vector(index: dict[Key, Vector], key: Key, size: int) -> Vector:
    if key not in index:
        index[key] = np.zeros(size, dtype=np.int64)
    return index[key]


def _kind(pod: Pod) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What terms see of a pod."""
    labels: Labels = pod.labels
    return pod.namespace, tuple(sorted(labels.items()))


def _bears(pod: Pod) -> list[Borne]:
    """What a pod on a node means for others that come."""
    return [
        *(("near", term, pod.namespace, 0) for term in pod.near),
        *(("apart", term, pod.namespace, 0) for term in pod.apart),
        *(("like", like.term, pod.namespace, like.weight) for like in pod.likes),
    ]


def _change(changes: list[tuple[Pod, int]], wanted: Who) -> int:
    return sum(by for other, by in changes if means(wanted, other))
