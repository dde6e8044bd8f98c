"""The cluster: pods come, are tried one by one, run, leave and end.

Nothing is drawn at random here; a policy may draw from its own streams.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any

from hocket.cluster.budgets import Budgets
from hocket.cluster.filters import Filters
from hocket.cluster.model.pods import Pods
from hocket.cluster.packing.plan import Plan
from hocket.cluster.roles.pods import Again, Bind, Preempt, Wait
from hocket.cluster.simulate.pods_plans import Carrier
from hocket.cluster.simulate.pods_queue import Entry, Queue
from hocket.cluster.simulate.pods_view import LiveView, has_failed
from hocket.cluster.state import State
from hocket.cluster.units import second
from hocket.core.errors import IllegalDecision, RunError
from hocket.core.kernel import Event, Kernel, Phase
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline

MOST_ASKED = 100_000
"""So often in a row may a policy put off planning while nothing changes."""


def simulate(
    scenario: Pods, policy: Policy, *, seed: int = 0, kernel: Kernel | None = None
) -> Timeline:
    """Play `policy` on the cluster; the rules are in `hocket.cluster.simulate`.

    Raises IllegalDecision, which names the policy and the rule that it breaks.
    """
    decider = policy.begin(scenario, Streams(seed))
    return World(scenario, decider, policy.name, kernel or Kernel(scenario.time_unit)).run()


class World:
    """The state of the cluster, and the handlers of its events."""

    def __init__(self, scenario: Pods, decider: Any, name: str, kernel: Kernel) -> None:
        """The cluster before its first event."""
        self.scenario, self.policy, self.kernel = scenario, name, kernel
        self._place, self._plan = decider.place, getattr(decider, "plan", None)
        self._second = second(scenario.time_unit)
        self.state = State.of(scenario)
        self.filters = Filters.of(self.state)
        self.budgets = Budgets(scenario.budgets)
        self.timeline = Timeline(scenario.time_unit, tuple(node.name for node in scenario.nodes))
        self.entries = {pod.key: Entry(pod) for pod in scenario.pods}
        self.waiting: dict[str, Entry] = {}
        self.queue = Queue(kernel, self.ticks, self.wake)
        self.view = LiveView(scenario, self.state, self.waiting)
        self.carrier = Carrier(self)
        self._draining: set[str] = set()  # drained pods that have not left their node
        self.turnover = 0  # how many pods have come or ended
        # By victim, who waits until it is gone, and the order in which that pod came
        self._preemptors: dict[str, list[tuple[Entry, int]]] = {}
        self._orders = 0
        self._changes, self._seen = 1, 0  # how many there were, and at the last plan
        self._asked = 0  # how often a plan was put off since the last change
        self._again: Event | None = None
        self._deciding = self._gauging = False
        self._pending = dict.fromkeys(scenario.priorities, 0)
        self._shown: dict[int, int] = {}

    def run(self) -> Timeline:
        """Play until the horizon, or until nothing can happen any more."""
        horizon = self.scenario.horizon
        self._start()
        if horizon is None:
            end = self.kernel.run()
        else:
            end = horizon
            if horizon:
                self.kernel.run(until=horizon - 1)
        for entry in self.entries.values():
            if entry.node >= 0:
                self._record_run(entry, end)
            elif entry.waiting:
                self._record_wait(entry, end)
        return self.timeline

    def ticks(self, seconds: float) -> int:
        """Seconds as ticks, rounded up. With abstract ticks, one is a second."""
        return ceil(Fraction(round(seconds * 10**9), 10**9) * self._second)

    def wake(self) -> None:
        """Let the policy look, once all else of this instant is settled."""
        if not self._deciding:
            self._deciding = True
            self.kernel.after(0, self._decide, phase=Phase.DECIDE)

    def illegal(self, decision: str, why: str) -> IllegalDecision:
        """The error that a decision of the policy breaks a rule."""
        return IllegalDecision(self.policy, self.kernel.now, decision, why)

    # Pods

    def _start(self) -> None:
        self._gauge_later()
        for entry in self.entries.values():
            pod = entry.pod
            if pod.node is None:
                self.kernel.at(pod.arrival, self._arrive, entry, phase=Phase.ARRIVE)
                continue
            self._come(entry)
            self._settle(entry, self.state.where[pod.key], "it runs there already")
            if pod.drained:
                self._draining.add(pod.key)
        if self._draining and self._plan is not None:
            self.wake()
        elif self._draining:
            self.kernel.at(0, self._drain, phase=Phase.ARRIVE)

    def _drain(self) -> None:
        """Nobody plans how drained pods leave their nodes: all do at once."""
        for key in [key for key in self.entries if key in self._draining]:
            self.evict(self.entries[key], "preempt", "its node is drained")

    def _arrive(self, entry: Entry) -> None:
        self._come(entry)
        self._wait(entry)

    def _come(self, entry: Entry) -> None:
        entry.here = True
        self.turnover += 1
        self.budgets.come(entry.pod)
        self.timeline.point("arrive", "", entry.pod.key, "", self.kernel.now)

    def _wait(self, entry: Entry) -> None:
        """A pod has come, or was made anew: it waits for a node."""
        entry.order, self._orders = self._orders, self._orders + 1
        entry.since, entry.tries, entry.reason = self.kernel.now, 0, ""
        self.waiting[entry.pod.key] = entry
        self._count(entry, 1)
        if entry.pod.gated:
            entry.reason = "it is held back by scheduling gates"
        else:
            self.queue.add(entry)
        self._changed()

    def bind(self, entry: Entry, node: int, reason: str) -> None:
        """Put a waiting pod on a node."""
        pod, now = entry.pod, self.kernel.now
        self._record_wait(entry, now)
        self.timeline.point("bind", self.scenario.nodes[node].name, pod.key, "", now, reason)
        self.queue.remove(entry)
        del self.waiting[pod.key]
        self.view.nominated.pop(pod.key, None)
        self._count(entry, -1)
        self.state.place(pod, node)
        self._settle(entry, node, reason)
        self.queue.bound()
        self._changed()

    def _settle(self, entry: Entry, node: int, reason: str) -> None:
        now = self.kernel.now
        entry.node, entry.since, entry.reason = node, now, reason
        self.view.started[entry.pod.key] = now
        self.budgets.rise(entry.pod)
        if entry.pod.lifetime is not None:
            entry.end = self.kernel.after(entry.pod.lifetime - entry.ran, self._finish, entry)

    def evict(self, entry: Entry, kind: str, reason: str) -> None:
        """Make a pod leave its node; `kind` is evict or preempt."""
        pod = entry.pod
        lane = self.scenario.nodes[entry.node].name
        self.timeline.point(kind, lane, pod.key, "", self.kernel.now, reason)
        entry.leaving = True
        self.budgets.rise(pod, -1)
        self.view.leaves(pod.key)
        if self.scenario.grace:
            entry.leave = self.kernel.after(self.scenario.grace, self._leave, entry)
        else:
            self._leave(entry)

    def _leave(self, entry: Entry) -> None:
        """A pod's time of grace is over."""
        lifetime = entry.pod.lifetime
        if lifetime is not None and entry.ran + self.kernel.now - entry.since >= lifetime:
            self._finish(entry)
            return
        self._vacate(entry)
        self._wait(entry)
        self._left(entry)

    def _finish(self, entry: Entry) -> None:
        """A pod has run for its lifetime."""
        key = entry.pod.key
        lane = self.scenario.nodes[entry.node].name
        self._vacate(entry)
        entry.ended = True
        self.turnover += 1
        self.budgets.come(entry.pod, -1)
        self.timeline.point("done", lane, key, "", self.kernel.now)
        self._changed()
        self._left(entry)

    def _vacate(self, entry: Entry) -> None:
        self._record_run(entry, self.kernel.now)
        entry.ran += self.kernel.now - entry.since
        self.state.remove(entry.pod.key)
        self.view.left(entry.pod.key)
        for event in (entry.end, entry.leave):
            if event is not None:
                event.cancel()
        entry.end = entry.leave = None
        if not entry.leaving:
            self.budgets.rise(entry.pod, -1)
        entry.leaving, entry.node = False, -1
        self._draining.discard(entry.pod.key)

    def _left(self, entry: Entry) -> None:
        """What follows when a node has more room."""
        for preemptor, order in self._preemptors.pop(entry.pod.key, ()):
            if preemptor.spot == "making room" and preemptor.order == order:
                preemptor.victims -= 1
                if not preemptor.victims:
                    self.queue.add(preemptor)
        self.queue.room_made()
        self.carrier.left(entry.pod.key)

    # Decisions

    def _decide(self) -> None:
        view = self.view
        view.now = self.kernel.now
        while not self.carrier.busy and (entry := self.queue.pop()) is not None:
            self._try(entry)
        self._deciding = False
        if not self.carrier.busy:
            self._ask()

    def _try(self, entry: Entry) -> None:
        decision = self._place(self.view, entry.pod)
        if isinstance(decision, Bind):
            what = f"to bind {entry.pod.key} to {decision.node!r}"
            node = self.node(decision.node, what)
            if why := self.filters.refusal(entry.pod, node, self.view.leaving):
                raise self.illegal(what, why)
            self.bind(entry, node, decision.reason)
        elif isinstance(decision, Preempt):
            self._preempt(entry, decision)
        elif isinstance(decision, Wait):
            self.view.nominated.pop(entry.pod.key, None)
            entry.reason = decision.reason
            self.queue.set_aside(entry)
            self.view.stale()
        else:
            raise self.illegal(f"{decision!r:.60}", "it is neither Bind nor Preempt nor Wait")

    def node(self, name: str, what: str) -> int:
        """The number of a node; raises IllegalDecision where there is none."""
        node = self.state.index.get(name)
        if node is None:
            raise self.illegal(what, f"there is no node {name!r}")
        return node

    def _preempt(self, entry: Entry, decision: Preempt) -> None:
        what = f"to preempt {', '.join(decision.victims)} on {decision.node!r} for {entry.pod.key}"
        node = self.node(decision.node, what)
        victims = [self._victim(entry, key, node, what) for key in decision.victims]
        if not victims or len(set(decision.victims)) < len(victims):
            raise self.illegal(what, "name at least one victim, and none twice")
        if not entry.pod.preempts:
            raise self.illegal(what, f"{entry.pod.key} may not preempt others")
        entry.reason = decision.reason
        entry.spot, entry.victims = "making room", len(victims)
        self.view.nominated[entry.pod.key] = decision.node
        for victim in victims:
            self._preemptors.setdefault(victim.pod.key, []).append((entry, entry.order))
        for victim in victims:
            if not victim.leaving:
                self.evict(victim, "preempt", decision.reason)

    def _victim(self, entry: Entry, key: str, node: int, what: str) -> Entry:
        victim = self.entries.get(key)
        why = ""
        if victim is None or victim.node != node:
            why = f"{key} does not run there"
        elif victim.pod.protected:
            why = f"{key} is protected: {victim.pod.protection or 'it says so'}"
        elif victim.pod.priority >= entry.pod.priority:
            why = f"{key} has priority {victim.pod.priority}, which is not lower"
        if why or victim is None:
            raise self.illegal(what, why)
        return victim

    # Plans

    def _ask(self) -> None:
        """Ask for a plan, if some pod found no place and something has changed since the last."""
        if self._plan is None or self._seen == self._changes:
            return
        failed = any(has_failed(entry) for entry in self.waiting.values())
        if not failed and not self._draining:
            return
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self._seen = self._changes
        answer = self._plan(self.view)
        if isinstance(answer, Plan):
            self.carrier.take(answer)
        elif isinstance(answer, Again):
            if answer.after is not None:
                self._put_off(answer.after)
        else:
            raise self.illegal(f"{answer!r:.60}", "it is neither Plan nor Again")

    def _put_off(self, after: int) -> None:
        self._asked += 1
        if self._asked > MOST_ASKED:
            raise RunError(
                f"{self.policy} has put off planning {MOST_ASKED} times while nothing changed; "
                f"return Again(None) to be asked after a change"
            )
        self._again = self.kernel.after(after, self._ask_again, phase=Phase.WAKE)

    def _ask_again(self) -> None:
        self._again, self._seen = None, 0
        self.wake()

    def _changed(self) -> None:
        """A pod came, was bound, or left."""
        self.view.changed = self.kernel.now
        self.view.stale()
        self._changes += 1
        self._asked = 0
        self.wake()

    # Records

    def _record_run(self, entry: Entry, end: int) -> None:
        lane, key = self.scenario.nodes[entry.node].name, entry.pod.key
        gpus = ",".join(map(str, self.state.holds.get(key, ())))
        self.timeline.span("run", lane, key, gpus, entry.since, end, entry.reason)

    def _record_wait(self, entry: Entry, end: int) -> None:
        self.timeline.span("wait", "", entry.pod.key, "", entry.since, end, entry.reason)

    def _count(self, entry: Entry, by: int) -> None:
        self._pending[entry.pod.priority] += by
        self._gauge_later()

    def _gauge_later(self) -> None:
        if not self._gauging:
            self._gauging = True
            self.kernel.after(0, self._gauge, phase=Phase.OBSERVE)

    def _gauge(self) -> None:
        self._gauging = False
        for priority, count in self._pending.items():
            if self._shown.get(priority) != count:
                self._shown[priority] = count
                self.timeline.gauge("pending", str(priority), self.kernel.now, count)
