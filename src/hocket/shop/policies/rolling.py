"""Rolling-horizon re-optimisation: plan, follow the plan, and plan anew when the world moves on."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from hocket.core.errors import InputError
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.shop.dispatch import Dispatcher, ShopView, Start
from hocket.shop.exact.plan import Plan
from hocket.shop.exact.replan import Situation, replan
from hocket.shop.model.jobshop import JobShop, objective_problems
from hocket.shop.model.objectives import OBJECTIVES
from hocket.shop.policies.rules import SHOPS


class Rolling(Policy, frozen=True):
    """Re-optimise with CP-SAT whenever jobs arrive, machines fail, or work ends off plan.

    What has started stays; the rest of the jobs in the shop is planned as in `exact.jobshop`, with
    nominal durations and without knowledge of jobs to come. A machine whose next operation is not
    there yet waits for it.

    - `horizon`: the most jobs planned at once, earliest due first; others wait for a place
    - `period`: also plan when so many ticks have passed since the last plan; 0 for never
    - `on_arrival`, `on_breakdown`: plan when jobs have come, or machines went down or up
    - `deviation`: plan when an operation ended more than so many ticks off plan; None for never
    - `effort`: the most work per plan, in CP-SAT's deterministic time (about seconds), by one
      worker: so a replay decides the same on any machine with the same OR-Tools
    - `objective`: what to plan for; empty for the scenario's own

    Where the plan's next operation cannot be waited for (no-wait jobs are booked as they fit, and
    without swap only safe moves are offered) the candidate that comes first in the plan goes.
    """

    name: ClassVar[str] = "shop/rolling"
    problems: ClassVar[tuple[str, ...]] = SHOPS
    source: ClassVar[str] = "Fang and Xi, Int. J. of Advanced Manufacturing Technology 13 (1997)"
    horizon: int = 50
    period: int = 0
    on_arrival: bool = True
    on_breakdown: bool = True
    deviation: int | None = None
    effort: float = 0.5
    objective: str = ""

    def __post_init__(self) -> None:
        """Refuse limits that leave nothing to plan, and unknown objectives."""
        if self.horizon < 1 or self.period < 0 or not self.effort > 0:
            raise ValueError("horizon must be at least 1, period at least 0, and effort above 0")
        if self.deviation is not None and self.deviation < 0:
            raise ValueError("deviation must be at least 0, or None")
        if self.objective and self.objective not in OBJECTIVES:
            raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}")

    def begin(self, scenario: Any, streams: Streams) -> Dispatcher:
        """See Policy.begin. Raises InputError for an objective that needs due dates without any."""
        shop = scenario if isinstance(scenario, JobShop) else scenario.as_job_shop()
        if problems := list(objective_problems(self.objective, [job.due for job in shop.jobs])):
            raise InputError(str(self), problems)
        return _Planner(self, shop)


class _Planner:
    """The plan of one run, and what was known when it was made."""

    def __init__(self, policy: Rolling, shop: JobShop) -> None:
        """No plan yet; the first question brings one."""
        self.policy = policy
        objective = policy.objective or shop.objective
        self.shop = msgspec.structs.replace(shop, objective=objective)
        self.plan: Plan = {}
        self.patient = False
        self.jobs: list[int] = []
        self.made = self.looked = -1
        self.begun = 0  # operations that had started at the last plan, or were started by it
        self.broken: tuple[bool, ...] = ()

    def dispatch(self, view: ShopView) -> Start | None:
        """See Dispatcher."""
        begun = int((view.started >= 0).sum())
        # Jobs that hand over their machines in a circle start without being asked for.
        if view.now != self.looked or begun != self.begun:
            self.looked = view.now
            self._consider(view, begun)
        operation, reason = self._choose(view)
        if operation is None:
            return None
        self.begun += 1
        return Start(operation, reason)

    def _choose(self, view: ShopView) -> tuple[int | None, str]:
        plan, machine = self.plan, view.machine
        if self.shop.no_wait:  # the simulator books what fits now, and does not ask again later
            chosen = min(view.candidates, key=lambda o: (o not in plan, self._when(o), o))
            return chosen, f"first in the plan of {self.made}"
        here = [o for o, place in plan.items() if place.machine == machine and view.started[o] < 0]
        here.sort(key=lambda o: (plan[o].start, plan[o].finish, o))
        ready = [o for o in here if o in view.candidates]
        if ready and (not self.patient or ready[0] == here[0]):
            return ready[0], f"planned for {plan[ready[0]].start}, as of {self.made}"
        unplanned = [o for o in view.candidates if o not in plan]
        if unplanned and not here:
            return min(unplanned, key=lambda o: (view.ready[o], o)), "no plan for this machine"
        if not self.patient and self._halted(view):
            return view.candidates[0], "nothing is at work, and the plan cannot go on"
        return None, ""

    def _when(self, operation: int) -> int:
        return self.plan[operation].start if operation in self.plan else 0

    def _halted(self, view: ShopView) -> bool:
        """Whether no operation is at work although jobs are on machines."""
        at_work = (view.started >= 0) & (view.finished < 0)
        return not at_work.any() and bool((view.started >= 0).any())

    def _consider(self, view: ShopView, begun: int) -> None:
        """Plan anew if there is reason to."""
        jobs = self._present(view)
        broken = self._broken(view)
        policy = self.policy
        reasons = (
            begun != self.begun,
            not set(jobs) & set(self.jobs),
            policy.on_arrival and not set(jobs) <= set(self.jobs),
            policy.on_breakdown and broken != self.broken,
            0 < policy.period <= view.now - self.made,
            policy.deviation is not None and self._deviation(view) > policy.deviation,
        )
        if not any(reasons):
            return
        self.jobs, self.broken, self.begun, self.made = jobs, broken, begun, view.now
        situation = Situation(view.now, view.assigned, view.started, view.finished)
        plan = replan(
            self.shop, view.arrays, situation, jobs, effort=policy.effort, before=self.plan
        )
        # Without swap the simulator may refuse what the plan waits for; and an order that was not
        # planned as a whole might wait for itself.
        self.patient = self.shop.blocking != "no-swap" and plan is not None
        if plan is not None:
            self.plan = plan

    def _present(self, view: ShopView) -> list[int]:
        """The jobs to plan: those on machines, and the most urgent others up to the horizon."""
        first = view.arrays.first
        jobs = [j for j in range(len(first) - 1) if view.arrived[j]]
        jobs = [j for j in jobs if view.finished[first[j + 1] - 1] < 0]
        jobs.sort(key=lambda j: (view.started[first[j]] < 0, view.due[first[j]], j))
        on_machines = sum(view.started[first[j]] >= 0 for j in jobs)
        return sorted(jobs[: max(self.policy.horizon, on_machines)])

    def _broken(self, view: ShopView) -> tuple[bool, ...]:
        """Per machine, whether it is down although its calendar says it is open."""
        return tuple(
            not up and (machine.calendar is None or machine.calendar.is_open(view.now))
            for machine, up in zip(self.shop.machines, view.up, strict=True)
        )

    def _deviation(self, view: ShopView) -> int:
        """How far the ends of operations since the last plan are off plan, at most (ticks)."""
        return max(
            (
                abs(int(view.finished[o]) - place.finish)
                for o, place in self.plan.items()
                if view.finished[o] > self.made
            ),
            default=0,
        )


POLICIES = (Rolling,)
