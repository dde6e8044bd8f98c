"""ReplicaSets on a cluster of equal nodes that has just about room for them."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, ClassVar

import msgspec

from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.core.domain import Generator, checked
from hocket.core.scenario import Ticks
from hocket.core.streams import Streams

MEGABYTE = 10**6
SIZES = (1, 4)
"""The fewest and the most pods of a ReplicaSet."""
REQUESTS = (100, 1000)
"""The least and the most that a pod requests: thousandths of a core, and megabytes."""

Number = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Share = Annotated[float, msgspec.Meta(gt=0, le=10)]


class ReplicaSets(Generator, frozen=True, kw_only=True):
    """Pods of ReplicaSets, on equal nodes whose room is what they request over `utilisation`.

    - `nodes`: how many; `pods_per_node`: on average, so that there are so many times as many pods
    - `priorities`: how many there are, equally frequent: 1 to `priorities`, larger is more
      important (the paper numbers them from 0, the most important)
    - `utilisation`: what all pods request, over what all nodes have. Above 1 they cannot all run
    - `settle`: ticks (ms) between one ReplicaSet and the next, in which the scheduler can place it
    - `at_once`: all are there at time 0 instead, and the scheduler takes the most important first

    A ReplicaSet has U{1..4} equal pods, the last ones no more than are left. Each pod requests
    U{100..1000} thousandths of a core and megabytes of memory. A node has room for the largest pod
    at least. Nothing ever ends.

    The paper's experiments take 4, 8, 16 and 32 nodes, 4 and 8 pods per node, 1, 2 and 4 priorities
    and a utilisation of .9, .95, 1 and 1.05; below 1, those seeds for which the default scheduler
    leaves a pod without a place.
    """

    name: ClassVar[str] = "replicasets"
    source: ClassVar[str] = (
        "H. D. Christensen, J. Mauro, S. Giallorenzo, Priority Matters: Optimising Kubernetes "
        "Clusters Usage with Constraint-Based Pod Packing, arXiv 2511.08373 (2025), and its code"
    )

    nodes: Number = 8
    pods_per_node: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 4
    priorities: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 4
    utilisation: Share = 0.95
    settle: Ticks = 3000
    at_once: bool = False

    def __post_init__(self) -> None:
        checked(self, "cluster")

    def make(self, seed: int = 0) -> Pods:
        """The scenario of this seed."""
        pods = self._pods(seed)
        room = {resource: self._room(pods, resource) for resource in ("milli_cpu", "memory")}
        width = len(str(self.nodes - 1))
        size = f"{self.nodes}x{self.pods_per_node}"
        return Pods(
            name=f"{self.name}-{size}-{self.priorities}-{self.utilisation:g}-{seed}",
            nodes=tuple(
                Node(name=f"node-{j:0{width}}", allocatable=room) for j in range(self.nodes)
            ),
            pods=pods,
        )

    def _pods(self, seed: int) -> tuple[Pod, ...]:
        random = Streams(seed)[self.name]
        total = self.nodes * self.pods_per_node
        pods: list[Pod] = []
        sets = 0
        while len(pods) < total:
            most = min(SIZES[1], total - len(pods))
            size = int(random.integers(SIZES[0], most, endpoint=True))
            milli_cpu = int(random.integers(*REQUESTS, endpoint=True))
            megabytes = int(random.integers(*REQUESTS, endpoint=True))
            priority = int(random.integers(1, self.priorities, endpoint=True))
            name = f"rs-{sets}"
            alike = Pod(
                name=name,
                requests={"milli_cpu": milli_cpu, "memory": megabytes * MEGABYTE},
                priority=priority,
                owner=f"ReplicaSet/{name}",
                labels={"app": name},
                arrival=0 if self.at_once else sets * self.settle,
            )
            pods += (msgspec.structs.replace(alike, name=f"{name}-{i}") for i in range(size))
            sets += 1
        return tuple(pods)

    def _room(self, pods: tuple[Pod, ...], resource: str) -> int:
        """What each node has of a resource, in whole thousandths of a core or megabytes."""
        unit = MEGABYTE if resource == "memory" else 1
        wanted = [pod.requests[resource] // unit for pod in pods]
        in_all = -(-sum(wanted) // Fraction(str(self.utilisation)))
        return max(max(wanted), -(-in_all // self.nodes)) * unit
