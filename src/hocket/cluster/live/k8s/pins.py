"""Which waiting pod gets which node that a plan has chosen, whatever the pods are called by now.

A pod that a plan moves comes back under another name: its controller makes it anew. So a plan pins
its nodes to pods of one owner and one template, which are interchangeable: one that the plan knows
by its name gets the node that is meant for it, any other the first that is free.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator

import msgspec

from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.packing.plan import Plan

FORGOTTEN = 30.0
"""Seconds until a pod that was given a node, and is nowhere to be seen, gives it back."""


def signature(pod: Pod) -> bytes:
    """The same for all pods that one controller makes of one template; empty without controller."""
    if not pod.owner:
        return b""
    return msgspec.msgpack.encode(template(pod))


def template(pod: Pod) -> Pod:
    """A pod without what differs between pods of one template."""
    return msgspec.structs.replace(
        pod, name="", node=None, labels={}, protected=False, protection="", gated=False, arrival=0
    )


class _Place(msgspec.Struct):
    """A node that a plan keeps for `pod`; `taken` is the key of the pod that got it, and when.

    `kind` is the signature of the pods that may have it, besides `pod` itself.
    """

    pod: Pod
    node: str
    kind: bytes
    taken: str = ""
    since: float = 0.0

    def suits(self, pod: Pod) -> bool:
        """Whether it is for this pod or one made of the same template."""
        return pod.key == self.pod.key or (bool(self.kind) and signature(pod) == self.kind)


class Pins:
    """The nodes of one plan for the pods that it binds, and who has got them."""

    def __init__(
        self, plan: Plan, cluster: Pods, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`cluster` is what the plan was made for; `clock` counts seconds."""
        self._clock = clock
        self._before = {pod.key: pod for pod in cluster.pods}
        self._places: list[_Place] = []
        for step in plan.steps:
            pod = self._before.get(step.pod)
            if step.act == "bind" and pod is not None:
                self._places.append(_Place(pod, step.node, signature(pod)))

    def node_for(self, pod: Pod) -> str:
        """The node that the plan has for a waiting pod, kept for it from now on; empty if none."""
        mine = self._place_of(pod)
        if mine is None:
            return ""
        mine.taken, mine.since = pod.key, self._clock()
        return mine.node

    def has(self, pod: Pod) -> bool:
        """Whether the plan has a node for a waiting pod."""
        return self._place_of(pod) is not None

    def settle(self, cluster: Pods) -> None:
        """See what has come true: who is on its node by now, and who is there no more.

        The place of a pod that was to get it and has vanished is free again.
        """
        present = {pod.key for pod in cluster.pods}
        running: dict[str, list[Pod]] = {}
        for pod in cluster.pods:
            if pod.node is not None:
                running.setdefault(pod.node, []).append(pod)
        now, taken = self._clock(), {place.taken for place in self._places}
        for place in self._places:
            if place.taken:
                if place.taken not in present and place.since < now - FORGOTTEN:
                    place.taken = ""
                continue
            for pod in running.get(place.node, ()):
                before = self._before.get(pod.key)
                came = before is None or before.node != place.node
                if came and pod.key not in taken and place.suits(pod):
                    place.taken, place.since = pod.key, now
                    taken.add(pod.key)
                    break

    def kept(self, pod: Pod, running: Container[str]) -> Iterator[Pod]:
        """The pods that are still to come to the nodes of the plan, each on its node.

        Without that which `pod` would get, under names that no pod has. `running` has the keys of
        pods that are on a node, or as good as that.
        """
        mine = self._place_of(pod)
        for i, place in enumerate(self._places):
            if place is not mine and (not place.taken or place.taken not in running):
                name = f"{place.pod.name}/planned-{i}"
                yield msgspec.structs.replace(place.pod, name=name, node=place.node, arrival=0)

    def _place_of(self, pod: Pod) -> _Place | None:
        """What it has got; else what is meant for it by name; else the first for its like."""
        free = [place for place in self._places if place.taken in ("", pod.key)]
        tests: tuple[Callable[[_Place], bool], ...] = (
            lambda place: place.taken == pod.key,
            lambda place: place.pod.key == pod.key,
            lambda place: place.suits(pod),
        )
        return next((place for test in tests for place in free if test(place)), None)
