"""Policies that make a plan and follow it: Giffler-Thompson generation, and given plans.

A plan is an order of operations per machine. Following it means that each machine does the next
operation of its order as soon as it can: when reality is late everything shifts right and the order
stays (right-shift repair).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from hocket.core.errors import InputError, NotApplicable, UnknownName
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.shop.dispatch import Dispatcher, ShopView, Start
from hocket.shop.model.arrays import NEVER, Ints, Setups, ShopArrays, arrays, setup_times
from hocket.shop.model.jobshop import JobShop
from hocket.shop.policies import rules

RULES: dict[str, type[rules.Rule]] = {
    kind.name: kind for kind in rules.POLICIES if issubclass(kind, rules.Rule)
}


class GifflerThompson(Policy, frozen=True):
    """Giffler-Thompson: plan an active (or non-delay) schedule by a rule, and follow it.

    Repeatedly take the machine on which an operation could complete first, and among the operations
    that could start on it before that completion let `rule` choose one. `kind` = ``non-delay``
    takes the machine on which an operation could start first, and those that could start then.
    What arrives later is planned when it arrives; what has started stays.
    """

    name: ClassVar[str] = "shop/gt"
    problems: ClassVar[tuple[str, ...]] = rules.SHOPS
    source: ClassVar[str] = "Giffler and Thompson, Operations Research 8 (1960)"
    rule: str = "shop/mwkr"
    kind: Literal["active", "non-delay"] = "active"

    def __post_init__(self) -> None:
        """Refuse a rule that does not exist or is no priority rule."""
        if self.rule not in RULES:
            raise UnknownName("rule", self.rule, RULES)

    def refuses(self, scenario: Any) -> str:
        """See Policy.refuses."""
        if isinstance(scenario, JobShop) and (scenario.blocking != "no" or scenario.no_wait):
            return "it plans for shops with buffers, where jobs may wait"
        return ""

    def begin(self, scenario: Any, streams: Streams) -> Dispatcher:
        """See Policy.begin. Raises NotApplicable for a shop that it refuses."""
        if why := self.refuses(scenario):
            raise NotApplicable(f"{self.name} cannot schedule this: {why}")
        shop = scenario if isinstance(scenario, JobShop) else scenario.as_job_shop()
        return _Replanner(shop, RULES[self.rule](), self.kind == "active")


class FollowPlan(Policy, frozen=True):
    """Follow given machine sequences, shifting right when reality is late.

    `sequences` holds the names of the operations of each machine in order (``JOB/NAME`` where
    several jobs use the name); `FollowPlan.of` takes them from a solution's timeline.
    """

    name: ClassVar[str] = "shop/plan"
    problems: ClassVar[tuple[str, ...]] = rules.SHOPS
    sequences: dict[str, tuple[str, ...]] = {}

    @classmethod
    def of(cls, timeline: Timeline) -> FollowPlan:
        """The plan that a timeline shows."""
        spans = sorted(timeline.spans("run"), key=lambda s: (s.start, s.end))
        labels = _labels([(span.group, span.name) for span in spans])
        sequences: dict[str, dict[str, None]] = {}
        for span in spans:
            sequences.setdefault(span.lane, {})[labels[span.group, span.name]] = None
        return cls(sequences={lane: tuple(names) for lane, names in sequences.items()})

    def begin(self, scenario: Any, streams: Streams) -> Dispatcher:
        """See Policy.begin. Raises InputError when the plan does not match the scenario."""
        shop = scenario if isinstance(scenario, JobShop) else scenario.as_job_shop()
        data = arrays(shop)
        pairs = [(data.jobs[data.job[o]], name) for o, name in enumerate(data.operations)]
        numbers = {label: o for o, label in enumerate(_labels(pairs).values())}
        strange = [m for m in self.sequences if m not in data.machines]
        problems = [f"the shop has no machine {m!r}" for m in strange]
        planned = Counter(name for names in self.sequences.values() for name in names)
        problems += [f"the shop has no operation {n!r}" for n in planned if n not in numbers]
        problems += [f"operation {n!r} is not planned" for n in numbers if n not in planned]
        problems += [f"{n!r} is planned twice" for n in numbers if planned[n] > 1]
        if problems:
            raise InputError(self.name, problems)
        order = [[numbers[n] for n in self.sequences.get(m, ())] for m in data.machines]
        return Follower(order)


def _labels(pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What a plan calls the operations, given as (job, name); names differ within a job only."""
    distinct = dict.fromkeys(pairs)
    count = Counter(name for _, name in distinct)
    return {(job, name): name if count[name] == 1 else f"{job}/{name}" for job, name in distinct}


