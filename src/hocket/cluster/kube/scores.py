"""The scores of kube-scheduler's default plug-ins, for many nodes at once.

Each plug-in scores every node that passed the filters from 0 to 100, in whole numbers; the scores
are added with the weights of the default configuration. Described in the Kubernetes documentation
(Scheduling, Preemption and Eviction) and by the plug-ins' own sources, version 1.33.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Literal

import numpy as np
import numpy.typing as npt

from hocket.cluster.filters import Filters
from hocket.cluster.filters_between import who
from hocket.cluster.model.labels import selects
from hocket.cluster.model.pods import HOSTNAME, ZONE, Pod
from hocket.cluster.model.rules import Spread
from hocket.cluster.roles.pods import View
from hocket.cluster.state import State, Vector

Strategy = Literal["LeastAllocated", "MostAllocated"]
Nodes = npt.NDArray[np.intp]

BEST = 100
CPU_UNSAID = 100
"""Thousandths of a core that a pod counts for when it does not say."""
MEMORY_UNSAID = 200 * 2**20

WEIGHTS = {
    "NodeResourcesFit": 1,
    "NodeResourcesBalancedAllocation": 1,
    "TaintToleration": 3,
    "NodeAffinity": 2,
    "InterPodAffinity": 2,
    "PodTopologySpread": 2,
}

OWNED = (
    Spread(topology=HOSTNAME, max_skew=3, hard=False),
    Spread(topology=ZONE, max_skew=5, hard=False),
)
"""How pods of an owner are spread that say nothing of it themselves."""


class Scores:
    """Scores for one state. It watches the state, and adds up what pods count for."""

    def __init__(self, filters: Filters, strategy: Strategy, spread_owned: bool) -> None:
        """`spread_owned`: whether pods of one owner are spread by default (`OWNED`)."""
        self.state, self.filters = filters.state, filters
        self.strategy, self.spread_owned = strategy, spread_owned
        self._capacity = self.state.capacity[:, :2]  # cpu and memory
        self._counted = np.zeros_like(self._capacity)
        self._shy: dict[object, Vector] = {}
        self._liked: dict[object, Vector] = {}
        for j, pods in enumerate(self.state.on):
            for pod in pods.values():
                self._counted[j] += counts_for(pod)
        self.state.watch(self)

    def changed(self, pod: Pod, node: int, by: int) -> None:
        """See Watcher.changed."""
        self._counted[node] += by * counts_for(pod)

    def parts(self, view: View, pod: Pod, nodes: Nodes) -> dict[str, Vector]:
        """The scores of these nodes by plug-in; plug-ins that have nothing to say are left out."""
        found = {"NodeResourcesFit": self.fit(pod, nodes)}
        if pod.requests.get("milli_cpu") or pod.requests.get("memory"):
            found["NodeResourcesBalancedAllocation"] = self.balance(pod, nodes)
        shy = self._shyness(pod)
        if shy.any():
            found["TaintToleration"] = BEST - normal(shy[nodes])
        if pod.prefers:
            found["NodeAffinity"] = normal(self._liking(pod)[nodes])
        company = self.company(pod)
        if company is not None:
            found["InterPodAffinity"] = stretched(company[nodes])
        spread = self._soft(pod)
        if spread:
            found["PodTopologySpread"] = self.evenness(view, pod, spread, nodes)
        return found

    def fit(self, pod: Pod, nodes: Nodes) -> Vector:
        """NodeResourcesFit: the mean share of cpu and memory that is free, or taken, afterwards."""
        capacity = self._capacity[nodes]
        taken = self._counted[nodes] + counts_for(pod)
        known = capacity > 0
        size = np.where(known, capacity, 1)
        if self.strategy == "LeastAllocated":
            each = np.where(known & (taken <= capacity), (capacity - taken) * BEST // size, 0)
        else:
            each = np.where(known, np.minimum(taken, capacity) * BEST // size, 0)
        score: Vector = each.sum(axis=1) // np.maximum(known.sum(axis=1), 1)
        return score

    def balance(self, pod: Pod, nodes: Nodes) -> Vector:
        """NodeResourcesBalancedAllocation: how alike the shares of cpu and memory are."""
        capacity = self._capacity[nodes]
        taken = capacity - self.state.free[nodes, :2] + self.state.demand(pod)[:2]
        known = capacity > 0
        share = np.minimum(taken / np.where(known, capacity, 1), 1.0)
        apart = np.where(known.all(axis=1), np.abs((share[:, 0] - share[:, 1]) / 2), 0.0)
        return ((1 - apart) * BEST).astype(np.int64)

    def company(self, pod: Pod) -> Vector | None:
        """InterPodAffinity before it is normalised, for all nodes; None if nobody cares.

        What the pod likes counts, what pods on nodes like about it, and once each pod that must
        be near pods such as this.
        """
        between = self.filters.between
        found = [
            like.weight
            * between.around(between.meant(who(like.term, pod.namespace)), like.term.topology)
            for like in pod.likes
        ]
        for (kind, term, _, weight), bearers in between.facing(pod):
            if kind != "apart":
                times = weight if kind == "like" else 1
                found.append(times * between.around(bearers, term.topology))
        return np.add.reduce(found) if found else None

    def evenness(self, view: View, pod: Pod, spread: tuple[Spread, ...], nodes: Nodes) -> Vector:
        """PodTopologySpread: fewer selected pods in the node's domains are better."""
        between, total = self.filters.between, np.zeros(len(nodes))
        labelled = np.ones(len(self.state.nodes), dtype=np.bool_)
        if spread is not OWNED:  # by default a missing label only leaves that topology out
            for one in spread:
                labelled &= between.domains(one.topology) >= 0
        here = nodes[labelled[nodes]]
        for one in spread:
            domains = between.domains(one.topology)
            counts = self._selected(view, pod, one, spread is OWNED)
            if one.topology != HOSTNAME:
                counts = np.where(labelled & self.filters.eligibility.meets(pod), counts, 0)
                counts = between.around(counts, one.topology)
                size = len(np.unique(domains[here]))
            else:
                size = len(here)
            each = counts[nodes] * log(size + 2) + (one.max_skew - 1)
            total += np.where(domains[nodes] >= 0, each, 0.0)
        rounded = np.floor(total + 0.5).astype(np.int64)
        return _reversed(rounded, labelled[nodes])

    def _selected(self, view: View, pod: Pod, spread: Spread, owned: bool) -> Vector:
        between, state = self.filters.between, self.state
        if not owned:
            return between.staying(((pod.namespace,), spread.selector), view.leaving)
        counts = between.owned(pod.namespace, pod.owner)
        if view.leaving:
            counts = counts.copy()
            for key in view.leaving:
                node = state.where.get(key, -1)
                other = state.on[node].get(key) if node >= 0 else None
                if other and (other.namespace, other.owner) == (pod.namespace, pod.owner):
                    counts[node] -= 1
        return counts

    def _soft(self, pod: Pod) -> tuple[Spread, ...]:
        if not pod.spread:
            return OWNED if pod.owner and self.spread_owned else ()
        return tuple(spread for spread in pod.spread if not spread.hard)

    def _shyness(self, pod: Pod) -> Vector:
        """How many taints of each node would rather keep the pod off."""
        known = self._shy.get(pod.tolerations)
        if known is None:
            able = [t for t in pod.tolerations if t.effect in ("", "PreferNoSchedule")]
            known = self._shy[pod.tolerations] = _each(
                self.state,
                lambda j: sum(
                    taint.effect == "PreferNoSchedule" and not any(t.bears(taint) for t in able)
                    for taint in self.state.nodes[j].taints
                ),
            )
        return known

    def _liking(self, pod: Pod) -> Vector:
        """The weights of what the pod prefers that each node meets."""
        known = self._liked.get(pod.prefers)
        if known is None:
            labels = [node.described for node in self.state.nodes]
            known = self._liked[pod.prefers] = _each(
                self.state,
                lambda j: sum(p.weight for p in pod.prefers if selects(p.selector, labels[j])),
            )
        return known


