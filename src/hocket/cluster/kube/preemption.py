"""DefaultPreemption: on which node, and whom, a pod of higher priority displaces.

Described in the Kubernetes documentation (Pod Priority and Preemption), and by the plug-in's own
source, version 1.33. Pods that are leaving already count among those that can be displaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from hocket.cluster.budgets import Budgets
from hocket.cluster.filters import Filters
from hocket.cluster.model.pods import Pod
from hocket.cluster.roles.pods import View
from hocket.cluster.state import Vector

SHARE_OF_NODES = 10
"""Percent of the nodes that are looked at, if that is more than `LEAST_NODES`."""
LEAST_NODES = 100


class Candidate(NamedTuple):
    """A node, and the pods that would have to leave it, the most important first."""

    node: int
    victims: tuple[Pod, ...]
    violations: int

    def rank(self, view: View) -> tuple[int, int, int, int, int]:
        """The lowest is chosen: least harm, and the youngest of the most important victims."""
        most = self.victims[0].priority
        return (
            self.violations,
            most,
            sum(victim.priority + 2**31 for victim in self.victims),
            len(self.victims),
            -min(view.started.get(v.key, 0) for v in self.victims if v.priority == most),
        )


class Displaceable:
    """What unprotected pods of each priority hold on every node; kept up to date."""

    def __init__(self, filters: Filters) -> None:
        """For the state of `filters`."""
        self.state = filters.state
        self._held: dict[int, Vector] = {}
        for j, pods in enumerate(self.state.on):
            for pod in pods.values():
                self.changed(pod, j, 1)
        self.state.watch(self)

    def changed(self, pod: Pod, node: int, by: int) -> None:
        """See Watcher.changed."""
        if pod.protected:
            return
        held = self._held.get(pod.priority)
        if held is None:
            held = self._held[pod.priority] = np.zeros_like(self.state.free)
        held[node] += by * self.state.demand(pod)

    def nodes(self, pod: Pod) -> Vector:
        """The nodes with enough of everything if all pods of lower priority were gone."""
        need = self.state.demand(pod)
        asked = np.flatnonzero(need)
        free, held = self.state.free[:, asked], np.zeros(len(self.state.nodes), dtype=np.bool_)
        for priority, amounts in self._held.items():
            if priority < pod.priority:
                free = free + amounts[:, asked]
                held |= amounts.any(axis=1)
        return np.flatnonzero(held & (free >= need[asked]).all(axis=1))


def choose(
    view: View,
    filters: Filters,
    displaceable: Displaceable,
    pod: Pod,
    nominated: Mapping[int, Sequence[Pod]],
    order: Vector,
    offset: int = 0,
) -> Candidate | None:
    """The node where least harm is done to make room for a pod; None if there is none.

    `nominated` are, by node, other pods for which room is being made there; `order` the nodes in
    the order in which they are looked at, from place `offset` on.
    """
    if not pod.preempts:
        return None
    possible = set(displaceable.nodes(pod).tolist())
    able = filters.eligibility.mask(pod)
    allowed = _allowances(view)
    wanted = max(len(order) * SHARE_OF_NODES // 100, LEAST_NODES)
    best: tuple[tuple[int, ...], Candidate] | None = None
    found = harmless = 0
    for j in np.roll(order, -offset).tolist():
        if j not in possible or not able[j]:
            continue
        candidate = _on(j, view, filters, pod, nominated.get(j, ()), allowed)
        if candidate is None:
            continue
        rank = candidate.rank(view)
        if best is None or rank < best[0]:
            best = rank, candidate
        found += 1
        harmless += not candidate.violations
        if harmless and found >= wanted:
            break
    return best[1] if best else None


def _allowances(view: View) -> Budgets | None:
    """The books of the budgets now; None where there are none."""
    if not view.scenario.budgets:
        return None
    on = [pod for pods in view.state.on for pod in pods.values()]
    up = [pod for pod in on if pod.key not in view.leaving]
    others = [pod for pod in on if pod.key in view.leaving]
    return Budgets.of(view.scenario.budgets, up, (*others, *view.waiting))


def _on(
    node: int,
    view: View,
    filters: Filters,
    pod: Pod,
    nominated: Sequence[Pod],
    budgets: Budgets | None,
) -> Candidate | None:
    """Whom a pod would displace on one node: all who can, less those who need not."""
    trial = _Trial(node, view, filters, pod, nominated)
    lower = [
        other
        for other in filters.state.on[node].values()
        if other.priority < pod.priority and not other.protected
    ]
    if not lower:
        return None
    lower.sort(key=lambda other: (-other.priority, view.started.get(other.key, 0)))
    for other in lower:
        trial.remove(other)
    if not trial.fits():
        return None
    violating = _violating(lower, budgets, view)
    violations = 0
    for other in (
        *(p for p in lower if p.key in violating),
        *(p for p in lower if p.key not in violating),
    ):
        trial.restore(other)
        if not trial.fits():
            trial.remove(other)
            violations += other.key in violating
    victims = tuple(other for other in lower if other.key in trial.gone)
    return Candidate(node, victims, violations) if victims else None


def _violating(pods: Sequence[Pod], budgets: Budgets | None, view: View) -> set[str]:
    """Of these pods, in this order, those whose loss a budget would not bear."""
    found: set[str] = set()
    if budgets is None:
        return found
    spare = [max(budgets.spare(b), 0) for b in range(len(budgets.budgets))]
    for pod in pods:
        if pod.key in view.leaving:
            continue
        for b in budgets.covering(pod):
            spare[b] -= 1
            if spare[b] < 0:
                found.add(pod.key)
    return found


class _Trial:
    """One node as if some of its pods were gone."""

    def __init__(
        self, node: int, view: View, filters: Filters, pod: Pod, nominated: Sequence[Pod]
    ) -> None:
        self.node, self.filters, self.pod, self.come = node, filters, pod, nominated
        self.leaving = view.leaving
        self.gone: dict[str, Pod] = {}
        self._demand = filters.state.demand
        self._need = self._demand(pod)
        self._asked = self._need > 0
        self._free = filters.state.free[node].copy()
        for other in nominated:
            self._free -= self._demand(other)
        self._concerned = filters.between.concern(pod) or any(p.apart or p.ports for p in nominated)

    def remove(self, pod: Pod) -> None:
        self.gone[pod.key] = pod
        self._free += self._demand(pod)

    def restore(self, pod: Pod) -> None:
        del self.gone[pod.key]
        self._free -= self._demand(pod)

    def fits(self) -> bool:
        if (self._free < self._need)[self._asked].any():
            return False
        gone = tuple(self.gone.values())
        if self.pod.gpus and not self.filters.gpus_suffice(self.pod, self.node, gone, self.come):
            return False
        if not self._concerned:
            return True
        between = self.filters.between
        if not between.ports_free(self.pod, self.node, gone, self.come):
            return False
        refusals = between.refusals(self.pod, self.node, self.leaving, gone, self.come)
        return next(refusals, None) is None
