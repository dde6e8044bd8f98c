"""Which nodes can take a pod: the filters of kube-scheduler, by the rules of the simulator.

`ineligible` is about what no other pod can change: cordons, taints, labels. `Filters` adds what the
pods on the nodes leave free and permit. Reasons read as those of Kubernetes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from hocket.cluster.filters_between import PORTS, Between, Mask
from hocket.cluster.model.labels import selects
from hocket.cluster.model.pods import Node, Pod
from hocket.cluster.model.rules import Taint
from hocket.cluster.state import State

CORDONED = "node(s) were unschedulable"
DOWN = "node(s) were not ready"
LABELS = "node(s) didn't match Pod's node affinity/selector"
GPUS = "Insufficient shared gpu"

_CALLED = {"milli_cpu": "Insufficient cpu", "pods": "Too many pods"}

NOBODY: frozenset[str] = frozenset()


def ineligible(pod: Pod, node: Node) -> str:
    """Why a node can never take a pod, whoever else runs there; empty if it can."""
    if node.cordoned:
        return CORDONED
    if node.down:
        return DOWN
    return untolerated(pod, node.taints) or ("" if meets(pod, node.described) else LABELS)


def untolerated(pod: Pod, taints: tuple[Taint, ...]) -> str:
    """The first taint that keeps a pod off, in words; empty if there is none."""
    for taint in taints:
        if taint.effect != "PreferNoSchedule" and not any(t.bears(taint) for t in pod.tolerations):
            return f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"
    return ""


def meets(pod: Pod, labels: Mapping[str, str]) -> bool:
    """Whether labels of a node are what a pod's selector and one of its alternatives ask for."""
    if not selects(pod.selector, labels):
        return False
    return not pod.affinity or any(selects(selector, labels) for selector in pod.affinity)


