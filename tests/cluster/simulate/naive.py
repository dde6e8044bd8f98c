"""The rules of pods said once more: a clock that ticks, and lists that are looked through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.roles.pods import Bind, Preempt, View, Wait
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from tests.cluster.filters.naive import Placed, allowed, gpus_for

Happened = list[tuple[int, str, str, str]]
"""Time, kind, pod, node."""


def decide(pod: Pod, nodes: tuple[Node, ...], placed: Placed, leaving: set[str]) -> Any:
    """First fit; else displace all that can be on the first node where that helps."""
    for node in nodes:
        if allowed(pod, node, nodes, placed, leaving):
            return Bind(node.name)
    for node in nodes if pod.preempts else ():
        victims = [
            other.key
            for other, at, _ in placed
            if at.name == node.name
            and other.priority < pod.priority
            and not other.protected
            and other.key not in leaving
        ]
        rest = [one for one in placed if one[0].key not in victims]
        if victims and allowed(pod, node, nodes, rest, leaving):
            return Preempt(node.name, tuple(victims))
    return Wait()


class FirstFit(Policy, frozen=True):
    """`decide`, for the simulator."""

    name: ClassVar[str] = "cluster/first-fit"
    problems: ClassVar[tuple[str, ...]] = ("cluster/pods",)

    def begin(self, scenario: Pods, streams: Streams) -> FirstFit:
        """See Policy.begin."""
        return self

    def place(self, view: View, pod: Pod) -> Any:
        """See Placing.place."""
        state = view.state
        placed = [
            (other, node, state.holds.get(other.key, ()))
            for node, pods in zip(state.nodes, state.on, strict=True)
            for other in pods.values()
        ]
        return decide(pod, state.nodes, placed, set(view.leaving))


class Waiting(msgspec.Struct):
    """A pod that waits."""

    pod: Pod
    since: int
    order: int
    tries: int = 0
    ready: int = 0
    todo: bool = True
    victims: set[str] = msgspec.field(default_factory=set)


class Naive:
    """A cluster, in seconds."""

    def __init__(self, cluster: Pods) -> None:
        self.cluster = cluster
        self.now = self.order = self.events = 0
        self.placed: Placed = []
        self.started: dict[str, int] = {}
        self.ran: dict[str, int] = {}
        self.leaving: set[str] = set()
        self.waiting: dict[str, Waiting] = {}
        self.due: list[tuple[int, int, str, str]] = []
        self.happened: Happened = []

    def play(self, until: int) -> Happened:
        """Everything that happens before a time."""
        for pod in self.cluster.pods:
            if pod.node is not None:
                self.note("arrive", pod.key, "")
                node = next(node for node in self.cluster.nodes if node.name == pod.node)
                self.put(pod, node)
        for self.now in range(until):
            self.settle()
            for pod in self.cluster.pods:
                if pod.node is None and pod.arrival == self.now:
                    self.note("arrive", pod.key, "")
                    self.queue(pod)
            self.look()
            while self.settle():
                self.look()
        return self.happened

    def note(self, kind: str, pod: str, node: str) -> None:
        self.happened.append((self.now, kind, pod, node))

    def later(self, time: int, kind: str, key: str) -> None:
        self.events += 1
        self.due.append((time, self.events, kind, key))

    def queue(self, pod: Pod) -> None:
        self.order += 1
        self.waiting[pod.key] = Waiting(pod, self.now, self.order, todo=not pod.gated)

    def put(self, pod: Pod, node: Node) -> None:
        self.placed.append((pod, node, gpus_for(pod, node, self.placed) or ()))
        self.started[pod.key] = self.now
        if pod.lifetime is not None:
            self.later(self.now + pod.lifetime - self.ran.get(pod.key, 0), "done", pod.key)

    def settle(self) -> bool:
        """Let end and leave who does so now; whether anybody did."""
        now = [event for event in self.due if event[0] == self.now]
        self.due = [event for event in self.due if event[0] != self.now]
        for _, _, kind, key in now:
            mine = [one for one in self.placed if one[0].key == key]
            if mine:
                self.go(mine[0][0], mine[0][1], kind)
        return bool(now)

    def go(self, pod: Pod, node: Node, kind: str) -> None:
        ran = self.ran.get(pod.key, 0) + self.now - self.started[pod.key]
        self.placed = [one for one in self.placed if one[0].key != pod.key]
        self.due = [event for event in self.due if event[3] != pod.key]
        self.leaving.discard(pod.key)
        self.ran[pod.key] = ran
        if kind == "done" or ran == pod.lifetime:
            self.note("done", pod.key, node.name)
        else:
            self.queue(pod)
        self.wake(lambda waiting: True)
        for waiting in self.waiting.values():
            if pod.key in waiting.victims:
                waiting.victims.remove(pod.key)
                waiting.todo, waiting.ready = not waiting.victims, self.now

    def wake(self, whom: Callable[[Pod], bool]) -> None:
        for waiting in self.waiting.values():
            if whom(waiting.pod) and not waiting.victims and not waiting.pod.gated:
                waiting.todo = True

    def look(self) -> None:
        while True:
            able = [w for w in self.waiting.values() if w.todo and w.ready <= self.now]
            if not able:
                return
            chosen = min(able, key=lambda w: (-w.pod.priority, w.since, w.order))
            self.attempt(chosen)

    def attempt(self, waiting: Waiting) -> None:
        pod, nodes = waiting.pod, self.cluster.nodes
        answer = decide(pod, nodes, self._by_node(), self.leaving)
        waiting.todo = False
        if isinstance(answer, Bind):
            del self.waiting[pod.key]
            self.note("bind", pod.key, answer.node)
            self.put(pod, next(node for node in nodes if node.name == answer.node))
            self.wake(lambda other: bool(other.near or other.spread))
        elif isinstance(answer, Preempt):
            waiting.victims = set(answer.victims)
            for key in answer.victims:
                self.leave(key)
        else:
            waiting.ready = self.now + min(2**waiting.tries, 10)
            waiting.tries += 1

    def leave(self, key: str) -> None:
        pod, node, _ = next(one for one in self.placed if one[0].key == key)
        self.note("preempt", key, node.name)
        if self.cluster.grace:
            self.leaving.add(key)
            self.later(self.now + self.cluster.grace, "leave", key)
        else:
            self.go(pod, node, "leave")

    def _by_node(self) -> Placed:
        return [one for node in self.cluster.nodes for one in self.placed if one[1] is node]
