"""A scheduler that does whatever is allowed, at random: what checkers and simulators must bear."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from hocket.cluster.budgets import Budgets
from hocket.cluster.filters import Filters
from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.packing.plan import Plan, Step
from hocket.cluster.roles.pods import Again, Bind, Preempt, View, Wait
from hocket.cluster.state import State
from hocket.core.policy import Policy
from hocket.core.streams import Streams


class Chaos(Policy, frozen=True):
    """Binds, preempts, evicts and moves at random, but never against the rules."""

    name: ClassVar[str] = "cluster/chaos"
    problems: ClassVar[tuple[str, ...]] = ("cluster/pods",)
    plans: int = 3

    def begin(self, scenario: Pods, streams: Streams) -> Decider:
        """See Policy.begin."""
        return Decider(streams["policy.chaos"], self.plans)


class Decider:
    """One run."""

    def __init__(self, random: np.random.Generator, plans: int) -> None:
        self.random, self.plans = random, plans
        self.preempted = 0

    def place(self, view: View, pod: Pod) -> Bind | Preempt | Wait:
        """See Placing.place."""
        able = np.flatnonzero(Filters.of(view.state).feasible(pod, view.leaving))
        if len(able) and self.random.random() < 0.8:
            return Bind(view.state.nodes[int(self.random.choice(able))].name)
        if pod.preempts and self.preempted < 5 and self.random.random() < 0.5:
            victims = [
                (key, node)
                for key, node in sorted(view.state.where.items())
                if _weaker(view.state.on[node][key], pod)
            ]
            if victims:
                self.preempted += 1
                key, node = victims[int(self.random.integers(len(victims)))]
                return Preempt(view.state.nodes[node].name, (key,))
        return Wait()

    def plan(self, view: View) -> Plan | Again:
        """See Planning.plan."""
        if not self.plans or view.leaving:
            return Again()
        self.plans -= 1
        steps = some_steps(view.snapshot(), self.random)
        seconds = float(self.random.integers(0, 3))
        verdict: Any = "better" if steps else "no better plan in time"
        return Plan(verdict=verdict, steps=steps, seconds=seconds)


def some_steps(cluster: Pods, random: np.random.Generator) -> tuple[Step, ...]:
    """Legal steps, for better or worse."""
    state, waiting = State.of(cluster), [pod for pod in cluster.pods if pod.node is None]
    filters = Filters.of(state)
    up = [pod for pod in cluster.pods if pod.node is not None]
    budgets = Budgets.of(cluster.budgets, up, waiting)
    steps: list[Step] = []
    for wave in range(int(random.integers(1, 4))):
        gone = []
        for pod in up:
            on = state.where.get(pod.key)
            if on is None or pod.protected or random.random() < 0.6 or budgets.refusal(pod):
                continue
            steps.append(Step(act="evict", pod=pod.key, node=state.nodes[on].name, wave=wave))
            budgets.rise(pod, -1)
            gone.append(pod)
        for pod in gone:
            state.remove(pod.key)
            waiting.append(pod)
        for pod in list(waiting):
            able = np.flatnonzero(filters.feasible(pod))
            if pod.gated or not len(able) or random.random() < 0.3:
                continue
            node = int(random.choice(able))
            steps.append(Step(act="bind", pod=pod.key, node=state.nodes[node].name, wave=wave))
            state.place(pod, node)
            budgets.rise(pod)
            waiting.remove(pod)
    return tuple(steps)


def _weaker(pod: Pod, than: Pod) -> bool:
    return not pod.protected and pod.priority < than.priority
