"""How many pods that a term means are on each node, kept while pods come and go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hocket.cluster.model.labels import Selector, selects
from hocket.cluster.model.pods import Node, Pod
from hocket.cluster.model.rules import Spread, Term

Counts = npt.NDArray[np.int64]
Nodes = npt.NDArray[np.bool_]

NOWHERE = -1
"""The domain of a node that lacks the label."""


class Meaning(NamedTuple):
    """Whom a term means: a selector, and the namespaces that it is about (``*`` for all)."""

    selector: Selector
    namespaces: tuple[str, ...]

    @classmethod
    def of(cls, term: Term, pod: Pod) -> Meaning:
        """The meaning of a term that a pod has."""
        return cls(term.selector, term.namespaces or (pod.namespace,))

    @classmethod
    def of_all(cls, terms: tuple[Term, ...], pod: Pod) -> Meaning:
        """Whom all of some terms that a pod has mean."""
        each = [cls.of(term, pod) for term in terms]
        bounded = [set(one.namespaces) for one in each if "*" not in one.namespaces]
        namespaces = sorted(set.intersection(*bounded)) if bounded else ["*"]
        return cls(tuple(e for one in each for e in one.selector), tuple(namespaces))

    def means(self, pod: Pod) -> bool:
        """Whether a pod is meant."""
        named = "*" in self.namespaces or pod.namespace in self.namespaces
        return named and selects(self.selector, pod.labels)


class Terms:
    """The terms ``near``, ``apart`` and ``spread`` of pods, and who is on the nodes."""

    def __init__(self, nodes: tuple[Node, ...], pods: tuple[Pod, ...]) -> None:
        """No pod is on a node yet; `pods` are all that may be."""
        self._nodes = nodes
        self._labels = [node.described for node in nodes]
        self._domains: dict[str, Counts] = {}
        self._able: dict[tuple[object, ...], Nodes] = {}
        self._by_kind: dict[tuple[str, tuple[tuple[str, str], ...]], list[Meaning]] = {}
        self._kinds: dict[str, list[Meaning]] = {}
        none = np.zeros(len(nodes), dtype=np.int64)
        self._meant: dict[Meaning, Counts] = {}
        self._staying: dict[Meaning, Counts] = {}
        self._shy: dict[tuple[Meaning, str], Counts] = {}
        for pod in pods:
            if pod.near:
                self._meant.setdefault(Meaning.of_all(pod.near, pod), none.copy())
            for term in pod.apart:
                self._meant.setdefault(Meaning.of(term, pod), none.copy())
            for term in pod.apart:
                self._shy.setdefault((Meaning.of(term, pod), term.topology), none.copy())
            for spread in pod.spread:
                if spread.hard:
                    about = Meaning(spread.selector, (pod.namespace,))
                    self._meant.setdefault(about, none.copy())
                    self._staying.setdefault(about, none.copy())
        self._shy_of: dict[Meaning, list[str]] = {}
        for about, topology in self._shy:
            self._shy_of.setdefault(about, []).append(topology)

    def put(self, pod: Pod, node: int, by: int = 1) -> None:
        """A pod is now on a node; with `by` -1, no more."""
        for about in self._meanings(pod):
            self._meant[about][node] += by
        for term in pod.apart:
            self._shy[Meaning.of(term, pod), term.topology][node] += by

    def stay(self, pod: Pod, node: int, by: int = 1) -> None:
        """A pod on a node counts for spread; with `by` -1, no more: it is leaving."""
        for about in self._meanings(pod):
            if about in self._staying:
                self._staying[about][node] += by

    def broken(self, pod: Pod, node: int) -> list[tuple[str, str]]:
        """The rules about other pods that a bind to a node would break, with what is wrong."""
        found = [*self._near(pod, node), *self._apart(pod, node)]
        found += [
            wrong
            for spread in pod.spread
            if spread.hard and (wrong := self._uneven(pod, node, spread))
        ]
        return found

    def _near(self, pod: Pod, node: int) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        if not pod.near:
            return found
        about = Meaning.of_all(pod.near, pod)
        for term in pod.near:
            domain = self.domain(term.topology)
            here = (domain == domain[node]) & (domain != NOWHERE)
            if not here[node]:
                found.append(("near", f"the node lacks the label {term.topology}"))
            elif not self._meant[about][here].any() and (
                self._meant[about].any() or not about.means(pod)
            ):
                found.append(("near", f"no pod that it wants near is there ({term.topology})"))
        return found

    def _apart(self, pod: Pod, node: int) -> list[tuple[str, str]]:
        found = [
            ("apart", f"a pod that it keeps apart from is there ({term.topology})")
            for term in pod.apart
            if self._in_domain(self._meant[Meaning.of(term, pod)], node, term.topology)
        ]
        found += [
            ("apart", f"a pod there keeps apart from it ({topology})")
            for about in self._meanings(pod)
            for topology in self._shy_of.get(about, ())
            if self._in_domain(self._shy[about, topology], node, topology)
        ]
        return found

    def _in_domain(self, counts: Counts, node: int, topology: str) -> bool:
        domain = self.domain(topology)
        if domain[node] == NOWHERE:
            return False
        return bool(counts[domain == domain[node]].any())

    def _uneven(self, pod: Pod, node: int, spread: Spread) -> tuple[str, str] | None:
        about, domain = Meaning(spread.selector, (pod.namespace,)), self.domain(spread.topology)
        if domain[node] == NOWHERE:
            return "spread", f"the node lacks the label {spread.topology}"
        able = self._spread_over(pod)
        per_domain = np.bincount(
            domain[able], weights=self._staying[about][able], minlength=int(domain.max()) + 1
        )
        known = np.bincount(domain[able], minlength=len(per_domain)) > 0
        least = int(per_domain[known].min()) if known.any() else 0
        there = int(per_domain[domain[node]]) + about.means(pod)
        if there > least + spread.max_skew:
            what = f"its domain would have {there}, and the emptiest has {least}"
            return "spread", f"{what} ({spread.topology})"
        return None

    def _spread_over(self, pod: Pod) -> Nodes:
        """The nodes that a pod's hard spreads count: those it asks for, with all their labels."""
        topologies = tuple(spread.topology for spread in pod.spread if spread.hard)
        key = (pod.selector, pod.affinity, topologies)
        if key not in self._able:
            self._able[key] = np.array(
                [
                    asked_for(pod, labels) and all(topology in labels for topology in topologies)
                    for labels in self._labels
                ],
                dtype=np.bool_,
            )
        return self._able[key]

    def domain(self, topology: str) -> Counts:
        """The number of every node's domain, `NOWHERE` where it lacks the label."""
        if topology not in self._domains:
            numbers: dict[str, int] = {}
            self._domains[topology] = np.array(
                [
                    numbers.setdefault(labels[topology], len(numbers))
                    if topology in labels
                    else NOWHERE
                    for labels in self._labels
                ],
                dtype=np.int64,
            )
        return self._domains[topology]

    def _meanings(self, pod: Pod) -> list[Meaning]:
        """All that mean a pod; pods of one namespace with the same labels share them."""
        found = self._kinds.get(pod.key)
        if found is None:
            kind = (pod.namespace, tuple(sorted(pod.labels.items())))
            if kind not in self._by_kind:
                self._by_kind[kind] = [about for about in self._meant if about.means(pod)]
            found = self._kinds[pod.key] = self._by_kind[kind]
        return found


def asked_for(pod: Pod, labels: dict[str, str]) -> bool:
    """Whether a node's labels meet a pod's selector and one of its affinity alternatives."""
    if not selects(pod.selector, labels):
        return False
    return not pod.affinity or any(selects(selector, labels) for selector in pod.affinity)
