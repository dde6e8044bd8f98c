"""What is free on every node while pods are placed one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hocket.cluster.model.pods import WHOLE
from hocket.cluster.packing.case import NOWHERE, At, Case, Mask, Vector
from hocket.cluster.packing.devices import fit
from hocket.cluster.packing.legal import by_domain, devices_left
from hocket.cluster.packing.terms import Conflict, Evenness, Nearness

_KINDS = 256
"""Of so many kinds of pods it is kept how they see the nodes."""


class _Sight:
    """How a kind of pods sees every node: whether one could enter, and how alike what is free is.

    It knows of the first `changes` changes of the board.
    """

    __slots__ = ("able", "changes", "likeness")

    def __init__(self, able: Mask, likeness: npt.NDArray[np.float64], changes: int) -> None:
        self.able, self.likeness, self.changes = able, likeness, changes


class Board:
    """An assignment in the making.

    - `at`: the assignment; `free`: amounts left (nodes, resources)
    - `devices`: what is left of every shared GPU (nodes, GPUs), -1 where there is none
    """

    def __init__(self, case: Case, at: At, nodes: Sequence[int] | None = None) -> None:
        """For an assignment, which is copied; with `nodes`, pods are placed on these alone."""
        self.case, self.at = case, at.copy()
        self.open: Mask = np.full(len(case.names), nodes is None)
        if nodes is not None:
            self.open[list(nodes)] = True
        self.free = case.capacity - case.used(at)
        self.asked = np.zeros_like(case.capacity)
        came = np.flatnonzero((at >= 0) & (at != case.home))
        np.add.at(self.asked, at[came], case.demand[case.kind[came]])
        self.devices = np.full((len(case.names), max(case.gpus, default=0)), -1, dtype=np.int64)
        self._holds: dict[int, tuple[int, ...]] = {}
        self._shared = any(case.sharing)
        if self._shared:
            self._deal(came)
        self._mean = np.maximum(case.capacity.mean(axis=0), 1)
        self._changed: list[int] = []
        self._views: dict[int, _Sight] = {}
        self._on = {
            kind: np.bincount(at[(case.kind == kind) & (at >= 0)], minlength=len(case.names))
            for kind in case.relations.kinds
        }
        self._conflicts: dict[int, list[tuple[Conflict, int]]] = {}
        self._near: dict[int, list[Nearness]] = {}
        self._even: dict[int, list[Evenness]] = {}
        for conflict in case.relations.conflicts:
            for g, h in {(conflict.one, conflict.other), (conflict.other, conflict.one)}:
                self._conflicts.setdefault(g, []).append((conflict, h))
        for near in case.relations.near:
            self._near.setdefault(near.kind, []).append(near)
        for even in case.relations.even:
            self._even.setdefault(even.kind, []).append(even)

    def _deal(self, came: Vector) -> None:
        """Give GPUs to the pods of the assignment: those that stay have theirs."""
        case = self.case
        for j, gpus in enumerate(case.gpus):
            self.devices[j, :gpus] = WHOLE
        there = (self.at >= 0) & self.open[self.at]
        for i in np.flatnonzero(there & (self.at == case.home)).tolist():
            self._hold(i, int(self.at[i]), case.devices[i])
        by_node: dict[int, list[int]] = {}
        for i in came[there[came]].tolist():
            if case.kinds[case.kind[i]].gpus:
                by_node.setdefault(int(self.at[i]), []).append(i)
        for j, pods in by_node.items():
            kinds = [case.kinds[case.kind[i]] for i in pods]
            found = fit(devices_left(case, self.at, j), [(k.gpus, k.milli) for k in kinds])
            for i, held in zip(pods, found or [()] * len(pods), strict=True):
                self._hold(i, j, held)

    def _hold(self, pod: int, node: int, gpus: tuple[int, ...]) -> None:
        self._holds[pod] = gpus
        for device in gpus:
            self.devices[node, device] -= self.case.kinds[self.case.kind[pod]].milli

    def room(self, number: int) -> Mask:
        """The nodes that a pod of this kind can enter now."""
        able = self._seen(number).able.copy()
        if self._on and able.any():
            self._terms(number, able)
        return able

    def _seen(self, number: int) -> _Sight:
        """What a pod of this kind sees of all nodes; only what changed since is looked at."""
        sight = self._views.get(number)
        if sight is None:
            if len(self._views) >= _KINDS:
                self._views.clear()
            count = len(self.case.names)
            sight = _Sight(np.zeros(count, dtype=np.bool_), np.zeros(count), 0)
            self._look(number, sight, np.arange(count))
            self._views[number] = sight
        elif sight.changes < len(self._changed):
            nodes = np.unique(np.array(self._changed[sight.changes :], dtype=np.int64))
            self._look(number, sight, nodes)
        sight.changes = len(self._changed)
        return sight

    def _look(self, number: int, sight: _Sight, nodes: Vector) -> None:
        kind, demand = self.case.kinds[number], self.case.demand[number]
        free = self.free[nodes]
        able = kind.enter[nodes] & self.open[nodes] & (free >= demand)[:, demand > 0].all(axis=1)
        if kind.gpus and self._shared:
            able &= (self.devices[nodes] >= kind.milli).sum(axis=1) >= kind.gpus
        shares = free / self._mean
        length = np.maximum(np.sqrt((shares * shares).sum(axis=1)), 1e-12)
        sight.able[nodes] = able
        sight.likeness[nodes] = (shares * (demand / self._mean)).sum(axis=1) / length

    def _terms(self, number: int, able: Mask) -> None:
        for conflict, other in self._conflicts.get(number, ()):
            able &= self._around(self._on[other], conflict.topology) == 0
        for near in self._near.get(number, ()):
            meant = self._total(near.meant)
            if meant.any() or not near.own:
                able &= self._around(meant, near.topology) > 0
        for even in self._even.get(number, ()):
            sums = by_domain(
                self.case, np.where(even.counted, self._total(even.meant), 0), even.topology
            )
            domains = self.case.terms.domains(even.topology)
            counted = np.unique(domains[even.counted])
            if len(counted):
                most = sums[counted].min() + even.most - (number in even.meant)
                able &= np.append(sums, 0)[domains] <= most

    def _total(self, kinds: tuple[int, ...]) -> Vector:
        return sum((self._on[kind] for kind in kinds), np.zeros(len(self.case.names), np.int64))

    def _around(self, counts: Vector, topology: str) -> Vector:
        return np.append(by_domain(self.case, counts, topology), 0)[
            self.case.terms.domains(topology)
        ]

    def likest(self, number: int, able: Mask) -> int:
        """Of the nodes that are able, the one whose free amounts are most like what a pod asks for.

        The cosine between both, resources as shares of a mean node: so pods that need no GPU keep
        off nodes that have some free, and what is left on a node stays in balance.
        """
        return int(np.argmax(np.where(able, self._seen(number).likeness, -np.inf)))

    def may_stay(self, pod: int) -> bool:
        """Whether a pod that was taken off its home can be left there after all."""
        case, j, kind = self.case, int(self.case.home[pod]), int(self.case.kind[pod])
        if not self.open[j]:
            return False
        demand = case.demand[kind]
        limit = np.where(self.asked[j] > 0, case.capacity[j], case.limit[j])
        used = case.capacity[j] - self.free[j]
        fits = bool(((used + demand <= limit) | (demand == 0)).all())
        milli = case.kinds[kind].milli
        return fits and all(self.devices[j, d] >= milli for d in case.devices[pod])

    def place(self, pod: int, node: int) -> None:
        """Put a pod on a node; its home gives it back the GPUs it has."""
        case, number = self.case, int(self.case.kind[pod])
        kind = case.kinds[number]
        self.free[node] -= case.demand[number]
        self.at[pod] = node
        self._changed.append(node)
        if number in self._on:
            self._on[number][node] += 1
        stays = node == case.home[pod]
        if not stays:
            self.asked[node] += case.demand[number]
        if kind.gpus and case.sharing[node]:
            left = self.devices[node]
            able = sorted((int(rest), d) for d, rest in enumerate(left) if rest >= kind.milli)
            held = tuple(d for _, d in able[: kind.gpus])
            self._hold(pod, node, case.devices[pod] if stays else held)

    def take(self, pod: int) -> None:
        """Take a pod from its node."""
        case, number, node = self.case, int(self.case.kind[pod]), int(self.at[pod])
        self.free[node] += case.demand[number]
        self.at[pod] = NOWHERE
        self._changed.append(node)
        if number in self._on:
            self._on[number][node] -= 1
        if node != case.home[pod]:
            self.asked[node] -= case.demand[number]
        for device in self._holds.pop(pod, ()):
            self.devices[node, device] += case.kinds[number].milli
