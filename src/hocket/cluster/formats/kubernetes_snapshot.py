"""A scenario from objects of the Kubernetes API, put together one object after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from hocket.cluster.formats.kubernetes import read_budget, read_node, read_pod
from hocket.cluster.formats.kubernetes_parts import Part, Trouble, shown
from hocket.cluster.formats.manifests import WORKLOADS, DaemonSet, Workload, workload
from hocket.cluster.formats.quantities import LARGEST
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.model.rules import Budget
from hocket.core.errors import InputError
from hocket.core.findings import MOST

_NAMED = 10
_AGAIN = "records of pods that stand there already"
_SCHEDULER = "default-scheduler"
_SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


class _Class(NamedTuple):
    """A PriorityClass."""

    value: int
    preempts: bool


class _Seen(NamedTuple):
    """A pod, when it was made, and the class that its priority is still to be taken from."""

    pod: Pod
    since: str
    named: str | None


class Snapshot:
    """Collects nodes, pods, budgets and priority classes; `scenario` makes a cluster of them.

    - records of one pod, told by namespace and name, are one; what shows a node counts
    - pods of one UID and of different names, which no cluster has, all count, with a remark
    - pods on nodes that are not there, and pods that have ended, are left out
    - of a live cluster's workloads only the pods count; those of manifests become pods
    - pods that wait come in the order in which they were made
    """

    def __init__(self, source: str) -> None:
        """`source` names the file in messages."""
        self.source = source
        self.trouble = Trouble()
        self._nodes: dict[str, Node] = {}
        self._pods: list[_Seen] = []
        self._slots: dict[str, int] = {}
        self._uids: dict[str, str] = {}
        self._shared: list[str] = []  # pods that have the UID of another
        self._budgets: dict[tuple[str, str], Budget] = {}
        self._classes: dict[str, _Class] = {
            name: _Class(value, True) for name, value in _SYSTEM.items()
        }
        self._default = _Class(0, True)
        self._workloads: list[Workload] = []
        self._left: Counter[str] = Counter()

    def take(self, found: Any, path: str, kind: str = "") -> None:
        """Add an object; `kind` is what it is if it does not say so itself."""
        if not isinstance(found, dict):
            self.trouble.about = ""
            self.trouble.say(path, f"expected a Kubernetes object, got {shown(found)}")
            return
        self.trouble.about = ""
        part = Part(found, path, self.trouble)
        kind = part.text("kind", kind)
        if kind.endswith("List") and isinstance(found.get("items"), list):
            inner = kind.removesuffix("List")
            for i, item in enumerate(found["items"]):
                self.take(item, f"{path}.items[{i}]" if path else f"items[{i}]", inner)
            return
        if not kind and isinstance(found.get("items"), list):
            part.say("kind", "is missing behind items; if the file was cut off, write it again")
            return
        self._take_one(part, kind)
        if len(self.trouble.problems) >= MOST:
            raise InputError(self.source, self.trouble.problems)

    def _take_one(self, part: Part, kind: str) -> None:
        metadata = part.data.get("metadata")
        if isinstance(metadata, dict):
            place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
            self.trouble.about = f"{kind} {place}{metadata.get('name', '')}"[:160]
        if kind == "Pod":
            self._take_pod(part)
        elif kind == "Node":
            node = read_node(part)
            if node.name in self._nodes:
                self._left["records of nodes that stand there already"] += 1
            self._nodes.setdefault(node.name, node)
        elif kind == "PodDisruptionBudget":
            budget = read_budget(part)
            self._budgets.setdefault((budget.namespace, budget.name), budget)
        elif kind == "PriorityClass":
            self._take_class(part)
        elif kind in WORKLOADS:
            found = workload(part, kind)
            if found is not None:
                self._workloads.append(found)
        elif not kind:
            part.say("kind", "is missing; every Kubernetes object has one, such as Pod")
        else:
            self._left[f"objects of kind {kind[:60]}"] += 1

    def _take_pod(self, part: Part) -> None:
        pod = read_pod(part)
        if pod is None:
            phase = part.part("status").text("phase")
            what = "that ended" if phase in ("Succeeded", "Failed") else "deleted before they ran"
            self._left[f"pods {what}"] += 1
            return
        spec, metadata = part.part("spec"), part.part("metadata")
        named = None if spec.has("priority") else spec.text("priorityClassName")
        seen = _Seen(pod, metadata.text("creationTimestamp"), named)
        slot = self._slots.get(pod.key)
        if slot is not None:
            self._left[_AGAIN] += 1
            if self._pods[slot].pod.node is None and pod.node is not None:
                self._pods[slot] = seen
            return
        uid = metadata.text("uid")
        if uid and (other := self._uids.setdefault(uid, pod.key)) != pod.key:
            self._shared.append(f"{pod.key} and {other}")
        self._slots[pod.key] = len(self._pods)
        self._pods.append(seen)
        self._note(pod, spec)

    def _note(self, pod: Pod, spec: Part) -> None:
        """Tell what of a waiting pod does not count, although it decides where it can run."""
        if pod.node is not None:
            return
        if any(volume.has("persistentVolumeClaim") for volume in spec.parts("volumes")):
            self.trouble.note("waiting pods mount volumes; which nodes these allow is not known")
        if spec.has("resourceClaims"):
            self.trouble.note("waiting pods claim devices (resourceClaims), which do not count")
        scheduler = spec.text("schedulerName", _SCHEDULER)
        if scheduler != _SCHEDULER:
            self.trouble.note(f"waiting pods are for the scheduler {scheduler[:60]}")

    def _take_class(self, part: Part) -> None:
        name = part.part("metadata").text("name")
        value = part.whole("value", 0, -(2**31), 2**31)
        found = _Class(value, part.text("preemptionPolicy") != "Never")
        self._classes[name] = found
        if part.flag("globalDefault"):
            self._default = found

    def scenario(self, name: str = "") -> Pods:
        """The cluster. Raises InputError with every problem found, and where there is no node."""
        self.trouble.about = ""
        if not self._nodes:
            what = "there is no node in it"
            told = "; add them: kubectl get nodes,pods,pdb -A -o json"
            self.trouble.say("", what + told)
        if self.trouble.problems:
            raise InputError(self.source, self.trouble.problems)
        remarks: list[str] = []
        seen = [*self._pods, *self._from_manifests()]
        pods = [self._ranked(one, remarks) for one in self._in_order(seen)]
        known = {None, *self._nodes}
        kept = [pod for pod in pods if pod.node in known]
        lost = [f"{pod.key} on {pod.node}" for pod in pods if pod.node not in known]
        remarks += [f"left out: {what} ({count})" for what, count in self._left.items()]
        if lost:
            remarks.append(f"left out: pods on nodes that are not there: {listed(lost)}")
        if self._shared:
            remarks.append(f"pods of different names have the same UID: {listed(self._shared)}")
        remarks += [f"{told}: {count}" for told, count in self.trouble.notes.items()]
        remarks += _overcommitted(self._nodes.values(), kept)
        return Pods(
            name=name,
            nodes=tuple(self._nodes.values()),
            pods=tuple(kept),
            budgets=tuple(self._budgets.values()),
            remarks=tuple(dict.fromkeys(remarks)),
        )

    def _from_manifests(self) -> Iterator[_Seen]:
        """The pods of workloads, unless they are those of a live cluster, which lists its own."""
        live = bool(self._pods)
        named = {one.key for one in self._workloads}
        there = set(self._slots)
        for one in self._workloads:
            if one.owner in named or (one.live and live):
                self._left[f"workloads of kind {one.kind}, whose pods count"] += 1
                continue
            nodes = tuple(self._nodes.values()) if isinstance(one, DaemonSet) else ()
            for pod in one.pods(nodes):
                if pod.key in there:
                    self._left[_AGAIN] += 1
                else:
                    there.add(pod.key)
                    yield _Seen(pod, "", one.priority_class)

    @staticmethod
    def _in_order(seen: list[_Seen]) -> list[_Seen]:
        """Pods that run as they stand, then those that wait, the oldest first, if ages are told."""
        if not any(one.since for one in seen):
            return seen
        waiting = [one for one in seen if one.pod.node is None]
        waiting.sort(key=lambda one: one.since)
        return [one for one in seen if one.pod.node is not None] + waiting

    def _ranked(self, one: _Seen, remarks: list[str]) -> Pod:
        """The pod with the priority of its class, where it does not say one itself."""
        if one.named is None:
            return one.pod
        found = self._classes.get(one.named) if one.named else self._default
        if found is None:
            remarks.append(f"there is no PriorityClass {one.named!r}; its pods get priority 0")
            return one.pod
        preempts = one.pod.preempts and found.preempts
        return msgspec.structs.replace(one.pod, priority=found.value, preempts=preempts)


def listed(names: list[str]) -> str:
    """Names in a sentence, the first few of many."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _overcommitted(nodes: Iterable[Node], pods: Iterable[Pod]) -> Iterator[str]:
    """A note that names the nodes on which more is requested than they have."""
    used: dict[str, Counter[str]] = {}
    for pod in pods:
        if pod.node is not None:
            total = used.setdefault(pod.node, Counter())
            total.update(pod.requests)
            total["pods"] += 1
    names = []
    for node in nodes:
        limits = {"pods": LARGEST} | node.allocatable
        over = [r for r, count in used.get(node.name, {}).items() if count > limits.get(r, 0)]
        if over:
            names.append(f"{node.name} ({', '.join(over)})")
    if names:
        yield f"more is requested than there is on {listed(names)}"
