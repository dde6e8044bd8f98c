"""Solve a job shop with any combination of options to a proven bound."""

from __future__ import annotations

import time

import msgspec

from hocket.core.errors import InputError, UnknownName
from hocket.core.solution import OnImprovement, Solution, Violation
from hocket.core.timeline import Timeline
from hocket.shop.check.jobshop import check
from hocket.shop.exact.answer import Limits, Stop
from hocket.shop.exact.classic import shortest_makespan
from hocket.shop.exact.constraint import best_schedule
from hocket.shop.metrics.jobshop import metrics
from hocket.shop.model.jobshop import JobShop
from hocket.shop.model.objectives import OBJECTIVES


def solve(
    scenario: JobShop,
    objective: str | None = None,
    *,
    method: str = "auto",
    time_limit: float = 60.0,
    seed: int = 0,
    workers: int = 2,
    progress: OnImprovement | None = None,
    stop: Stop | None = None,
    warm_start: Timeline | None = None,
) -> Solution:
    """The best schedule found in `time_limit` seconds, and a bound that no schedule can beat.

    `objective` (one of `model.objectives`) replaces the scenario's own. The textbook shop with
    makespan goes to `search.portfolio`; all else starts from the best dispatching rule, or from
    `warm_start` if that is better, and goes to CP-SAT on `workers` cores. With `time_limit` 0 the
    start itself is the answer. `method` "cp-sat" takes CP-SAT for the textbook shop too. `stop` or
    Ctrl-C end the search and keep the best schedule.

    Noise, breakdowns and random arrivals cannot be known in advance: the problem is solved with
    durations and releases as given, and `Solution.reason` says so.

    Raises InputError for an unsound scenario or an infeasible `warm_start`, UnknownName for an
    unknown objective, MissingExtra without OR-Tools.
    """
    begun = time.perf_counter()
    objective = objective or scenario.objective
    shop = nominal(scenario, objective)
    if warm_start is not None and (wrong := check(shop, warm_start)):
        raise InputError("warm_start", [str(violation) for violation in wrong])
    limits = Limits(begun, time_limit, seed, workers, progress, stop)
    textbook = shop.classic and objective == "makespan" and method == "auto"
    answer = (shortest_makespan if textbook else best_schedule)(shop, limits, warm_start)
    value: float | None = None
    violations: tuple[Violation, ...] = ()
    if answer.timeline is not None:
        value = metrics(shop, answer.timeline)[objective]
        violations = tuple(check(shop, answer.timeline))
    notes = [answer.reason] if answer.reason else []
    if not scenario.certain:
        notes.append("solved without the random disturbances: durations and releases as given")
    return Solution(
        scenario=scenario.name,
        objective=objective,
        status=answer.status,
        value=value,
        bound=answer.bound,
        timeline=answer.timeline,
        violations=violations,
        solver=answer.solver,
        seconds=time.perf_counter() - begun,
        log=answer.log,
        reason="; ".join(notes),
        interrupted=answer.interrupted,
    )


def nominal(scenario: JobShop, objective: str) -> JobShop:
    """The scenario without noise, breakdowns and random arrivals, and with this objective.

    Raises UnknownName for the objective, InputError when the scenario is unsound with it.
    """
    if objective not in OBJECTIVES:
        raise UnknownName("objective", objective, OBJECTIVES)
    shop = msgspec.structs.replace(
        scenario,
        objective=objective,
        noise=None,
        arrivals=None,
        machines=tuple(msgspec.structs.replace(m, breakdowns=None) for m in scenario.machines),
    )
    if problems := tuple(shop.problems()):
        raise InputError(scenario.name or "the scenario", problems)
    return shop
