"""A scheduler extender: a stock kube-scheduler asks, and a policy of hocket decides.

kube-scheduler applies its own filters first and sends what is left; the extender never widens it.
To use it, give kube-scheduler this configuration (``kube-scheduler --config FILE``)::

    apiVersion: kubescheduler.config.k8s.io/v1
    kind: KubeSchedulerConfiguration
    extenders:
      - urlPrefix: http://127.0.0.1:8888
        filterVerb: filter
        prioritizeVerb: prioritize
        preemptVerb: preempt
        weight: 100
        nodeCacheCapable: true   # send the names of nodes only
        httpTimeout: 5s
        ignorable: true          # if hocket is away, pods are scheduled without it

It listens on the loopback address only: run it beside kube-scheduler, in its pod or on its host.
With ``bindVerb: bind`` the extender binds, too; leave it out to let kube-scheduler do it. With
``preemptVerb`` pods preempt only where the policy would. One whose plans are to make room, such as
Priority Matters, never does; without the verb kube-scheduler preempts as ever. The
questions and answers are those of ``k8s.io/kube-scheduler/extender/v1``. ::

    mirror = Mirror(Api.connect())
    mirror.start()
    extender = Extender(PriorityMatters(), mirror.snapshot)
    ExtenderServer(extender).start()
    extender.follow(plan, mirror.snapshot())
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from hocket.cluster.filters import Filters, ineligible
from hocket.cluster.formats.kubernetes import node_of, pod_of
from hocket.cluster.live.k8s.pins import Pins
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.packing.plan import Plan
from hocket.cluster.roles.pods import Bind, Placing, Preempt, View, Wait
from hocket.cluster.state import State
from hocket.core.errors import InputError, UserError
from hocket.core.policy import Policy
from hocket.core.streams import Streams

HIGHEST = 10
"""The best score that an extender can give."""

ASSUMED = 30.0
"""Seconds for which a pod counts as placed where it was sent, although the cluster does not say so
yet."""

PLANNED = 300.0
"""Seconds for which a plan is followed."""

_UNKNOWN = "the extender has not seen this node yet"
_NOT_CHOSEN = "the policy prefers {node}"
_PINNED = "a plan keeps {node} for this pod"

Json = dict[str, Any]
Binder = Callable[[str, str, str, str], None]


class Malformed(ValueError):
    """A question that is not as the extender API has it; the message says what is wrong."""


class Extender:
    """Answers filter, prioritize, preempt and bind with the decisions of a policy.

    - pods for which a plan has a node (`follow`) may go there only
    - any other goes where the policy places it. With `strict` the other nodes are filtered out;
      without, they stay, and the policy's node gets the best score. Where the policy places it
      nowhere, all nodes are filtered out
    - room that a plan needs for pods still to come is not given to others
    """

    def __init__(
        self,
        policy: Policy,
        cluster: Callable[[], Pods],
        *,
        strict: bool = True,
        bind: Binder | None = None,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`cluster` gives the present of the whole cluster, such as ``mirror.snapshot``.

        `policy` is one whose role is Placing. `bind` binds a pod, given namespace, name, UID and
        node, for the verb ``bind``. `clock` counts seconds. Raises UserError for a policy that
        schedules something else.
        """
        if "cluster/pods" not in policy.problems:
            raise UserError(f"{policy.name} does not place pods; use cluster/kube-scheduler")
        self.policy, self.strict = policy, strict
        self._cluster, self._binder, self._clock = cluster, bind, clock
        self._streams = Streams(seed)
        self._pins: Pins | None = None
        self._until = 0.0
        self._assumed: dict[str, tuple[Pod, float]] = {}
        self._lock = threading.Lock()

    def follow(self, plan: Plan, cluster: Pods, seconds: float = PLANNED) -> None:
        """Send pods where a plan has them, for so many seconds; `cluster` is what it is for."""
        with self._lock:
            self._pins = Pins(plan, cluster, clock=self._clock)
            self._until = self._clock() + seconds

    def forget(self) -> None:
        """Follow no plan any more."""
        with self._lock:
            self._pins = None

    def filter(self, question: Json) -> Json:
        """The nodes that may take the pod, and why the others may not (ExtenderFilterResult).

        Raises Malformed.
        """
        asked = Question(question)
        with self._lock:
            why, final = self._refusals(asked)
        passed = [name for name in asked.names if name not in why]
        return asked.passed(passed) | {
            "FailedNodes": why,
            "FailedAndUnresolvableNodes": {name: why[name] for name in final},
            "Error": "",
        }

    def prioritize(self, question: Json) -> list[Json]:
        """A score for every node: the best for the one where the pod should go, else nought.

        Raises Malformed.
        """
        asked = Question(question)
        with self._lock:
            node, _ = self._choice(asked, self._view(asked))
        return [{"Host": name, "Score": HIGHEST * (name == node)} for name in asked.names]

    def preempt(self, question: Json) -> Json:
        """Of the nodes on which pods could be preempted, those where they may be.

        None for a pod that has its node by a plan; else the one where the policy would preempt, if
        it would. Victims stay those of kube-scheduler. Raises Malformed.
        """
        victims = _victims(question)
        asked = Question({"Pod": question.get("Pod"), "NodeNames": list(victims)})
        with self._lock:
            view = self._view(asked)
            node = ""
            if not self._follows(asked.pod):
                found = self._place(asked, view)
                node = found.node if isinstance(found, Preempt) else ""
        return {"NodeNameToMetaVictims": {k: v for k, v in victims.items() if k == node}}

    def bind(self, question: Json) -> Json:
        """Bind a pod (ExtenderBindingResult). Raises Malformed."""
        fields = [question.get(key) for key in ("PodNamespace", "PodName", "PodUID", "Node")]
        if not all(isinstance(field, str) and field for field in fields):
            raise Malformed("expected the texts PodNamespace, PodName, PodUID and Node")
        if self._binder is None:
            return {"Error": "this extender does not bind; leave bindVerb out"}
        try:
            self._binder(*map(str, fields))
        except Exception as error:  # whatever it is, kube-scheduler is to hear of it and try again
            return {"Error": str(error) or type(error).__name__}
        return {"Error": ""}

    def _refusals(self, asked: Question) -> tuple[dict[str, str], list[str]]:
        """Why nodes may not take the pod, and for which of them preemption would not help."""
        view = self._view(asked)
        node, reason = self._choice(asked, view)
        if self._follows(asked.pod):
            told = reason or _PINNED.format(node=node)
            others = [name for name in asked.names if name != node]
            return dict.fromkeys(others, told), others
        index, filters = view.state.index, Filters.of(view.state)
        why, final = {}, []
        for name in asked.names:
            if name not in index:
                why[name] = _UNKNOWN
            elif refusal := filters.refusal(asked.pod, index[name], view.leaving):
                why[name] = refusal
                if ineligible(asked.pod, view.state.nodes[index[name]]):
                    final.append(name)
            elif not node:
                why[name] = reason
            elif self.strict and name != node:
                why[name] = _NOT_CHOSEN.format(node=node)
        return why, final

    def _choice(self, asked: Question, view: View) -> tuple[str, str]:
        """The node where the pod goes; or none, and the reason."""
        pod, node, reason = asked.pod, "", ""
        self._assumed.pop(pod.key, None)
        if self._pins is not None and self._follows(pod):
            planned = self._pins.node_for(pod)
            if planned in asked.names:
                node = planned
            else:
                reason = f"{_PINNED.format(node=planned)}, which cannot take it yet"
        else:
            found = self._place(asked, view)
            if isinstance(found, Bind) and found.node in asked.names:
                node = found.node
            else:
                reason = found.reason or "the policy places it nowhere now"
        if node and (self.strict or self._follows(pod)):
            placed = msgspec.structs.replace(pod, node=node)
            self._assumed[pod.key] = (placed, self._clock())
        return node, reason

    def _place(self, asked: Question, view: View) -> Bind | Preempt | Wait:
        decider: Placing = self.policy.begin(view.scenario, self._streams)
        return decider.place(view, asked.pod)

    def _follows(self, pod: Pod) -> bool:
        return self._pins is not None and self._pins.has(pod)

    def _view(self, asked: Question) -> View:
        """The present as the policy is to see it; nodes that are not asked about are cordoned."""
        cluster, now, pod = self._cluster(), self._clock(), asked.pod
        nodes = {node.name: node for node in cluster.nodes} | asked.nodes
        candidates = set(asked.names)
        seen = tuple(
            node if name in candidates else msgspec.structs.replace(node, cordoned=True)
            for name, node in sorted(nodes.items())
        )
        pods = {other.key: other for other in cluster.pods if other.node in nodes}
        waiting = [one for one in cluster.pods if one.node is None and one.key != pod.key]
        self._settle(cluster, pods, now)
        pods |= {key: one for key, (one, _) in self._assumed.items() if one.node in nodes}
        if self._pins is not None:
            kept = list(self._pins.kept(pod, pods))
            pods |= {one.key: one for one in kept if one.node in nodes}
        pods.pop(pod.key, None)
        scenario = msgspec.structs.replace(
            cluster, nodes=seen, pods=(*pods.values(), *waiting, pod)
        )
        view = View(scenario, State.of(scenario))
        view.waiting = tuple(sorted((*waiting, pod), key=lambda one: -one.priority))
        return view

    def _settle(self, cluster: Pods, running: dict[str, Pod], now: float) -> None:
        """Drop what is assumed and seen by now, or was never to be; and a plan that is over."""
        if self._pins is not None:
            if now > self._until:
                self._pins = None
            else:
                self._pins.settle(cluster)
        late = now - ASSUMED
        self._assumed = {
            key: (pod, since)
            for key, (pod, since) in self._assumed.items()
            if key not in running and since > late
        }


