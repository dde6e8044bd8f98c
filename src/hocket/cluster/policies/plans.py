"""Carry out a given plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.packing.plan import Plan, Step
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.cluster.roles.pods import Again, Bind, Placing, Planning, Preempt, View, Wait
from hocket.core.errors import InputError
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline


class FollowPlan(Policy, frozen=True):
    """Carry out a given plan, then place what is left as kube-scheduler does.

    Nothing is placed before the plan is carried out, which begins when the first pod waits.

    - `steps`: those of a `Plan`; `FollowPlan.of` takes them from one, or from a timeline
    - `then`: the scheduler that places pods afterwards
    """

    name: ClassVar[str] = "cluster/plan"
    problems: ClassVar[tuple[str, ...]] = ("cluster/pods",)

    steps: tuple[Step, ...] = ()
    then: KubeScheduler = KubeScheduler()

    @classmethod
    def of(cls, source: Plan | Timeline) -> FollowPlan:
        """The plan, or the one that the binds and evictions of a timeline are."""
        return cls(steps=source.steps if isinstance(source, Plan) else tuple(_steps(source)))

    def refuses(self, scenario: Pods) -> str:
        """See Policy.refuses."""
        late = {pod.key for pod in scenario.pods if pod.arrival}
        for step in self.steps:
            if step.pod in late:
                return f"the plan names {step.pod}, which comes only later"
        return ""

    def begin(self, scenario: Pods, streams: Streams) -> Planning:
        """See Policy.begin.

        Raises InputError when the plan names pods or nodes that the scenario does not have.
        """
        pods, nodes = {pod.key for pod in scenario.pods}, {node.name for node in scenario.nodes}
        wrong = [f"there is no pod {s.pod!r}" for s in self.steps if s.pod not in pods]
        wrong += [f"there is no node {s.node!r}" for s in self.steps if s.node not in nodes]
        if wrong:
            raise InputError(self.name, list(dict.fromkeys(wrong)))
        return _Follower(self.steps, self.then.begin(scenario, streams))


class _Follower:
    """Gives the plan when it is asked for one, and lets another place what is left."""

    def __init__(self, steps: tuple[Step, ...], then: Placing) -> None:
        self.steps, self.then = steps, then

    def place(self, view: View, pod: Pod) -> Bind | Preempt | Wait:
        return Wait("the plan comes first") if self.steps else self.then.place(view, pod)

    def plan(self, view: View) -> Plan | Again:
        steps, self.steps = self.steps, ()
        return Plan(verdict="better", steps=steps, reason="as given") if steps else Again()


def _steps(timeline: Timeline) -> Iterator[Step]:
    """The binds and evictions of a timeline. Evictions after binds begin a wave."""
    wave, bound = 0, False
    for point in timeline.points():
        if point.kind == "bind":
            bound = True
        elif point.kind not in ("evict", "preempt"):
            continue
        elif bound:
            wave, bound = wave + 1, False
        yield Step(
            act="bind" if point.kind == "bind" else "evict",
            pod=point.group,
            node=point.lane,
            wave=wave,
            reason=point.reason,
        )


POLICIES = (FollowPlan,)
