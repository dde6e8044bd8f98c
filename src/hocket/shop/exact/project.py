"""Projects solved to a proven bound by CP-SAT, started from the best of the priority rules."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from hocket.core.errors import InputError, UnknownName
from hocket.core.solution import OnImprovement, Solution, Step
from hocket.core.timeline import Timeline
from hocket.shop.check.project import check
from hocket.shop.model.jobshop import objective_problems
from hocket.shop.model.objectives import OBJECTIVES
from hocket.shop.model.project import Lag, Project
from hocket.solvers.critical_path import Figures, figures
from hocket.solvers.mode_choice import thrifty_modes
from hocket.solvers.network import Network, Schedule, lower_bound, objective_value
from hocket.solvers.project import (
    Contradiction,
    ProjectResult,
    plain_contradiction,
    solve_network,
    why_infeasible,
)
from hocket.solvers.sgs import forward_backward, parallel, serial

_WARM = 0.3
"""The share of the time limit after which no further priority rule is tried."""

_EXPLAIN = 10.0
"""Seconds at most for finding out which constraints clash."""


def solve(
    scenario: Project,
    objective: str | None = None,
    *,
    method: str = "auto",
    time_limit: float = 60.0,
    seed: int = 0,
    workers: int = 2,
    progress: OnImprovement | None = None,
    stop: Callable[[], bool] | None = None,
) -> Solution:
    """The best schedule within `time_limit` seconds, with a bound and the checker's verdict.

    There is one `method`, CP-SAT started from priority rules; both "auto" and "cp-sat" name it.

    `objective` defaults to the scenario's. An infeasible project comes back with the reason: time
    lags that contradict each other, a stock that no choice of modes keeps to, or constraints that
    cannot be met together. Raises UnknownName for an objective, InputError for one about due dates
    when there are none, UserError for times too large to be exact, MissingExtra without OR-Tools.
    """
    started = time.perf_counter()
    objective = _objective(scenario, objective)
    network = scenario.network()
    if plain := plain_contradiction(network):
        reason = _words(scenario, plain)
        return _nothing(scenario, objective, "infeasible", reason, started)
    least = lower_bound(network, objective)

    def enough() -> bool:
        late = time.perf_counter() - started > _WARM * time_limit
        return late or (stop is not None and stop())

    warm = warm_start(network, objective, enough)
    log = _Log(started, progress)
    if warm is not None:
        log(0.0, value := objective_value(network, warm, objective), least)
        if value == least:
            return _solution(scenario, objective, warm, least, "priority rules", log)
    offset = time.perf_counter() - started
    log.offset = offset
    try:
        result = solve_network(
            network,
            objective,
            warm=warm,
            time_limit=max(0.0, time_limit - offset),
            workers=workers,
            seed=seed,
            progress=log,
            stop=stop,
        )
    except KeyboardInterrupt:  # while the model was built: the rules' schedule is the answer
        if warm is None:
            raise
        found = _solution(scenario, objective, warm, least, "priority rules", log)
        return msgspec.structs.replace(found, reason="interrupted", interrupted=True)
    return _concluded(scenario, objective, least, result, log, time_limit, stop)


def _concluded(
    scenario: Project,
    objective: str,
    least: int,
    result: ProjectResult,
    log: _Log,
    time_limit: float,
    stop: Callable[[], bool] | None,
) -> Solution:
    """What CP-SAT's result says of the scenario; where there is no schedule, why."""
    if result.schedule is not None:
        known = result.outcome.bound
        # Every objective is a whole number, so a fractional bound may be rounded up.
        bound = least if known is None else max(least, math.ceil(known - 1e-6))
        found = _solution(scenario, objective, result.schedule, bound, "cp-sat", log)
        return msgspec.structs.replace(
            found, reason=result.outcome.reason, interrupted=result.outcome.interrupted
        )
    if result.outcome.status != "infeasible":
        return _nothing(scenario, objective, "unknown", result.outcome.reason, log.started, log)
    left = min(_EXPLAIN, max(1.0, time_limit - (time.perf_counter() - log.started)))
    reason = _words(scenario, why_infeasible(scenario.network(), time_limit=left, stop=stop))
    return _nothing(scenario, objective, "infeasible", reason, log.started, log)