class Question:
    """ExtenderArgs: the pod, and the nodes that are left for it, whole or by name."""

    def __init__(self, question: Json) -> None:
        """Raises Malformed."""
        self.pod = _pod(question.get("Pod"))
        self.nodes: dict[str, Node] = {}
        self._objects: dict[str, Json] | None = None
        names, listed = question.get("NodeNames"), question.get("Nodes")
        if names is not None:
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise Malformed("NodeNames is no list of names")
            self.names: list[str] = list(dict.fromkeys(names))
        elif isinstance(listed, dict) and isinstance(listed.get("items"), list):
            self._objects = {}
            for item in listed["items"]:
                node = _node(item)
                self.nodes[node.name] = node
                self._objects[node.name] = item
            self.names = list(self._objects)
        else:
            raise Malformed("expected NodeNames, or Nodes with items")

    def passed(self, names: Iterable[str]) -> Json:
        """These nodes in the form in which they were asked about."""
        if self._objects is None:
            return {"NodeNames": list(names), "Nodes": None}
        items = [self._objects[name] for name in names]
        listed = {"kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": items}
        return {"NodeNames": None, "Nodes": listed}


def _pod(found: Any) -> Pod:
    if not isinstance(found, dict):
        raise Malformed("expected a pod under Pod")
    try:
        pod = pod_of(found)
    except InputError as error:
        raise Malformed(str(error)) from error
    if pod is None:
        raise Malformed("the pod has ended, or is being deleted")
    return msgspec.structs.replace(pod, node=None)


def _node(found: Any) -> Node:
    try:
        return node_of(found)
    except InputError as error:
        raise Malformed(str(error)) from error


def _victims(question: Json) -> dict[str, Json]:
    """What could be preempted on each node, as MetaVictims: pods by their UIDs."""
    meta, whole = question.get("NodeNameToMetaVictims"), question.get("NodeNameToVictims")
    found = whole if meta is None else meta
    found = {} if found is None else found
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise Malformed("expected victims by node in NodeNameToVictims or NodeNameToMetaVictims")
    if meta is not None:
        return dict(found)
    return {
        name: {
            "Pods": _uids(victims.get("Pods")),
            "NumPDBViolations": victims.get("NumPDBViolations", 0),
        }
        for name, victims in found.items()
    }


def _uids(pods: Any) -> list[Json]:
    told = "expected victims as a list of pods, each with its metadata.uid"
    if pods is not None and not isinstance(pods, list):
        raise Malformed(told)
    found = []
    for pod in pods or ():
        metadata = pod.get("metadata") if isinstance(pod, dict) else None
        uid = metadata.get("uid") if isinstance(metadata, dict) else None
        if not isinstance(uid, str):
            raise Malformed(told)
        found.append({"UID": uid})
    return found
