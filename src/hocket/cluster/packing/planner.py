"""From a snapshot to a verified plan: pack, find an order of steps, check, or say that none is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import msgspec

from hocket.cluster.check.plan import check_plan
from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.plan import Plan, Step, Tier, Verdict
from hocket.cluster.packing.score import PRICES
from hocket.cluster.packing.search import Changes, Packing, pack
from hocket.cluster.packing.sequence import Blocked, sequence
from hocket.core.solution import OnImprovement

_ATTEMPTS = 20
"""How many packings without an order of steps are forbidden before the search gives up."""

Stop = Callable[[], bool] | None


def plan_for(
    cluster: Pods,
    options: Options | None = None,
    *,
    preemptor: str = "",
    stop: Stop = None,
    progress: OnImprovement | None = None,
) -> Plan:
    """The best plan for the present of a cluster that the search finds and the checker accepts.

    A packing whose steps have no legal order is forbidden, and another one searched for in the time
    that is left; when it is over, the part of the last one that has an order is planned, if that is
    better than the present too. Bounds are about all packings, also those without an order.

    Pods that have to leave their node are taken from it in any case, as far as there is an order:
    the present is compared with as if they had left it.

    `preemptor` is the pod that asks, where the options' trigger is ``one``. `progress` is told the
    seconds by the options' clock, the number of pods that wait, and its bound. Raises as
    `hocket.cluster.packing.search.pack` does.
    """
    options = options or Options()
    forbidden: list[Changes] = []
    first: Packing | None = None
    blocked: Blocked | None = None
    part: tuple[Step, ...] = ()  # of the last packing, what has an order
    leaving = any(pod.drained and pod.node is not None for pod in cluster.pods)
    spent, began = 0.0, time.perf_counter()
    while True:
        rest = msgspec.structs.replace(options, time_limit=max(options.time_limit - spent, 0.0))
        packing = pack(
            cluster,
            rest,
            preemptor=preemptor,
            forbidden=forbidden,
            stop=stop,
            progress=_later(progress, spent),
        )
        spent += packing.seconds
        first = first or packing
        if packing.verdict not in ("better", "better and optimal"):
            if blocked is not None:
                break
            if not leaving:
                return _nothing(packing.verdict, cluster, first, spent, packing.reason)
        found = sequence(cluster, packing.where, keep=[preemptor] if preemptor else (), stop=stop)
        if not isinstance(found, Blocked):
            return _verified(cluster, found, first, options, spent, preemptor)
        blocked, part = found, _part(cluster, packing.where, found, stop)
        forbidden.append(_knot(cluster, packing, found))
        if options.clock == "wall":
            spent = max(spent, time.perf_counter() - began)
        over = spent >= options.time_limit or len(forbidden) >= _ATTEMPTS
        if over or packing.interrupted or (stop is not None and stop()):
            break
    plan = _verified(cluster, part, first, options, spent, preemptor)
    return plan if plan.steps else msgspec.structs.replace(plan, reason=blocked.reason)


def _knot(cluster: Pods, packing: Packing, blocked: Blocked) -> Changes:
    """What to forbid: the changes that block one another, in terms of the packing."""
    made = frozenset(
        (pod.key, packing.where.get(pod.key))
        for pod in cluster.pods
        if packing.where.get(pod.key) != pod.node
    )
    # They may be about pods that have exchanged their places; then just this packing is forbidden.
    return blocked.changes if blocked.changes <= made else made


def _later(progress: OnImprovement | None, spent: float) -> OnImprovement | None:
    if progress is None or not spent:
        return progress
    return lambda seconds, value, bound: progress(spent + seconds, value, bound)


def _part(
    cluster: Pods, where: Mapping[str, str], blocked: Blocked, stop: Stop
) -> tuple[Step, ...]:
    """Steps to what is left of a target without the changes that block one another."""
    target = dict(where)
    present = {pod.key: pod.node for pod in cluster.pods}
    found: tuple[Step, ...] | Blocked = blocked
    while isinstance(found, Blocked):
        undone = [key for key, _ in found.changes if target.get(key) != present[key]]
        if not undone:
            return ()
        for key in undone:
            node = present[key]
            if node is None:
                del target[key]
            else:
                target[key] = node
        found = sequence(cluster, target, stop=stop)
    return found


def _verified(
    cluster: Pods,
    steps: tuple[Step, ...],
    first: Packing,
    options: Options,
    seconds: float,
    preemptor: str,
) -> Plan:
    """The plan of these steps, if it is better than the present and the checker accepts it."""
    plan = Plan(verdict="better", steps=steps, seconds=seconds, reason=first.reason)
    tiers = _tiers(cluster, plan, first, options)
    drained = {pod.key for pod in cluster.pods if pod.drained and pod.node is not None}
    gone = drained.intersection((*plan.evicted, *plan.moved))
    asked = not preemptor or preemptor in plan.placed or preemptor in gone
    if not (gone or _better(tiers)) or not asked:
        return _nothing("no better plan in time", cluster, first, seconds, first.reason)
    verdict: Verdict = "better"
    if gone == drained and all(tier.proved for tier in tiers):
        verdict = "better and optimal"
    plan = msgspec.structs.replace(plan, verdict=verdict, tiers=tiers)
    price = PRICES[options.cost]
    violations = check_plan(cluster, plan, evict=price.evict, move=price.move)
    if violations:
        why = f"the plan that was found did not pass the check: {violations[0]}"
        return _nothing("no better plan in time", cluster, first, seconds, why)
    return plan


def _tiers(cluster: Pods, plan: Plan, first: Packing, options: Options) -> tuple[Tier, ...]:
    """What a plan reaches in every tier, with the bounds that hold for any plan."""
    drained = {pod.key for pod in cluster.pods if pod.drained}
    moved = plan.moved.keys() - drained
    evicted = set(plan.evicted) - drained
    placed = plan.placed.keys() | (plan.moved.keys() & drained)
    price = PRICES[options.cost]
    found = []
    given = True  # whether the tiers above are at least as good as those the bounds are about
    for tier in first.tiers:
        pods = [pod for pod in cluster.pods if pod.priority >= tier.priority]
        gone = sum(pod.key in evicted for pod in pods)
        reached = msgspec.structs.replace(
            tier,
            placed=tier.before - gone + sum(pod.key in placed for pod in pods),
            disruption=price.move * sum(pod.key in moved for pod in pods) + price.evict * gone,
            placed_bound=tier.placed_bound if given else _may_run(pods),
            disruption_bound=tier.disruption_bound if given else 0,
        )
        if reached.placed < tier.placed:
            # Fewer pods may be placed with less disruption than the bound says.
            reached = msgspec.structs.replace(reached, disruption_bound=0)
        found.append(reached)
        given = given and (reached.placed, -reached.disruption) >= (tier.placed, -tier.disruption)
    return tuple(found)


def _may_run(pods: list[Pod]) -> int:
    return sum(pod.node is not None or not pod.gated for pod in pods)


def _better(tiers: tuple[Tier, ...]) -> bool:
    """Whether it is better than the present, which disturbs nobody."""
    return [(t.placed, -t.disruption) for t in tiers] > [(t.before, 0) for t in tiers]


def _nothing(verdict: Verdict, cluster: Pods, first: Packing, seconds: float, why: str) -> Plan:
    """The plan to leave all as it is."""
    empty = Plan(verdict=verdict)
    tiers = _tiers(cluster, empty, first, Options())
    return Plan(verdict=verdict, tiers=tiers, seconds=seconds, reason=why)
