"""The published scenarios: settings of the generator, and how their seeds are chosen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice, product
from typing import NamedTuple

import msgspec

from hocket.cluster.generate.replicasets import ReplicaSets
from hocket.cluster.model.pods import Pods
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.cluster.simulate.pods import simulate

NODES = (4, 8, 16, 32)
PODS_PER_NODE = (4, 8)
PRIORITIES = (1, 2, 4)
UTILISATIONS = (0.9, 0.95, 1.0, 1.05)
PUBLISHED = 100
"""Scenarios for each setting of these four."""


class Cell(NamedTuple):
    """A setting of the generator."""

    nodes: int
    pods_per_node: int
    priorities: int
    utilisation: float

    def __str__(self) -> str:
        size = f"{self.nodes} nodes x {self.pods_per_node} pods"
        return f"{size}, priorities: {self.priorities}, requested: {self.utilisation:g}"

    def scenarios(
        self, number: int, seed: int = 0, *, at_once: bool = False
    ) -> Iterator[Pods | None]:
        """`number` snapshots, chosen as published; None where no pod waits.

        Below a utilisation of 1 these are of the first seeds from `seed` on for which the default
        scheduler leaves a pod waiting; from 1 on, of so many seeds whether it does or not. With
        `at_once` all pods come together, and the scheduler takes the most important first.
        """
        workload = ReplicaSets(**self._asdict(), at_once=at_once)
        drawn = (snapshot(workload.make(one)) for one in count(seed))
        return islice((one for one in drawn if one or self.utilisation >= 1), number)


CELLS = tuple(Cell(*one) for one in product(NODES, PODS_PER_NODE, PRIORITIES, UTILISATIONS))
SAMPLE = tuple(
    Cell(nodes, *load, UTILISATIONS[(i + k) % len(UTILISATIONS)])
    for i, nodes in enumerate(NODES)
    for k, load in enumerate(product(PODS_PER_NODE, PRIORITIES))
)
"""Every size with every number of priorities once, and the utilisations in turn."""
SMALL = tuple(cell for cell in CELLS if cell.nodes == NODES[0])
"""Where nearly everything is proved, so that proofs can be compared."""


def snapshot(cluster: Pods) -> Pods | None:
    """What the default scheduler leaves of a workload; None if no pod waits.

    It breaks ties by name and does not preempt.
    """
    timeline = simulate(cluster, KubeScheduler(preemption=False))
    where = {span.group: span.lane for span in timeline.spans("run")}
    if len(where) == len(cluster.pods):
        return None
    now = (msgspec.structs.replace(p, node=where.get(p.key), arrival=0) for p in cluster.pods)
    return msgspec.structs.replace(cluster, pods=tuple(now))