def warm_start(
    network: Network, objective: str, enough: Callable[[], bool] = lambda: False
) -> Schedule | None:
    """The best schedule of both schemes under the priority rules, improved; None if all fail.

    Each rule is tried with the cheapest modes and with the shortest that the stocks allow, and
    forward-backward improvement is repeated while it helps. Once there is a schedule, `enough` is
    asked before every further try.
    """
    thrifty = thrifty_modes(network)
    if thrifty is None:
        return None
    known = figures(network)
    best: tuple[int, Schedule] | None = None
    for priority in _priorities(network, known):
        for modes in dict.fromkeys((thrifty, _short_modes(network, thrifty, priority))):
            for scheme in (serial, parallel):
                if best is not None and enough():
                    return best[1]
                first = scheme(network, priority, modes)
                for schedule in _improved(network, first, objective):
                    value = objective_value(network, schedule, objective)
                    if best is None or value < best[0]:
                        best = value, schedule
    return None if best is None else best[1]


def _improved(network: Network, schedule: Schedule | None, objective: str) -> Iterator[Schedule]:
    """The schedule, if any, and what forward-backward improvement makes of it while it helps."""
    value = float("inf")
    while schedule is not None and (new := objective_value(network, schedule, objective)) < value:
        yield schedule
        value = new
        schedule = forward_backward(network, schedule)


def _priorities(network: Network, known: Figures) -> Iterator[Sequence[float]]:
    """The values of the rules LFT, LST, MTS, GRPW and earliest due date; the least goes first."""
    yield known.latest_finish
    yield known.latest_start
    yield [-count for count in known.successors]
    yield [-weight for weight in known.positional_weight]
    if any(task.due is not None for task in network.tasks):
        yield [float("inf") if task.due is None else task.due for task in network.tasks]


def _short_modes(
    network: Network, thrifty: tuple[int, ...], priority: Sequence[float]
) -> tuple[int, ...]:
    """In the order of priority, the shortest mode such that the thrifty rest stays affordable."""
    modes = list(thrifty)
    left = list(network.stock)
    for task, k in zip(network.tasks, thrifty, strict=True):
        left = [a - b for a, b in zip(left, task.modes[k].spend, strict=True)]
    for i in sorted(range(len(modes)), key=lambda i: (priority[i], i)):
        task = network.tasks[i]
        kept = task.modes[modes[i]].spend
        for k in sorted(range(len(task.modes)), key=lambda k: (task.modes[k].duration, k)):
            mode = task.modes[k]
            after = [a + b - c for a, b, c in zip(left, kept, mode.spend, strict=True)]
            if network.fits(mode) and min(after, default=0) >= 0:
                modes[i], left = k, after
                break
    return tuple(modes)


def draw(scenario: Project, schedule: Schedule) -> Timeline:
    """The timeline of a schedule, laid out as the simulator lays out its own."""
    timeline = Timeline(scenario.time_unit, scenario.lanes)
    network = scenario.network()
    lanes = [r.name for r in scenario.renewable] + [r.name for r in scenario.consumed]
    for lane in lanes:
        timeline.gauge("usage", lane, 0, 0)
    changes: dict[int, list[int]] = {}
    finish = schedule.finish(network)
    for i in sorted(range(len(finish)), key=lambda i: (schedule.start[i], finish[i], i)):
        k, start, end = schedule.mode[i], schedule.start[i], finish[i]
        activity, mode = scenario.activities[i], network.tasks[i].modes[k]
        lane = scenario.lane(i, k)
        timeline.span("run", lane, activity.name, activity.label(k), start, end)
        released = (*(-use for use in mode.use), *(0 for _ in mode.spend))
        for at, amounts in ((start, (*mode.use, *mode.spend)), (end, released)):
            total = changes.setdefault(at, [0] * len(lanes))
            changes[at] = [a + b for a, b in zip(total, amounts, strict=True)]
    level = [0] * len(lanes)
    for at in sorted(changes):
        for r, change in enumerate(changes[at]):
            if change:
                level[r] += change
                timeline.gauge("usage", lanes[r], at, level[r])
    return timeline


