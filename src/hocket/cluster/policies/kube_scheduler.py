"""kube-scheduler as it comes: filter the nodes, score them, bind; preempt where nothing is left."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from hocket.cluster.filters import Filters
from hocket.cluster.kube.preemption import Displaceable, choose
from hocket.cluster.kube.scores import Nodes, Scores, Strategy, total
from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.roles.pods import Bind, Placing, Preempt, View, Wait
from hocket.cluster.state import State
from hocket.core.policy import Policy
from hocket.core.streams import Streams

TieBreak = Literal["first", "random"]

ALWAYS_SCORED = 100
"""So many nodes are scored in any case, if there are so many that can take a pod."""


class KubeScheduler(Policy, frozen=True):
    """kube-scheduler's default plug-ins and weights, with preemption.

    - `tie_break`: of nodes with equal scores the first by name, or one at random as Kubernetes does
    - `preemption`: whether pods may displace others of lower priority
    - `strategy`: whether the emptiest nodes score best, or the fullest (bin packing)
    - `spread_owned`: whether pods of one owner are spread over hosts and zones by default
    - `sampling`: whether only some nodes that can take a pod are looked for, of more than 100: half
      of them, less one percent for every 125 nodes; the next search goes on where one has ended
    """

    name: ClassVar[str] = "cluster/kube-scheduler"
    problems: ClassVar[tuple[str, ...]] = ("cluster/pods",)
    source: ClassVar[str] = "Kubernetes 1.33, default scheduler profile"

    tie_break: TieBreak = "first"
    preemption: bool = True
    strategy: Strategy = "LeastAllocated"
    spread_owned: bool = True
    sampling: bool = True

    def begin(self, scenario: Pods, streams: Streams) -> Placing:
        """See Policy.begin."""
        return Scheduler(self, streams)


class Scheduler:
    """Places pods one by one."""

    def __init__(self, policy: KubeScheduler, streams: Streams) -> None:
        """For one run; it learns the cluster from the views that it is shown."""
        self.policy, self._streams = policy, streams
        self._state: State | None = None
        self._start = 0  # where the search for nodes goes on
        self._nominated: dict[str, str] = {}
        # Why pods that ask for the same found no place; nothing has left since.
        self._hopeless: dict[object, str] = {}

    def place(self, view: View, pod: Pod) -> Bind | Preempt | Wait:
        """See Placing.place."""
        if view.state is not self._state:
            self._meet(view.state)
        if view.nominated != self._nominated:
            self._nominated = dict(view.nominated)
            self._hopeless.clear()
        signature = self._signature(pod)
        if signature in self._hopeless and pod.key not in view.nominated:
            return Wait(self._hopeless[signature])
        nominated = self._room_made(view, pod)
        able = self.filters.feasible(pod, view.leaving)
        for j, others in nominated.items():
            if able[j]:
                able[j] = not self.filters.refusal(pod, j, view.leaving, come=others)
        meant = view.nominated.get(pod.key)
        if meant is not None and able[view.state.index[meant]]:
            return Bind(meant, "room was made for it")
        if able.any():
            return self._best(view, pod, self._sample(np.flatnonzero(able)))
        if self.policy.preemption:
            displaced = self._displace(view, pod, nominated)
            if displaced is not None:
                return displaced
        reason = self.filters.summary(pod, view.leaving)
        if signature is not None:
            self._hopeless[signature] = reason
        return Wait(reason)

    def changed(self, pod: Pod, node: int, by: int) -> None:
        """See Watcher.changed: what leaves makes room, what comes never does."""
        if by < 0:
            self._hopeless.clear()

    def _meet(self, state: State) -> None:
        self._state = state
        self.filters = Filters.of(state)
        self._scores = Scores(self.filters, self.policy.strategy, self.policy.spread_owned)
        self._displaceable = Displaceable(self.filters)
        names = [node.name for node in state.nodes]
        self._order = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
        self._place_of = np.argsort(self._order)
        self._hopeless.clear()
        state.watch(self)

    def _signature(self, pod: Pod) -> object:
        """What pods have in common that fail alike; None for those that others concern."""
        if self.filters.between.concern(pod):
            return None
        return (
            self.filters.state.demand(pod).tobytes(),
            (pod.gpus, pod.gpu_milli, pod.priority, pod.preempts),
            (pod.selector, pod.affinity, pod.tolerations),
        )

    def _room_made(self, view: View, pod: Pod) -> dict[int, list[Pod]]:
        """By node, the pods at least as important for which room is being made there."""
        found: dict[int, list[Pod]] = {}
        if view.nominated:
            for other in view.waiting:
                node = view.nominated.get(other.key)
                if node is None or other.key == pod.key or other.priority < pod.priority:
                    continue
                found.setdefault(view.state.index[node], []).append(other)
        return found

    def _sample(self, able: Nodes) -> Nodes:
        """Of the nodes that can take a pod, those found before the search is over."""
        count = len(self._order)
        share = max(50 - count // 125, 5)
        wanted = max(count * share // 100, ALWAYS_SCORED)
        if not self.policy.sampling or count < ALWAYS_SCORED:
            return able
        turned = np.roll(able, -int(np.searchsorted(able, self._start)))[:wanted]
        seen = count
        if len(turned) == wanted:
            seen = (int(turned[-1]) - self._start) % count + 1
        self._start = (self._start + seen) % count
        return np.sort(turned)

    def _best(self, view: View, pod: Pod, nodes: Nodes) -> Bind:
        names = view.state.nodes
        if len(nodes) == 1:
            return Bind(names[nodes[0]].name, "the only node that can take it")
        parts = self._scores.parts(view, pod, nodes)
        scores = total(parts)
        ties = np.flatnonzero(scores == scores.max())
        if self.policy.tie_break == "random" and len(ties) > 1:
            i = int(ties[self._streams["policy.ties"].integers(len(ties))])
        else:
            i = int(ties[np.argmin(self._place_of[nodes[ties]])])
        told = ", ".join(f"{part} {int(score[i])}" for part, score in parts.items())
        return Bind(names[nodes[i]].name, f"best of {len(nodes)} nodes: {told}")

    def _displace(self, view: View, pod: Pod, nominated: dict[int, list[Pod]]) -> Preempt | None:
        offset = 0
        if self.policy.tie_break == "random":
            offset = int(self._streams["policy.ties"].integers(len(self._order)))
        candidate = choose(
            view, self.filters, self._displaceable, pod, nominated, self._order, offset
        )
        if candidate is None:
            return None
        victims = tuple(victim.key for victim in candidate.victims)
        return Preempt(view.state.nodes[candidate.node].name, victims, f"makes room for {pod.key}")


POLICIES = (KubeScheduler,)