class Follower:
    """Keeps each machine to its planned order."""

    def __init__(self, order: list[list[int]]) -> None:
        """`order[m]` lists the operations of machine m, first to last."""
        self.order = [sequence[::-1] for sequence in order]

    def dispatch(self, view: ShopView) -> Start | None:
        """The next planned operation, if it is ready; else wait for it."""
        sequence = self.order[view.machine]
        if not sequence or sequence[-1] not in view.candidates:
            return None
        return Start(sequence.pop(), "next in the plan")


class _Replanner:
    def __init__(self, shop: JobShop, rule: rules.Rule, active: bool) -> None:
        self.shop, self.rule, self.active = shop, rule, active
        self.setups = setup_times(shop)
        self.known = -1
        self.follower = Follower([])

    def dispatch(self, view: ShopView) -> Start | None:
        surprises = self.shop.arrivals is not None
        known = int(view.arrived.sum()) if surprises else len(view.arrived)
        if known != self.known:
            self.known = known
            planner = _Planner(self.shop, self.setups, view, self.rule, self.active)
            self.follower = Follower(planner.plan())
        return self.follower.dispatch(view)


class _Planner:
    """Giffler-Thompson generation from the present state of the shop."""

    def __init__(
        self,
        shop: JobShop,
        setups: Setups,
        view: ShopView,
        rule: rules.Rule,
        active: bool,
    ) -> None:
        self.data: ShopArrays = view.arrays
        self.setups, self.rule, self.active = setups, rule, active
        known = view.arrived if shop.arrivals is not None else np.ones(len(view.arrived), bool)
        self.first = np.array(self.data.first)
        self.family = [machine.family for machine in shop.machines]
        self.free = np.full(len(self.data.machines), view.now)
        self.next = self.first[:-1].copy()
        self.ready = np.maximum(view.release[self.next], view.now)
        self._take_in_running(view)
        self.next[~known] = self.first[1:][~known]
        self.waiting_since = np.full(len(view.ready), -1)
        self.view = ShopView(self.data, self.waiting_since, view.started, view.finished)

    def _take_in_running(self, view: ShopView) -> None:
        done = np.flatnonzero(view.started >= 0)
        for o in done[np.argsort(view.started[done], kind="stable")].tolist():
            job, machine = int(self.data.job[o]), int(view.assigned[o])
            setup = self.setups[machine].get((self.family[machine], self.data.families[o]), 0)
            nominal = int(view.started[o] + setup + self.data.duration[machine, o])
            end = int(view.finished[o]) if view.finished[o] >= 0 else max(nominal, view.now)
            self.next[job] = max(self.next[job], o + 1)
            self.ready[job] = max(self.ready[job], end)
            self.free[machine] = max(self.free[machine], end)
            self.family[machine] = self.data.families[o]

    def plan(self) -> list[list[int]]:
        """The order of operations on each machine."""
        order: list[list[int]] = [[] for _ in self.data.machines]
        jobs = len(self.next)
        # For the next operation of each job: the machine it completes on first, start and end.
        self.machine, self.start = np.zeros(jobs, np.int64), np.full(jobs, NEVER)
        self.end = self.start.copy()
        stale = np.flatnonzero(self.next < self.first[1:])
        left = int((self.first[1:] - self.next).sum())
        for _ in range(left):
            self._refresh(stale)
            earliest = int((self.end if self.active else self.start).argmin())
            machine = int(self.machine[earliest])
            if self.active:
                conflict = self.start < self.end[earliest]
            else:
                conflict = self.start <= self.start[earliest]
            conflict &= self.machine == machine
            conflict[earliest] = True
            job = self._choose(np.flatnonzero(conflict), machine, int(self.start[earliest]))
            operation = int(self.next[job])
            order[machine].append(operation)
            self.free[machine] = self.ready[job] = self.end[job]
            self.family[machine] = self.data.families[operation]
            self.next[job] += 1
            # Only what was to go on this machine, and the job itself, has changed.
            stale = np.flatnonzero((self.machine == machine) & (self.end < NEVER))
        return order

    def _refresh(self, jobs: Ints) -> None:
        for job in jobs.tolist():
            self.start[job] = self.end[job] = NEVER
            operation = int(self.next[job])
            if operation == self.first[job + 1]:
                continue
            ready, family = int(self.ready[job]), self.data.families[operation]
            for m, duration in self.data.choices[operation]:
                begin = max(ready, int(self.free[m]))
                begin += self.setups[m].get((self.family[m], family), 0)
                if begin + duration < self.end[job]:
                    self.machine[job], self.start[job] = m, begin
                    self.end[job] = begin + duration

    def _choose(self, jobs: Ints, machine: int, now: int) -> int:
        """The job whose next operation the rule puts first."""
        if len(jobs) == 1:
            return int(jobs[0])
        view = self.view
        view.now, view.machine, view.duration = now, machine, self.data.duration[machine]
        operations = self.next[jobs]
        self.waiting_since[operations] = self.ready[jobs]
        return int(jobs[rules.first(self.rule, view, operations)[0]])


POLICIES = (GifflerThompson, FollowPlan)
