"""Priority Matters: where pods stay pending, the whole cluster is packed anew, with a proof."""

from __future__ import annotations

from math import ceil
from typing import Annotated, ClassVar, Literal

import msgspec

from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.plan import Plan
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.cluster.roles.pods import Again, Bind, Placing, Planning, Preempt, View, Wait
from hocket.cluster.units import second
from hocket.core.policy import Policy
from hocket.core.streams import Streams

Seconds = Annotated[float, msgspec.Meta(gt=0)]
When = Literal["failure", "stable", "periodic"]


class PriorityMatters(Policy, frozen=True):
    """Pack all pods anew where some stay pending: by priority, with the least disruption.

    Pods are placed one by one by `scheduler`, without its preemption, as long as that works. When
    some pod found no place, the `search` looks for a better packing of all, which is carried out
    if it is better than the present and verified.

    - `when`: the search begins on ``failure``, as soon as a pod found no place; when the cluster is
      ``stable`` and nothing has come, gone or been bound for `stable_for` seconds; or
      ``periodic``, at most every `every` seconds
    - with ``search.trigger = "one"`` the most important of the pods without a place asks, and is
      placed or there is no plan; then the next of them asks
    """

    name: ClassVar[str] = "cluster/priority-matters"
    problems: ClassVar[tuple[str, ...]] = ("cluster/pods",)
    source: ClassVar[str] = (
        "H. D. Christensen, J. Mauro, S. Giallorenzo, arXiv 2511.08373 (2025), and its code, "
        "henrikdchristensen/scheduler-plugins"
    )
    search: Options = Options()
    scheduler: KubeScheduler = KubeScheduler(preemption=False)
    when: When = "failure"
    every: Seconds = 8.0
    stable_for: Seconds = 2.0

    def begin(self, scenario: Pods, streams: Streams) -> Planning:
        """See Policy.begin."""
        return _Decider(self, scenario, self.scheduler.begin(scenario, streams))


class _Decider:
    """One run: what was planned when, and for whom."""

    def __init__(self, policy: PriorityMatters, scenario: Pods, scheduler: Placing) -> None:
        self.policy = policy
        self.place_one = scheduler.place
        self.second = second(scenario.time_unit)
        self.last: int | None = None  # when the last search began
        self.places: dict[str, str] = {}  # where every pod was then, or was to be by its plan
        self.asked: set[str] = set()  # who has asked since, and need not ask again

    def place(self, view: View, pod: Pod) -> Bind | Preempt | Wait:
        """See Placing.place."""
        return self.place_one(view, pod)

    def plan(self, view: View) -> Plan | Again:
        """See Planning.plan."""
        if view.leaving:
            return Again()  # what they leave free is known when they are gone
        after = self._wait(view)
        if after > 0:
            return Again(after)
        snapshot = view.snapshot()
        places = {pod.key: pod.node or "" for pod in snapshot.pods}
        if places != self.places:
            self.places = places
            self.asked.clear()
        askers = self._askers(view)
        if not askers:
            return Again()
        self.last = view.now
        plan = self._plan(snapshot, askers)
        if plan.verdict == "better and optimal" and askers == [""]:
            self.places = places | dict.fromkeys(plan.evicted, "") | plan.moved | plan.placed
        return plan

    def _plan(self, snapshot: Pods, askers: list[str]) -> Plan:
        """The first plan that helps a pod that asks; that for the last of them if none does."""
        from hocket.cluster.packing.planner import plan_for

        seconds = 0.0
        plan = Plan(verdict="no better plan in time")
        if len(askers) > 1:  # whom nobody's plan can help need not ask one by one
            search = msgspec.structs.replace(self.policy.search, trigger="batch")
            plan = _heeded(plan_for(snapshot, search))
            seconds += plan.seconds
            if plan.verdict == "already optimal":
                self.asked.update(askers)
                return msgspec.structs.replace(plan, seconds=seconds)
        for preemptor in askers:
            plan = _heeded(plan_for(snapshot, self.policy.search, preemptor=preemptor))
            self.asked.add(preemptor)
            seconds += plan.seconds
            if plan.steps:
                break
        return msgspec.structs.replace(plan, seconds=seconds)

    def _wait(self, view: View) -> int:
        """Ticks until a search may begin."""
        if self.policy.when == "periodic" and self.last is not None:
            return self.last + ceil(self.policy.every * self.second) - view.now
        if self.policy.when == "stable":
            return view.changed + ceil(self.policy.stable_for * self.second) - view.now
        return 0

    def _askers(self, view: View) -> list[str]:
        """The pods that ask for a plan in turn; an empty name if all do at once."""
        if self.policy.search.trigger == "batch":
            return [] if "" in self.asked else [""]
        alike: dict[
            bytes, str
        ] = {}  # what cannot be placed for one pod cannot be for another like it
        for pod in view.failed:
            kind = msgspec.msgpack.encode(msgspec.structs.replace(pod, name="", arrival=0))
            alike.setdefault(kind, pod.key)
        return [key for key in alike.values() if key not in self.asked]


def _heeded(plan: Plan) -> Plan:
    """A plan, unless Ctrl-C has ended its search: then whoever runs the policy is to end too."""
    if plan.reason == "interrupted":
        raise KeyboardInterrupt
    return plan


POLICIES = (PriorityMatters,)
