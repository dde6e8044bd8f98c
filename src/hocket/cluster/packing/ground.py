"""A cluster while it is rearranged: which step is legal now, what it does, and how to undo it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from hocket.cluster.budgets import Budgets
from hocket.cluster.filters import Filters
from hocket.cluster.model.pods import Pods
from hocket.cluster.state import State


class Done(NamedTuple):
    """A step that was taken: `gpus` are what the pod held where it was evicted."""

    act: str
    pod: str
    node: int
    gpus: tuple[int, ...] = ()


class Ground:
    """The present, changed step by step. A pod that was evicted has left its node at once.

    - `state`: who runs where
    - `budgets`: how many pods of each budget are up
    - `done`: the steps taken so far
    """

    def __init__(self, cluster: Pods) -> None:
        self.cluster = cluster
        self.pods = {pod.key: pod for pod in cluster.pods}
        self.state = State.of(cluster)
        self.filters = Filters.of(self.state)
        self.budgets = Budgets.of(
            cluster.budgets,
            (pod for pod in cluster.pods if pod.node is not None),
            (pod for pod in cluster.pods if pod.node is None),
        )
        self.done: list[Done] = []

    def covering(self, key: str) -> tuple[int, ...]:
        """The numbers of the budgets that cover a pod."""
        return self.budgets.covering(self.pods[key])

    def spare(self) -> list[int]:
        """For every budget, how many more of its pods may go down now."""
        return [self.budgets.spare(b) for b in range(len(self.budgets.budgets))]

    def may_evict(self, key: str) -> bool:
        """Whether every budget that covers the pod lets it go down now."""
        return not self.budgets.refusal(self.pods[key])

    def may_bind(self, key: str, node: int) -> bool:
        """Whether the pod, which is down, may be bound to a node now."""
        pod = self.pods[key]
        return not pod.gated and not self.filters.refusal(pod, node)

    def able(self, key: str) -> list[int]:
        """The nodes that the pod, which is down, may be bound to now."""
        pod = self.pods[key]
        found: list[int] = [] if pod.gated else np.flatnonzero(self.filters.feasible(pod)).tolist()
        return found

    def evict(self, key: str) -> None:
        """Take a pod from its node, legal or not."""
        gpus = self.state.holds.get(key, ())
        node = self.state.remove(key)
        self.done.append(Done("evict", key, node, gpus))
        self.budgets.rise(self.pods[key], -1)

    def bind(self, key: str, node: int) -> None:
        """Put a pod on a node, legal or not."""
        self.state.place(self.pods[key], node)
        self.done.append(Done("bind", key, node))
        self.budgets.rise(self.pods[key])

    def take(self, steps: Iterable[Done]) -> None:
        """Take steps, legal or not."""
        for step in steps:
            if step.act == "evict":
                self.evict(step.pod)
            else:
                self.bind(step.pod, step.node)

    def back_to(self, steps: int) -> None:
        """Undo all but the first `steps` steps."""
        while len(self.done) > steps:
            last = self.done.pop()
            if last.act == "bind":
                self.state.remove(last.pod)
                self.budgets.rise(self.pods[last.pod], -1)
            else:
                self.state.place(self.pods[last.pod], last.node, last.gpus)
                self.budgets.rise(self.pods[last.pod])
