"""The best plan for a snapshot, with its proof, its steps, and how it plays out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import get_args

from hocket.cluster.check.plan import check_plan
from hocket.cluster.check.pods import check
from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.packing import plan as planned
from hocket.cluster.packing.options import Method, Options
from hocket.cluster.packing.planner import plan_for
from hocket.cluster.packing.score import PRICES
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.cluster.policies.plans import FollowPlan
from hocket.cluster.simulate.pods import simulate
from hocket.core.errors import NotApplicable, UnknownName
from hocket.core.policy import spec
from hocket.core.solution import OnImprovement, Plan, Row, Solution, Step

METHODS = ("auto", *get_args(Method))


def solve(
    scenario: Pods,
    objective: str | None = None,
    *,
    method: str = "auto",
    time_limit: float = 60.0,
    seed: int = 0,
    workers: int = 2,
    progress: OnImprovement | None = None,
    stop: Callable[[], bool] | None = None,
) -> Solution:
    """The plan after which the fewest pods wait, by priority, with the least disruption.

    `method` is ``plain``, the published model, or ``strong``, which "auto" takes. The value is the
    number of pods that wait in the end; the bound holds where as much is placed of the tiers above,
    and the status is ``optimal`` only if every tier is proved. `evidence` has a row for each tier,
    the plan's steps are those to take, and the timeline shows them carried out; what is left then
    is placed by kube-scheduler without preemption. The checkers of plans and of runs both speak.

    Raises NotApplicable for a scenario with arrivals or lifetimes, UnknownName, MissingExtra.
    """
    if objective not in (None, "pending"):
        raise UnknownName("objective", str(objective), ("pending",))
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    if not scenario.static:
        raise NotApplicable(
            "pods that come later or end are not planned ahead; solve a snapshot without arrivals "
            "and lifetimes, or run the policy cluster/priority-matters on this"
        )
    begun = time.perf_counter()
    log: list[Step] = []

    def tell(seconds: float, value: float | None, bound: float | None) -> None:
        log.append(Step(seconds, value, bound))
        if progress is not None:
            progress(seconds, value, bound)

    chosen: Method = "plain" if method == "plain" else "strong"
    options = Options(
        method=chosen, clock="wall", time_limit=time_limit, seed=seed, workers=workers
    )
    interrupted = False

    def stopped() -> bool:
        nonlocal interrupted
        interrupted = interrupted or (stop is not None and stop())
        return interrupted

    plan = plan_for(scenario, options, stop=stopped, progress=tell)
    follow = FollowPlan(steps=plan.steps, then=KubeScheduler(preemption=False))
    timeline = simulate(scenario, follow)
    price = PRICES[options.cost]
    violations = check_plan(scenario, plan, evict=price.evict, move=price.move)
    return Solution(
        scenario=scenario.name,
        objective="pending",
        status="optimal" if _proved(plan) else "feasible",
        value=_value(plan),
        bound=_bound(plan),
        timeline=timeline,
        violations=(*violations, *check(scenario, timeline)),
        solver=f"{chosen}: {plan.verdict}",
        seconds=time.perf_counter() - begun,
        log=tuple(log),
        reason=plan.reason,
        interrupted=interrupted or plan.reason == "interrupted",  # at Ctrl-C, which the search sees
        evidence=tuple(_tier(tier) for tier in plan.tiers),
        plan=Plan(
            policy=spec(follow),
            steps=tuple(_step(step) for step in plan.steps),
            advice=_advice(scenario, plan),
        ),
    )


def _proved(plan: planned.Plan) -> bool:
    return all(tier.proved for tier in plan.tiers)


def _value(plan: planned.Plan) -> float:
    """How many pods wait in the end."""
    return float(plan.tiers[-1].pods - plan.tiers[-1].placed) if plan.tiers else 0.0


def _bound(plan: planned.Plan) -> float:
    """How many must wait; none need to, as far as is known, if a tier above is not proved."""
    if not plan.tiers or not all(tier.proved for tier in plan.tiers[:-1]):
        return 0.0
    return float(plan.tiers[-1].pods - plan.tiers[-1].placed_bound)


def _tier(tier: planned.Tier) -> Row:
    return {
        "priority": f"{tier.priority} and above",
        "pods": tier.pods,
        "running now": tier.before,
        "after": tier.placed,
        "at most": tier.placed_bound,
        "disruption": tier.disruption,
        "at least": tier.disruption_bound,
        "proved": "yes" if tier.proved else "no",
    }


def _step(step: planned.Step) -> Row:
    return {
        "wave": step.wave + 1,
        "action": step.act,
        "pod": step.pod,
        "node": step.node,
        "reason": step.reason,
    }


def _advice(scenario: Pods, plan: planned.Plan) -> tuple[str, ...]:
    """What is to be told beside the tables."""
    changes = [
        f"{len(pods)} {what}"
        for what, pods in (
            ("placed", plan.placed),
            ("moved", plan.moved),
            ("evicted for good", plan.evicted),
        )
        if pods
    ]
    lines = [f"{plan.verdict}: {', '.join(changes)}" if changes else plan.verdict]
    after = {pod.key for pod in scenario.pods if pod.node is not None}
    after = after - set(plan.evicted) | set(plan.placed)
    waiting = [pod for pod in scenario.pods if pod.key not in after]
    waiting.sort(key=lambda pod: -pod.priority)
    if waiting:
        lines.append(f"still waiting: {_some(waiting)}")
    gone = {*plan.evicted, *plan.moved}
    kept = [p for p in scenario.pods if p.drained and p.node is not None and p.key not in gone]
    if kept:
        lines.append(f"no order of steps was found in which these leave: {_some(kept)}")
    return tuple(lines)


def _some(pods: list[Pod]) -> str:
    more = f" and {len(pods) - 5} more" if len(pods) > 5 else ""
    return ", ".join(pod.key for pod in pods[:5]) + more
