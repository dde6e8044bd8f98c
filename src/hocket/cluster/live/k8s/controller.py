"""The loop: look at the cluster, place what can be placed, plan for what cannot, carry it out.

It keeps nothing that it could not do without: after a restart it looks, and goes on from what it
sees.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec

from hocket.cluster.budgets import Budgets
from hocket.cluster.live.k8s.api import Api, Refused
from hocket.cluster.live.k8s.executor import PATIENCE, Executor, Outcome
from hocket.cluster.live.k8s.extender import Extender
from hocket.cluster.live.k8s.mirror import Mirror, Seen
from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.packing.plan import Plan
from hocket.cluster.roles.pods import Again, Bind, Placing, Planning, Preempt, View
from hocket.cluster.state import State
from hocket.core.errors import UserError
from hocket.core.policy import Policy
from hocket.core.streams import Streams

LOG = logging.getLogger("hocket.k8s")

OURS = "hocket"
"""Pods with this ``schedulerName`` are placed, and placed anew, by hocket."""

SETTLE, RESTLESS = 0.3, 3.0
"""Seconds without a change before the cluster is looked at, and after which it is in any case."""

IDLE = 10.0
"""Seconds after which it is looked at although nothing has changed."""

REST, LONGEST_REST = 2.0, 300.0
"""Seconds without a plan after one that was given up, at first; twice as many after the next."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the controller may do.

    - `apply`: carry plans out; otherwise they are only told
    - `namespace`: touch only pods of this namespace; empty for all
    - `scheduler`: the ``schedulerName`` of pods whose successors hocket may place
    - `any_scheduler`: move pods of other schedulers too. Their scheduler would place the successor
      itself, so this is only sound where it asks hocket's extender, or for a look (`apply` False)
    - `patience`: seconds, see `hocket.cluster.live.k8s.executor.PATIENCE`; so long a new plan waits
      for pods that are leaving anyway, as on a busy cluster some always are; a look does not wait
    """

    apply: bool = False
    namespace: str = ""
    scheduler: str = OURS
    any_scheduler: bool = False
    patience: float = PATIENCE


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at the cluster led to.

    - `pods`, `waiting`: how many there are, and which still wait that may be placed
    - `placed`: bound one by one, with their node
    - `plan`, `outcome`: None where there was none, or it was not carried out
    - `foreign`: pods that the plan moves and that other schedulers place
    """

    pods: int
    waiting: tuple[str, ...]
    placed: dict[str, str]
    plan: Plan | None = None
    outcome: Outcome | None = None
    foreign: tuple[str, ...] = ()
    snapshot: Pods | None = None


class _Nominated(msgspec.Struct):
    """A pod (its UID) for which room is made on a node, and the UIDs of those that leave."""

    uid: str
    node: str
    victims: set[str]


