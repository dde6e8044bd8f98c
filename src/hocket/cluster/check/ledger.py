"""The books that the checkers keep: who is on which node, and what is left there."""

from __future__ import annotations

from hocket.cluster.check.terms import Terms, asked_for
from hocket.cluster.model.covering import Covering
from hocket.cluster.model.pods import WHOLE, Node, Pod, Pods

Broken = list[tuple[str, str]]
"""Rules, each with what is wrong."""


def demand(pod: Pod) -> dict[str, int]:
    """What a pod takes of each resource of its node; one of ``pods`` always."""
    return pod.requests | {"pods": 1}


class Ledger:
    """Pods on nodes. Every entry is made as told, right or wrong; `wrong` judges it before.

    - `where`: the number of the node of every pod that is on one, by key
    - `leaving`: those of them that were evicted
    - `budgeted`: by budget, how many pods it covers have come and not ended, and how many are up
    """

    def __init__(self, cluster: Pods) -> None:
        """An empty cluster of these nodes."""
        self.nodes = cluster.nodes
        self.index = {node.name: j for j, node in enumerate(cluster.nodes)}
        self._labels = [node.described for node in cluster.nodes]
        self.where: dict[str, int] = {}
        self.leaving: set[str] = set()
        self._used: list[dict[str, int]] = [{} for _ in cluster.nodes]
        self._gpus = [[WHOLE] * node.gpus for node in cluster.nodes]
        self._held: dict[str, tuple[int, ...]] = {}
        self._ports: list[dict[str, int]] = [{} for _ in cluster.nodes]
        self.terms = Terms(cluster.nodes, cluster.pods)
        self._budgets = cluster.budgets
        self._budgets_of = Covering(cluster.budgets).of
        self.covered = [0] * len(cluster.budgets)
        self.up = [0] * len(cluster.budgets)

    def come(self, pod: Pod, by: int = 1) -> None:
        """A pod exists from now on; with `by` -1, no more."""
        for b in self._budgets_of(pod):
            self.covered[b] += by

    def put(self, pod: Pod, node: int, gpus: tuple[int, ...]) -> None:
        """A pod is on a node from now on, with these GPUs."""
        self._book(pod, node, gpus, 1)
        self.where[pod.key] = node
        self._held[pod.key] = gpus
        self._rise(pod, node, 1)

    def leave(self, pod: Pod) -> None:
        """A pod was evicted; it holds its node until it is taken."""
        self.leaving.add(pod.key)
        self._rise(pod, self.where[pod.key], -1)

    def take(self, pod: Pod) -> None:
        """A pod is on its node no more."""
        node = self.where.pop(pod.key)
        self._book(pod, node, self._held.pop(pod.key), -1)
        if pod.key in self.leaving:
            self.leaving.discard(pod.key)
        else:
            self._rise(pod, node, -1)

    def unfit(self, pod: Pod, node: int, gpus: tuple[int, ...]) -> Broken:
        """The rules that it would break to bind a pod to a node with these GPUs."""
        found = self._ineligible(pod, self.nodes[node], self._labels[node])
        allocatable, used = self.nodes[node].allocatable, self._used[node]
        for name, amount in demand(pod).items():
            if name == "pods" and "pods" not in allocatable:
                continue
            room = allocatable.get(name, 0) - used.get(name, 0)
            if amount > max(room, 0):
                found.append(("capacity", f"{amount} of {name} are asked for, {room} are free"))
        found += self._no_gpus(pod, node, gpus)
        found += [
            ("port", f"port {port} is taken") for port in pod.ports if self._ports[node].get(port)
        ]
        return found + self.terms.broken(pod, node)

    def too_few(self, pod: Pod) -> Broken:
        """The budgets that an eviction of a pod that is up would break."""
        found = []
        for b in self._budgets_of(pod):
            needed = self._budgets[b].needed(self.covered[b])
            if self.up[b] - 1 < needed:
                name = self._budgets[b].name
                found.append(
                    ("budget", f"{name} needs {needed} pods up, and {self.up[b] - 1} would be left")
                )
        return found

    def fullest(self, pod: Pod, node: int) -> tuple[int, ...]:
        """The GPUs that a pod gets where nobody says which: the fullest that suffice."""
        left = self._gpus[node]
        able = sorted((free, d) for d, free in enumerate(left) if free >= pod.gpu_milli)
        return tuple(sorted(d for _, d in able[: pod.gpus])) if len(able) >= pod.gpus else ()

    def _ineligible(self, pod: Pod, node: Node, labels: dict[str, str]) -> Broken:
        found = []
        if node.cordoned or node.down:
            found.append(("cordoned", f"it is {'cordoned' if node.cordoned else 'down'}"))
        for taint in node.taints:
            if taint.effect == "PreferNoSchedule":
                continue
            if not any(toleration.bears(taint) for toleration in pod.tolerations):
                told = f"{taint.key}={taint.value}:{taint.effect}"
                found.append(("taint", f"the pod does not tolerate {told}"))
        if not asked_for(pod, labels):
            found.append(("selector", "the pod's selector or affinity does not allow it"))
        return found

    def _no_gpus(self, pod: Pod, node: int, gpus: tuple[int, ...]) -> Broken:
        if len(set(gpus)) != pod.gpus or len(gpus) != pod.gpus:
            return [("gpu", f"{pod.gpus} shared GPUs are asked for, {len(gpus)} are given")]
        left = dict(enumerate(self._gpus[node]))
        return [
            ("gpu", f"{pod.gpu_milli} of GPU {d} are asked for, {left.get(d, 0)} are free")
            for d in gpus
            if left.get(d, 0) < pod.gpu_milli
        ]

    def _book(self, pod: Pod, node: int, gpus: tuple[int, ...], by: int) -> None:
        used, ports, left = self._used[node], self._ports[node], self._gpus[node]
        for name, amount in demand(pod).items():
            used[name] = used.get(name, 0) + by * amount
        for port in pod.ports:
            ports[port] = ports.get(port, 0) + by
        for d in gpus:
            if 0 <= d < len(left):
                left[d] -= by * pod.gpu_milli
        self.terms.put(pod, node, by)

    def _rise(self, pod: Pod, node: int, by: int) -> None:
        for b in self._budgets_of(pod):
            self.up[b] += by
        self.terms.stay(pod, node, by)
