"""Carrying out a plan: wave by wave, evictions first and then binds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Protocol

from hocket.cluster.budgets import Budgets
from hocket.cluster.filters import Filters
from hocket.cluster.packing.plan import Plan, Step
from hocket.cluster.simulate.pods_queue import Entry
from hocket.cluster.simulate.pods_view import LiveView
from hocket.core.errors import IllegalDecision
from hocket.core.kernel import Kernel, Phase
from hocket.core.timeline import Timeline


class Simulated(Protocol):
    """What a plan is carried out on: the simulated cluster.

    `turnover` is how many pods have come or ended; `entries` are all pods by key.
    """

    turnover: int
    kernel: Kernel
    timeline: Timeline
    filters: Filters
    budgets: Budgets
    view: LiveView
    entries: dict[str, Entry]

    def ticks(self, seconds: float) -> int:
        """Seconds as ticks, rounded up."""

    def wake(self) -> None:
        """Let the policy look, once all else of this instant is settled."""

    def node(self, name: str, what: str) -> int:
        """The number of a node; raises IllegalDecision where there is none."""

    def illegal(self, decision: str, why: str) -> IllegalDecision:
        """The error that a decision breaks a rule."""

    def evict(self, entry: Entry, kind: str, reason: str) -> None:
        """Make a pod leave its node."""

    def bind(self, entry: Entry, node: int, reason: str) -> None:
        """Put a waiting pod on a node."""


class Carrier:
    """The plan that is being carried out, if there is one."""

    def __init__(self, world: Simulated) -> None:
        """Nothing to carry out."""
        self.world = world
        self.busy = False
        self._waves: Iterator[list[Step]] = iter(())
        self._binds: list[Step] = []
        self._leaving: set[str] = set()
        self._turnover = 0
        self._evicting = False

    def take(self, plan: Plan) -> None:
        """Begin with a plan, once the seconds have passed that it took to find it."""
        world = self.world
        self.busy = True
        self._turnover = world.turnover
        steps = sorted(plan.steps, key=lambda step: step.wave)
        waves = [list(wave) for _, wave in groupby(steps, key=lambda step: step.wave)]
        self._waves = iter(waves)
        delay = world.ticks(plan.seconds)
        world.kernel.after(delay, self._begin, plan, phase=Phase.DECIDE)

    def left(self, key: str) -> None:
        """A pod has left its node."""
        if key not in self._leaving:
            return
        self._leaving.remove(key)
        if not self._leaving and not self._evicting:
            self.world.kernel.after(0, self._go_on, phase=Phase.DECIDE)

    def _begin(self, plan: Plan) -> None:
        now = self.world.kernel.now
        self.world.timeline.point("plan", "", "", plan.verdict, now, plan.reason)
        self._next()

    def _go_on(self) -> None:
        """The evicted pods of a wave have left: bind its others, and begin the next."""
        self._bind_all()
        self._next()

    def _next(self) -> None:
        """Evict for the next waves, up to one whose pods take their time to leave."""
        for wave in self._waves:
            self._binds = [step for step in wave if step.act == "bind"]
            self._evicting = True
            for step in wave:
                if step.act == "evict":
                    self._evict(step)
            self._evicting = False
            if self._leaving:
                return
            self._bind_all()
        self.busy = False
        self.world.wake()

    def _bind_all(self) -> None:
        for step in self._binds:
            self._bind(step)
        self._binds = []

    def _evict(self, step: Step) -> None:
        world, what = self.world, f"to evict {step.pod} from {step.node!r}"
        entry, node = self._entry(step, what), world.node(step.node, what)
        pod = entry.pod
        why = ""
        if entry.node != node:
            why = "it does not run there"
        elif entry.leaving:
            why = "it is leaving already"
        elif pod.protected:
            raise world.illegal(what, f"it is protected: {pod.protection or 'it says so'}")
        else:
            why = world.budgets.refusal(pod)
        if not self._refused(step, entry, what, why):
            self._leaving.add(pod.key)
            world.evict(entry, "evict", step.reason)

    def _bind(self, step: Step) -> None:
        world, what = self.world, f"to bind {step.pod} to {step.node!r}"
        entry, node = self._entry(step, what), world.node(step.node, what)
        if not entry.waiting:
            why = "it does not wait for a node"
        elif entry.pod.gated:
            why = "it is held back by its scheduling gates"
        else:
            why = world.filters.refusal(entry.pod, node, world.view.leaving)
        if not self._refused(step, entry, what, why):
            world.bind(entry, node, step.reason)

    def _entry(self, step: Step, what: str) -> Entry:
        entry = self.world.entries.get(step.pod)
        if entry is None:
            raise self.world.illegal(what, "there is no such pod")
        return entry

    def _refused(self, step: Step, entry: Entry, what: str, why: str) -> bool:
        """Whether a step is skipped; an error unless a pod that came or ended can be why."""
        world = self.world
        if entry.ended:
            why = "the pod has ended"
        elif why and world.turnover == self._turnover:
            raise world.illegal(what, why)
        if why:
            now = world.kernel.now
            world.timeline.point("skip", step.node, step.pod, step.act, now, why)
        return bool(why)