class Controller:
    """Runs a policy of ``cluster/pods``, the same object as in a simulation, on a live cluster."""

    def __init__(
        self,
        api: Api,
        policy: Policy,
        settings: Settings,
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """`stop` is asked between steps.

        Raises UserError for a policy that schedules something else, and a patience below 0.
        """
        if not settings.patience >= 0:
            raise UserError(f"patience is seconds, 0 or more, not {settings.patience:g}")
        if "cluster/pods" not in policy.problems:
            raise UserError(f"{policy.name} does not place pods; use cluster/priority-matters")
        self.api, self.policy, self.settings, self.stop = api, policy, settings, stop
        self.mirror = Mirror(api)
        self.extender: Extender | None = None
        self.executor = Executor(api, self.mirror, patience=settings.patience, stop=stop)
        self._decider: Placing | None = None
        self._begun = time.monotonic()
        self._bound: dict[str, str] = {}  # since the last look, by UID, to which node
        self._nominated: dict[str, _Nominated] = {}
        self._held: float | None = None  # since when a plan waits for pods that are leaving
        self._rest = self._resume = 0.0

    def extend(self) -> Extender:
        """An extender that knows this cluster, and keeps the nodes of plans for their pods."""
        if self.extender is None:
            self.extender = Extender(self.policy, self.mirror.snapshot, bind=self.api.bind)
        return self.extender

    def start(self) -> None:
        """Look at the cluster for the first time and follow it. Raises Refused."""
        self.mirror.start()
        own = self.settings.namespace
        if own and not any(seen.pod.namespace == own for seen in list(self.mirror.pods.values())):
            LOG.warning("there is no pod in namespace %s", own)

    def close(self) -> None:
        """Stop following the cluster."""
        self.mirror.close()

    def once(self) -> Round:
        """Look, place, plan and carry out, once. Waits as long as the policy wants to wait."""
        placed: dict[str, str] = {}
        while True:
            version = self.mirror.version
            found, again = self._look()
            placed |= found.placed
            over = again is None or (again.after is None and self._held is None)
            if over or self.stop():
                return msgspec.structs.replace(found, placed=placed)
            if again is not None and again.after is not None:
                self._sleep(min(again.after / 1000, 1.0))
            else:
                self.mirror.wait(version, 1.0)

    def watch(self, on_round: Callable[[Round], None]) -> None:
        """Look again whenever something has changed, until `stop`; survives what the API does."""
        pause = 1.0
        while not self.stop():
            version = self.mirror.version
            again: Again | None = None
            try:
                found, again = self._look()
                on_round(found)
                pause = 1.0
            except Refused as refused:
                LOG.warning("%s; looking again in %.0f s", refused, pause)
                self._sleep(pause)
                pause = min(2 * pause, 30.0)
                continue
            wanted = IDLE if again is None or again.after is None else again.after / 1000
            self._settle(version, min(wanted, IDLE))

    def _look(self) -> tuple[Round, Again | None]:
        self._await_bound()
        if self.settings.apply and self.mirror.trouble:  # never act on what may be out of date
            raise Refused(0, f"the cluster cannot be followed: {self.mirror.told()}")
        view, seen = self._view()
        decider = self._decider = self._decider or self.policy.begin(view.scenario, Streams(0))
        placed = self._place(view, seen, decider)
        view.failed = tuple(pod for pod in view.waiting if self._is_stuck(pod, seen[pod.key]))
        count = len(view.state.where) + len(view.waiting)
        answer = self._plan(view, decider)
        waiting = tuple(pod.key for pod in view.waiting if not pod.gated)
        if isinstance(answer, Again):
            return Round(pods=count, waiting=waiting, placed=placed), answer
        outcome = None
        if answer.steps and self.settings.apply and not self.stop():
            outcome = self._carry_out(answer, view.snapshot())
        moved = (*answer.moved, *answer.evicted)
        foreign = tuple(key for key in moved if seen[key].scheduler != self.settings.scheduler)
        found = Round(
            pods=count,
            waiting=waiting,
            placed=placed,
            plan=answer,
            outcome=outcome,
            foreign=foreign,
            snapshot=view.snapshot(),
        )
        return found, None

    def _plan(self, view: View, decider: Placing) -> Plan | Again:
        """What the policy plans, if it plans and pods are stuck; not soon after it went wrong."""
        now = time.monotonic()
        if not view.failed or not hasattr(decider, "plan"):
            self._held = None
            return Again()
        if now < self._resume:
            return Again(self._ticks(self._resume) - self._ticks(now) + 1)
        if not self.settings.apply:
            view.leaving = frozenset()
        if not view.leaving:
            self._held = None
        elif self._held is None:
            self._held = now
        elif now - self._held > self.settings.patience:
            view.leaving = frozenset()  # they hold their nodes, and may do so for long
        planning: Planning = decider  # type: ignore[assignment]  # it has just been looked at
        answer = planning.plan(view)
        if isinstance(answer, Plan):
            self._held = None
        return answer

    def _carry_out(self, plan: Plan, cluster: Pods) -> Outcome:
        """With an extender, other schedulers are kept from the room that the plan makes."""
        if self.extender is not None:
            self.extender.follow(plan, cluster)
        try:
            found = self.executor.carry_out(plan)
        finally:
            if self.extender is not None:
                self.extender.forget()
        self._rest = min(max(2 * self._rest, REST), LONGEST_REST) if found.given_up else 0.0
        self._resume = time.monotonic() + self._rest
        if self._rest:
            LOG.info("no new plan for %.0f s", self._rest)
        return found

    def _view(self) -> tuple[View, dict[str, Seen]]:
        """The cluster as the policy sees it: what it must not touch is protected."""
        with self.mirror.changed:
            snapshot = self.mirror.snapshot()
            seen = dict(self.mirror.pods)
        budgets = Budgets(snapshot.budgets)
        pods = tuple(self._guarded(pod, seen[pod.key], budgets) for pod in snapshot.pods)
        snapshot = msgspec.structs.replace(snapshot, pods=pods)
        view = View(snapshot, State.of(snapshot))
        view.now = self._ticks(time.monotonic())
        view.changed = self._ticks(self.mirror.last_change)
        view.leaving = frozenset(key for key, one in seen.items() if one.leaving and one.pod.node)
        waiting = [pod for pod in pods if pod.node is None and not seen[pod.key].leaving]
        waiting.sort(key=lambda pod: (-pod.priority, seen[pod.key].since, pod.key))
        view.waiting = tuple(waiting)
        uids = {one.uid for one in seen.values()}
        self._nominated = {
            key: one
            for key, one in self._nominated.items()
            if key in seen and seen[key].uid == one.uid and seen[key].pod.node is None
        }
        for key, one in self._nominated.items():
            one.victims &= uids
            if one.node in view.state.index:
                view.nominated[key] = one.node
        return view, seen

    def _guarded(self, pod: Pod, seen: Seen, budgets: Budgets) -> Pod:
        settings = self.settings
        foreign = pod.node is not None and seen.scheduler != settings.scheduler
        why = ""
        if settings.namespace and pod.namespace != settings.namespace:
            why = f"is not in namespace {settings.namespace}"
        elif foreign and not settings.any_scheduler:
            why = f"would be placed anew by {seen.scheduler}"
        elif pod.node is not None and len(budgets.covering(pod)) > 1:
            why = "has several disruption budgets, and the eviction API refuses such pods"
        if not why or pod.protected:
            return pod
        if pod.node is None:
            return msgspec.structs.replace(pod, gated=True)
        return msgspec.structs.replace(pod, protected=True, protection=why)

    def _is_ours(self, pod: Pod, seen: Seen) -> bool:
        return seen.scheduler == self.settings.scheduler and not pod.gated

    def _is_stuck(self, pod: Pod, seen: Seen) -> bool:
        ours = seen.scheduler == self.settings.scheduler
        return not pod.gated and (ours or seen.unschedulable)

    def _place(self, view: View, seen: dict[str, Seen], decider: Placing) -> dict[str, str]:
        """Place, one by one, the waiting pods that are ours to place."""
        placed: dict[str, str] = {}
        if not self.settings.apply:
            return placed
        for pod in view.waiting:
            if self.stop() or not self._is_ours(pod, seen[pod.key]):
                continue
            answer = decider.place(view, pod)
            if isinstance(answer, Bind):
                if self._bind(view, pod, seen[pod.key], answer):
                    placed[pod.key] = answer.node
            elif isinstance(answer, Preempt):
                self._preempt(view, seen, pod, answer)
            elif not self._makes_room(pod):
                self._nominated.pop(pod.key, None)
                view.nominated.pop(pod.key, None)
        view.waiting = tuple(pod for pod in view.waiting if pod.key not in placed)
        return placed

    def _bind(self, view: View, pod: Pod, seen: Seen, answer: Bind) -> bool:
        try:
            self.api.bind(pod.namespace, pod.name, seen.uid, answer.node)
        except Refused as refused:
            if refused.status in (404, 409):  # it has gone, or somebody else was quicker
                LOG.info("%s", refused)
                return False
            raise
        view.state.place(pod, view.state.index[answer.node])
        view.nominated.pop(pod.key, None)
        self._bound[seen.uid] = answer.node
        LOG.info("bound %s to %s", pod.key, answer.node)
        return True

    def _await_bound(self) -> None:
        """What was bound since the last look must be seen to be, else its room seems free."""
        until = time.monotonic() + self.settings.patience
        while self._bound and not self.stop() and time.monotonic() < until:
            with self.mirror.changed:
                version = self.mirror.version
                waiting = {one.uid for one in self.mirror.pods.values() if one.pod.node is None}
            if not waiting.intersection(self._bound):
                break
            self.mirror.wait(version, 0.5)
        self._bound.clear()

    def _makes_room(self, pod: Pod) -> bool:
        """Whether those that a pod has displaced are still leaving."""
        found = self._nominated.get(pod.key)
        return found is not None and bool(found.victims)

    def _preempt(self, view: View, seen: dict[str, Seen], pod: Pod, answer: Preempt) -> None:
        """Evict all victims or, where any of them may not be, none; once for each pod and node."""
        if self._makes_room(pod):
            return
        on = view.state.on[view.state.index[answer.node]]
        for key in answer.victims:
            if key not in on or on[key].protected:
                why = on[key].protection if key in on else "is not on that node"
                LOG.warning("%s does not preempt %s, which %s", pod.key, key, why or "is protected")
                return
        victims = [seen[key] for key in answer.victims]
        try:
            for dry_run in (True, False):
                for one in victims:
                    self.api.evict(one.pod.namespace, one.pod.name, one.uid, dry_run=dry_run)
        except Refused as refused:
            if refused.status not in (404, 409, 429):
                raise
            LOG.info("%s", refused)
            return
        self._nominated[pod.key] = _Nominated(
            seen[pod.key].uid, answer.node, {one.uid for one in victims}
        )
        view.nominated[pod.key] = answer.node
        view.leaving |= frozenset(answer.victims)
        LOG.info("evicted %s from %s for %s", ", ".join(answer.victims), answer.node, pod.key)

    def _settle(self, version: int, seconds: float) -> None:
        """Wait for a change, and then until there is none for a moment."""
        until = time.monotonic() + seconds
        while not self.stop() and time.monotonic() < until:
            now = self.mirror.wait(version, min(0.5, max(until - time.monotonic(), 0)))
            if now != version:
                latest = time.monotonic() + RESTLESS
                while time.monotonic() < min(self.mirror.last_change + SETTLE, latest):
                    time.sleep(SETTLE / 4)
                return

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stop() and time.monotonic() < until:
            time.sleep(min(0.2, max(until - time.monotonic(), 0)))

    def _ticks(self, seconds: float) -> int:
        return max(int((seconds - self._begun) * 1000), 0)