def total(parts: dict[str, Vector]) -> Vector:
    """The weighted sum of the plug-ins' scores."""
    scores: Vector = np.add.reduce([WEIGHTS[name] * score for name, score in parts.items()])
    return scores


def counts_for(pod: Pod) -> Vector:
    """The cpu and memory that a pod counts for in NodeResourcesFit, also when it asks for none."""
    asked = pod.requests
    return np.array(
        [asked.get("milli_cpu", CPU_UNSAID), asked.get("memory", MEMORY_UNSAID)], dtype=np.int64
    )


def normal(scores: Vector) -> Vector:
    """Scores as shares of the largest, from 0 to 100; all 0 if that is 0."""
    largest = int(scores.max(initial=0))
    return scores * BEST // largest if largest else np.zeros_like(scores)


def stretched(scores: Vector) -> Vector:
    """Scores stretched from the least to the largest; all 0 if they are equal."""
    least, span = int(scores.min()), int(scores.max() - scores.min())
    if not span:
        return np.zeros_like(scores)
    return (BEST * ((scores - least) / span)).astype(np.int64)


def _reversed(scores: Vector, counted: npt.NDArray[np.bool_]) -> Vector:
    """The least gets 100; what is not counted gets nothing."""
    if not counted.any():
        return np.zeros_like(scores)
    least, largest = int(scores[counted].min()), int(scores[counted].max())
    if not largest:
        return np.where(counted, BEST, 0)
    return np.where(counted, BEST * (largest + least - scores) // largest, 0)


def _each(state: State, score: Callable[[int], int]) -> Vector:
    return np.array([score(j) for j in range(len(state.nodes))], dtype=np.int64)