class _Log:
    """Collects the improvements of all stages and passes them on."""

    def __init__(self, started: float, progress: OnImprovement | None) -> None:
        self.started, self.progress = started, progress
        self.offset = 0.0
        self.steps: list[Step] = []

    def __call__(self, seconds: float, value: float | None, bound: float | None) -> None:
        last = self.steps[-1] if self.steps else Step(0.0, None, None)
        value = min((v for v in (last.value, value) if v is not None), default=None)
        bound = max((b for b in (last.bound, bound) if b is not None), default=None)
        if (value, bound) == (last.value, last.bound):
            return
        seconds = seconds + self.offset if self.offset else time.perf_counter() - self.started
        self.steps.append(Step(seconds, value, bound))
        if self.progress is not None:
            self.progress(seconds, value, bound)


def _objective(scenario: Project, objective: str | None) -> str:
    chosen = objective or scenario.objective
    if chosen not in OBJECTIVES:
        raise UnknownName("objective", chosen, OBJECTIVES)
    problems = list(objective_problems(chosen, [a.due for a in scenario.activities]))
    if problems:
        raise InputError(scenario.name or "project", problems)
    return chosen


def _solution(
    scenario: Project, objective: str, schedule: Schedule, bound: float, solver: str, log: _Log
) -> Solution:
    value = objective_value(scenario.network(), schedule, objective)
    timeline = draw(scenario, schedule)
    return Solution(
        scenario=scenario.name,
        objective=objective,
        status="optimal" if bound >= value else "feasible",
        value=value,
        bound=min(bound, value),
        timeline=timeline,
        violations=tuple(check(scenario, timeline)),
        solver=solver,
        seconds=time.perf_counter() - log.started,
        log=tuple(log.steps),
    )


def _nothing(
    scenario: Project,
    objective: str,
    status: str,
    reason: str,
    started: float,
    log: _Log | None = None,
) -> Solution:
    return Solution(
        scenario=scenario.name,
        objective=objective,
        status="infeasible" if status == "infeasible" else "unknown",
        reason=reason,
        solver="cp-sat",
        seconds=time.perf_counter() - started,
        log=tuple(log.steps) if log is not None else (),
    )


def _words(scenario: Project, reason: Contradiction) -> str:
    """The reason in the scenario's own names."""
    if reason.cycle:
        return scenario.lag_contradiction()
    if reason.overdrawn is not None:
        r, least = reason.overdrawn
        resource = scenario.consumed[r]
        return (
            f"the cheapest modes of all activities together need {least} of {resource.name!r}, "
            f"but only {resource.capacity} are there"
        )
    if not reason.groups:
        return "proved: no schedule satisfies all constraints (which of them clash is not known)"
    told = "; ".join(_group(scenario, name) for name in reason.groups)
    return f"proved: no schedule satisfies all of these together: {told}"


def _group(scenario: Project, name: str) -> str:
    kind, _, number = name.partition(" ")
    n = int(number)
    if kind == "capacity":
        resource = scenario.renewable[n]
        return f"the capacity {resource.capacity} of {resource.name!r}"
    if kind == "stock":
        resource = scenario.consumed[n]
        return f"the stock {resource.capacity} of {resource.name!r}"
    texts = [text for lag in scenario.lags for text in _lag_texts(lag)]
    return texts[n]


def _lag_texts(lag: Lag) -> Iterator[str]:
    """One text per link of the network, in the order of Project.network."""
    verb = {"start": "starts", "finish": "finishes"}
    of, since = f"{lag.after!r} {verb[lag.of]}", f"{lag.before!r} {verb[lag.since]}"
    if lag.least >= 0:
        yield f"{of} at least {lag.least} after {since}"
    else:
        yield f"{since} at most {-lag.least} after {of}"
    if lag.most is not None:
        yield f"{of} at most {lag.most} after {since}"