class Eligibility:
    """`ineligible` for all nodes at once, worked out once for all pods that ask for the same."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        """For these nodes, which do not change."""
        self.nodes = nodes
        self._labels = [node.described for node in nodes]
        self._met: dict[object, Mask] = {}
        self._able: dict[object, tuple[Mask, tuple[str, ...]]] = {}

    def mask(self, pod: Pod) -> Mask:
        """For every node, whether it can ever take the pod. Not to be changed."""
        return self._known(pod)[0]

    def reasons(self, pod: Pod) -> tuple[str, ...]:
        """For every node, why it can never take the pod; empty where it can."""
        return self._known(pod)[1]

    def meets(self, pod: Pod) -> Mask:
        """For every node, whether selector and affinity are met. Not to be changed."""
        signature = (pod.selector, pod.affinity)
        known = self._met.get(signature)
        if known is None:
            keys = sorted({e.key for selector in (pod.selector, *pod.affinity) for e in selector})
            answers: dict[tuple[str | None, ...], bool] = {}
            known = np.ones(len(self.nodes), dtype=np.bool_)
            for j, labels in enumerate(self._labels):
                values = tuple(labels.get(key) for key in keys)
                if values not in answers:
                    answers[values] = meets(pod, labels)
                known[j] = answers[values]
            self._met[signature] = known
        return known

    def _known(self, pod: Pod) -> tuple[Mask, tuple[str, ...]]:
        signature = (pod.selector, pod.affinity, pod.tolerations)
        known = self._able.get(signature)
        if known is None:
            kept_off: dict[tuple[Taint, ...], str] = {}
            reasons = []
            for node, met in zip(self.nodes, self.meets(pod).tolist(), strict=True):
                if node.taints not in kept_off:
                    kept_off[node.taints] = untolerated(pod, node.taints)
                closed = CORDONED if node.cordoned else DOWN if node.down else ""
                reasons.append(closed or kept_off[node.taints] or ("" if met else LABELS))
            mask = np.array([not reason for reason in reasons], dtype=np.bool_)
            known = self._able[signature] = (mask, tuple(reasons))
        return known


class Filters:
    """All filters for one state, with indices that are kept up to date as it changes."""

    def __init__(self, state: State) -> None:
        """For a state, whose changes it watches from now on."""
        self.state = state
        self.eligibility = Eligibility(state.nodes)
        self.between = Between(state, self.eligibility.meets)
        state.watch(self)

    @classmethod
    def of(cls, state: State) -> Filters:
        """Those of a state, made when first asked for."""
        return state.watcher(Filters) or cls(state)

    def changed(self, pod: Pod, node: int, by: int) -> None:
        """See Watcher.changed."""
        self.between.changed(pod, node, by)

    def feasible(self, pod: Pod, leaving: Collection[str] = NOBODY) -> Mask:
        """For every node, whether the pod may be bound to it now.

        `leaving` are keys of evicted pods that are still on their nodes.
        """
        able = self.eligibility.mask(pod) & self.state.room(pod)
        if able.any():
            for _, allowed in self.between.masks(pod, leaving):
                able &= allowed
        return able

    def refusal(
        self,
        pod: Pod,
        node: int,
        leaving: Collection[str] = NOBODY,
        gone: Collection[Pod] = (),
        come: Collection[Pod] = (),
    ) -> str:
        """Why a pod may not be bound to a node; empty if it may.

        As if the pods `gone` were no more on that node, and `come` were there.
        """
        return next(self._refusals(pod, node, leaving, gone, come), "")

    def summary(self, pod: Pod, leaving: Collection[str] = NOBODY) -> str:
        """Why no node takes a pod: ``0/3 nodes are available: 3 Insufficient cpu``.

        Nodes are counted once for each resource that they lack, else for the first reason alone.
        """
        left = self.eligibility.mask(pod)
        found = Counter(reason for reason in self.eligibility.reasons(pod) if reason)
        for stage in self._stages(pod, leaving):
            for reason, allowed in stage:
                found[reason] += int((left & ~allowed).sum())
            left = np.logical_and.reduce([left, *(allowed for _, allowed in stage)])
        able = f"{int(left.sum())}/{len(self.state.nodes)} nodes are available"
        told = sorted(f"{count} {reason}" for reason, count in found.items() if count)
        return f"{able}: {', '.join(told)}" if told else able

    def _stages(self, pod: Pod, leaving: Collection[str]) -> Iterator[list[tuple[str, Mask]]]:
        """The filters about other pods: what a later stage refuses, no earlier one did."""
        between = dict(self.between.masks(pod, leaving))
        if PORTS in between:
            yield [(PORTS, between.pop(PORTS))]
        state, need = self.state, self.state.demand(pod)
        enough = {k: state.free[:, k] >= need[k] for k in np.flatnonzero(need > 0).tolist()}
        stage = [(_lack(state.resources[k]), mask) for k, mask in enough.items()]
        if pod.gpus:
            stage.append((GPUS, state.room(pod) | ~np.logical_and.reduce([*enough.values()])))
        yield stage
        yield from ([one] for one in between.items())

    def _refusals(
        self,
        pod: Pod,
        node: int,
        leaving: Collection[str],
        gone: Collection[Pod],
        come: Collection[Pod],
    ) -> Iterator[str]:
        state = self.state
        if reason := self.eligibility.reasons(pod)[node]:
            yield reason
        if not self.between.ports_free(pod, node, gone, come):
            yield PORTS
        need, free = state.demand(pod), state.free[node]
        for other in gone:
            free = free + state.demand(other)
        for other in come:
            free = free - state.demand(other)
        for k in np.flatnonzero((need > 0) & (free < need)):
            yield _lack(state.resources[k])
        if pod.gpus and not self.gpus_suffice(pod, node, gone, come):
            yield GPUS
        yield from self.between.refusals(pod, node, leaving, gone, come)

    def gpus_suffice(
        self, pod: Pod, node: int, gone: Collection[Pod] = (), come: Collection[Pod] = ()
    ) -> bool:
        """Whether a node has the shared GPUs that a pod asks for, after these changes."""
        if not gone and not come:
            return bool(self.state.gpus_for(pod, node))
        left = list(self.state.devices[node])
        for other in gone:
            for device in self.state.holds.get(other.key, ()):
                left[device] += other.gpu_milli
        for other in (*come, pod):
            able = sorted((free, d) for d, free in enumerate(left) if free >= other.gpu_milli)
            if len(able) < other.gpus:
                return False
            for _, device in able[: other.gpus]:
                left[device] -= other.gpu_milli
        return True


def feasible(state: State, pod: Pod, leaving: Collection[str] = NOBODY) -> Mask:
    """For every node, whether a pod may be bound to it now."""
    return Filters.of(state).feasible(pod, leaving)


def refusal(state: State, pod: Pod, node: int, leaving: Collection[str] = NOBODY) -> str:
    """Why a pod may not be bound to a node (by its number); empty if it may."""
    return Filters.of(state).refusal(pod, node, leaving)


def summary(state: State, pod: Pod, leaving: Collection[str] = NOBODY) -> str:
    """Why no node takes a pod, in the words of Kubernetes."""
    return Filters.of(state).summary(pod, leaving)


def _lack(resource: str) -> str:
    return _CALLED.get(resource, f"Insufficient {resource}")
