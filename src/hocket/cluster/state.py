"""Who runs where, and what is free: the state that simulator, policies and planner share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from hocket.cluster.model.pods import WHOLE, Node, Pod, Pods

Vector = npt.NDArray[np.int64]

NO_LIMIT = 2**62
"""What a node has free of a resource that it does not limit."""

_ALWAYS = ("milli_cpu", "memory", "pods")


class Watcher(Protocol):
    """What is told of every pod that is placed (`by` 1) or removed (-1), after it was."""

    def changed(self, pod: Pod, node: int, by: int) -> None:
        """A pod has come to a node, or gone from it."""


Kind = TypeVar("Kind")


class State:
    """The nodes, and the pods on them. Policies read it; only a world or a planner changes it.

    - `nodes`, `index`: the nodes, and their numbers by name
    - `resources`: the names of all: ``milli_cpu``, ``memory``, ``pods``, then the others
    - `capacity`, `free`: amounts (nodes, resources), not to be written to; `free` is negative where
      too much is placed
    - `devices[j]`: what is free of each shared GPU of node j, in thousandths
    - `on[j]`: the pods on node j by key, in order of placing
    - `where`: the number of the node of every pod that runs, by key
    - `holds[key]`: which of its node's GPUs a pod has
    """

    def __init__(self, nodes: tuple[Node, ...], pods: Iterable[Pod] = ()) -> None:
        """An empty cluster. `pods` tell which resources will be asked for; they are not placed."""
        self.nodes = nodes
        self.index = {node.name: j for j, node in enumerate(nodes)}
        known = dict.fromkeys(_ALWAYS)
        for node in nodes:
            known |= dict.fromkeys(node.allocatable)
        for pod in pods:
            known |= dict.fromkeys(pod.requests)
        self.resources: tuple[str, ...] = tuple(known)
        self._column = {name: k for k, name in enumerate(self.resources)}
        self.capacity: Vector = np.zeros((len(nodes), len(self.resources)), dtype=np.int64)
        for j, node in enumerate(nodes):
            self.capacity[j, self._column["pods"]] = NO_LIMIT
            for name, amount in node.allocatable.items():
                self.capacity[j, self._column[name]] = amount
        self.capacity.flags.writeable = False
        self._free = self.capacity.copy()
        self.devices: list[list[int]] = [[WHOLE] * node.gpus for node in nodes]
        self.on: list[dict[str, Pod]] = [{} for _ in nodes]
        self.where: dict[str, int] = {}
        self.holds: dict[str, tuple[int, ...]] = {}
        self._watchers: list[Watcher] = []
        self._demands: dict[int, tuple[Pod, Vector]] = {}
        # Of each node, the most that is free of one shared GPU, and how many are wholly free.
        self._most = np.array([WHOLE if node.gpus else 0 for node in nodes], dtype=np.int64)
        self._whole = np.array([node.gpus for node in nodes], dtype=np.int64)

    @classmethod
    def of(cls, cluster: Pods) -> State:
        """The present state of a scenario: every pod that shows a node is on it."""
        state = cls(cluster.nodes, cluster.pods)
        for pod in cluster.pods:
            if pod.node is not None:
                state.place(pod, state.index[pod.node])
        return state

    @property
    def free(self) -> Vector:
        """What is free of each resource on each node: a view that follows all changes."""
        view = self._free.view()
        view.flags.writeable = False
        return view

    def watch(self, watcher: Watcher) -> None:
        """Tell an index of all changes from now on."""
        self._watchers.append(watcher)

    def watcher(self, kind: type[Kind]) -> Kind | None:
        """The first watcher of a kind, None if there is none."""
        return next((one for one in self._watchers if isinstance(one, kind)), None)

    def demand(self, pod: Pod) -> Vector:
        """What a pod takes of each resource; one of ``pods``."""
        known = self._demands.get(id(pod))
        if known is not None:
            return known[1]
        row = np.zeros(len(self.resources), dtype=np.int64)
        for name, amount in pod.requests.items():
            row[self._column[name]] = amount
        row[self._column["pods"]] = 1
        self._demands[id(pod)] = (pod, row)  # the pod is kept, so that its id stays its own
        return row

    def room(self, pod: Pod) -> npt.NDArray[np.bool_]:
        """For every node, whether its free amounts and GPUs suffice.

        What a pod does not ask for cannot be lacking, also on a node that is overcommitted.
        """
        need = self.demand(pod)
        asked = need > 0
        enough: npt.NDArray[np.bool_] = np.all(self._free[:, asked] >= need[asked], axis=1)
        if pod.gpus == 1:
            enough &= self._most >= pod.gpu_milli
        elif pod.gpus and pod.gpu_milli == WHOLE:
            enough &= self._whole >= pod.gpus
        elif pod.gpus:
            for j in np.flatnonzero(enough):
                enough[j] = bool(self.gpus_for(pod, int(j)))
        return enough

    def gpus_for(self, pod: Pod, node: int) -> tuple[int, ...]:
        """The GPUs that a pod would get: the fullest that suffice; empty if there are too few."""
        able = [(left, d) for d, left in enumerate(self.devices[node]) if left >= pod.gpu_milli]
        if len(able) < pod.gpus:
            return ()
        return tuple(sorted(d for _, d in sorted(able)[: pod.gpus]))

    def place(self, pod: Pod, node: int, gpus: tuple[int, ...] | None = None) -> None:
        """Put a pod on a node, whether there is room or not; on these GPUs, if they are known."""
        self._free[node] -= self.demand(pod)
        self.on[node][pod.key] = pod
        self.where[pod.key] = node
        held = self.gpus_for(pod, node) if gpus is None else gpus
        for device in held:
            self.devices[node][device] -= pod.gpu_milli
        if held:
            self.holds[pod.key] = held
            self._count_gpus(node)
        for watcher in self._watchers:
            watcher.changed(pod, node, 1)

    def remove(self, key: str) -> int:
        """Take a pod from its node; the number of that node."""
        node = self.where.pop(key)
        pod = self.on[node].pop(key)
        self._free[node] += self.demand(pod)
        held = self.holds.pop(key, ())
        for device in held:
            self.devices[node][device] += pod.gpu_milli
        if held:
            self._count_gpus(node)
        for watcher in self._watchers:
            watcher.changed(pod, node, -1)
        return node

    def _count_gpus(self, node: int) -> None:
        self._most[node] = max(self.devices[node])
        self._whole[node] = sum(left >= WHOLE for left in self.devices[node])

    def overcommitted(self, node: int) -> bool:
        """Whether more is requested on a node than it has."""
        return bool((self._free[node] < 0).any())

    def snapshot(self, cluster: Pods, waiting: Iterable[Pod]) -> Pods:
        """The present as a scenario: what runs, in the order of nodes, then what waits."""
        running = [
            msgspec.structs.replace(
                pod, node=node.name, arrival=0, drained=pod.drained and pod.node == node.name
            )
            for node, pods in zip(self.nodes, self.on, strict=True)
            for pod in pods.values()
        ]
        pending = [
            msgspec.structs.replace(pod, node=None, arrival=0, drained=False) for pod in waiting
        ]
        return msgspec.structs.replace(cluster, pods=(*running, *pending), horizon=None, remarks=())
