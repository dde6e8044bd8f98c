"""What pods ask of other pods, by number: who conflicts with whom, who must be near whom.

A pod that enters a node must meet its terms once everything is in its place; one that stays where
it is was never asked again, as in Kubernetes. Ports are conflicts within a node.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hocket.cluster.filters_between import Who, means, wanted_near, who
from hocket.cluster.model.pods import Pod, Pods

Mask = npt.NDArray[np.bool_]
Vector = npt.NDArray[np.int64]

NODE = ""
"""The topology in which every node is a domain of its own, whatever its labels."""


class Spreading(NamedTuple):
    """A hard spread: pods that a selector means, over the domains of a topology."""

    topology: str
    meant: int
    most: int


class Wants(NamedTuple):
    """The terms of a pod; selectors by number. `labels`: what a node must have to be entered."""

    near: tuple[tuple[str, int], ...]
    apart: tuple[tuple[str, int], ...]
    spread: tuple[Spreading, ...]
    ports: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def plain(self) -> bool:
        """Whether it wants nothing of others."""
        return not (self.near or self.apart or self.spread or self.ports)


class Terms:
    """The selectors of a scenario by number, and the domains of its topologies."""

    def __init__(self, cluster: Pods) -> None:
        """Of all the pods of a scenario."""
        self.nodes = cluster.nodes
        self.selectors: dict[Who, int] = {}
        self._domains: dict[str, Vector] = {NODE: np.arange(len(cluster.nodes))}
        self._matched: dict[object, tuple[int, ...]] = {}
        for pod in cluster.pods:
            self.wants(pod)

    def wants(self, pod: Pod) -> Wants:
        """The terms of a pod."""
        meant = self._number(wanted_near(pod)) if pod.near else 0
        near = tuple((term.topology, meant) for term in pod.near)
        apart = tuple((term.topology, self._number(who(term, pod.namespace))) for term in pod.apart)
        spread = tuple(
            Spreading(s.topology, self._number(((pod.namespace,), s.selector)), s.max_skew)
            for s in pod.spread
            if s.hard
        )
        labels = dict.fromkeys([*(topology for topology, _ in near), *(s.topology for s in spread)])
        return Wants(near, apart, spread, tuple(sorted(set(pod.ports))), tuple(labels))

    def matched(self, pod: Pod) -> tuple[int, ...]:
        """The selectors that mean a pod."""
        if not self.selectors:
            return ()
        key = (pod.namespace, tuple(sorted(pod.labels.items())))
        if key not in self._matched:
            found = (n for wanted, n in self.selectors.items() if means(wanted, pod))
            self._matched[key] = tuple(found)
        return self._matched[key]

    def domains(self, topology: str) -> Vector:
        """For every node, the number of its domain; -1 where it lacks the label."""
        known = self._domains.get(topology)
        if known is None:
            numbers: dict[str, int] = {}
            values = [node.label(topology) for node in self.nodes]
            known = np.array(
                [-1 if v is None else numbers.setdefault(v, len(numbers)) for v in values],
                dtype=np.int64,
            )
            self._domains[topology] = known
        return known

    def labelled(self, topologies: tuple[str, ...]) -> Mask:
        """The nodes that have all these labels."""
        has = np.ones(len(self.nodes), dtype=np.bool_)
        for topology in topologies:
            has &= self.domains(topology) >= 0
        return has

    def _number(self, wanted: Who) -> int:
        return self.selectors.setdefault(wanted, len(self.selectors))


class Conflict(NamedTuple):
    """Pods of two kinds (perhaps the same) may not share a domain, if one of them enters it."""

    topology: str
    one: int
    other: int


class Nearness(NamedTuple):
    """Pods of a kind must enter where one of the kinds `meant` is; `own`: it is one of them."""

    kind: int
    topology: str
    meant: tuple[int, ...]
    own: bool


class Evenness(NamedTuple):
    """Pods of a kind must enter a domain that has at most `most` above the emptiest.

    `meant` are the kinds that count, `counted` the nodes on which they do.
    """

    kind: int
    topology: str
    meant: tuple[int, ...]
    most: int
    counted: Mask


class Relations(NamedTuple):
    """All that kinds of pods ask of one another."""

    conflicts: tuple[Conflict, ...]
    near: tuple[Nearness, ...]
    even: tuple[Evenness, ...]
    kinds: tuple[int, ...]
    """All the kinds that any of them is about."""


def relations(
    wants: list[Wants], matched: list[tuple[int, ...]], counted: dict[int, Mask]
) -> Relations:
    """From the terms of every kind, and the selectors that mean it.

    `counted` has, for kinds with a hard spread, the nodes that meet selector and affinity.
    """
    meant: dict[int, list[int]] = {}
    for kind, numbers in enumerate(matched):
        for number in numbers:
            meant.setdefault(number, []).append(kind)
    conflicts = dict.fromkeys(_conflicts(wants, meant))
    near = [
        Nearness(kind, topology, tuple(meant.get(n, ())), n in matched[kind])
        for kind, want in enumerate(wants)
        for topology, n in dict.fromkeys(want.near)
    ]
    even = [
        Evenness(kind, s.topology, tuple(meant.get(s.meant, ())), s.most, counted[kind])
        for kind, want in enumerate(wants)
        for s in dict.fromkeys(want.spread)
    ]
    about = {k for c in conflicts for k in (c.one, c.other)}
    about |= {k for n in near for k in (n.kind, *n.meant)} | {
        k for e in even for k in (e.kind, *e.meant)
    }
    return Relations(tuple(conflicts), tuple(near), tuple(even), tuple(sorted(about)))


def _conflicts(wants: list[Wants], meant: dict[int, list[int]]) -> Iterator[Conflict]:
    users: dict[str, list[int]] = {}
    for kind, want in enumerate(wants):
        for topology, number in want.apart:
            for other in meant.get(number, ()):
                yield Conflict(topology, min(kind, other), max(kind, other))
        for port in want.ports:
            for other in users.setdefault(port, []):
                yield Conflict(NODE, other, kind)
            yield Conflict(NODE, kind, kind)
            users[port].append(kind)
