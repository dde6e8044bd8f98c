"""The shortest schedule that CP-SAT finds, started from the best list schedule."""

from __future__ import annotations

import time
from collections.abc import Callable
from graphlib import TopologicalSorter
from heapq import heappop, heappush

from hocket.core.errors import UnknownName
from hocket.core.policy import Policy
from hocket.core.solution import OnImprovement, Solution, Step
from hocket.core.timeline import Timeline
from hocket.solvers import cpsat
from hocket.taskgraph.check import check
from hocket.taskgraph.exact.case import Case, case
from hocket.taskgraph.exact.model import Placed, Variables, build, hint
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.policies.plans import FollowPlan
from hocket.taskgraph.policies.runtime import ETF
from hocket.taskgraph.policies.static import CPOP, DLS, HEFT, PEFT, LookaheadHEFT
from hocket.taskgraph.simulate.world import simulate

STARTS: tuple[Policy, ...] = (HEFT(), PEFT(), CPOP(), DLS(), LookaheadHEFT(), ETF())
"""The search starts from the best of these."""

_WARM = 0.3
"""The share of the time limit after which no further list scheduler is tried."""


def solve(
    scenario: TaskGraphs,
    objective: str | None = None,
    *,
    method: str = "auto",
    time_limit: float = 60.0,
    seed: int = 0,
    workers: int = 2,
    progress: OnImprovement | None = None,
    stop: Callable[[], bool] | None = None,
) -> Solution:
    """The least makespan within `time_limit` seconds, with a bound and the checker's verdict.

    There is one `method`, CP-SAT started from list schedules; both "auto" and "cp-sat" name it.
    Raises NotApplicable for a scenario with random arrivals or durations, a horizon, or a governor
    whose speed depends on the run; MissingExtra without OR-Tools.
    """
    if objective not in (None, "makespan"):
        raise UnknownName("objective", str(objective), ("makespan",))
    begun = time.perf_counter()
    known = case(scenario)
    name, best = _best_list_schedule(scenario, begun, time_limit, stop)
    value = makespan(best)
    log = [Step(time.perf_counter() - begun, value, None)]
    if progress is not None:
        progress(log[0].seconds, value, None)
    variables = build(known, value)
    offset = time.perf_counter() - begun

    def tell(seconds: float, found: float | None, bound: float | None) -> None:
        # The search begins with what is known already.
        better = min(value, found) if found is not None else value
        log.append(Step(offset + seconds, better, bound))
        if progress is not None:
            progress(offset + seconds, better, bound)

    outcome = cpsat.minimize(
        variables.model,
        time_limit=max(0.0, time_limit - offset),
        workers=workers,
        seed=seed,
        progress=tell,
        stop=stop,
        hint=hint(variables, placed(known, best)),
    )
    if outcome.found and outcome.value is not None and outcome.value < value:
        name, best = "cp-sat", _replayed(scenario, known, variables, outcome)
    value = makespan(best)
    bound = outcome.bound if outcome.bound is not None else float(_least(known))
    return Solution(
        scenario=scenario.name,
        objective="makespan",
        status="optimal" if bound >= value else "feasible",
        value=value,
        bound=min(bound, value),
        timeline=best,
        violations=tuple(check(scenario, best)),
        solver="cp-sat" if bound >= value else name,
        seconds=time.perf_counter() - begun,
        log=tuple(log),
        reason="" if bound >= value else outcome.reason,
        interrupted=outcome.interrupted,
    )


def makespan(timeline: Timeline) -> int:
    """When the last task ends."""
    return max((span.end for span in timeline.spans("run")), default=0)


def placed(known: Case, timeline: Timeline) -> Placed:
    """Where and when a timeline runs each task."""
    lanes = {lane: p for p, slots in enumerate(known.lanes) for lane in slots}
    where = {(s.group, s.name): (lanes[s.lane], s.start) for s in timeline.spans("run")}
    pairs = [where[name] for name in known.names]
    return Placed(tuple(p for p, _ in pairs), tuple(start for _, start in pairs))


def _best_list_schedule(
    scenario: TaskGraphs, begun: float, time_limit: float, stop: Callable[[], bool] | None
) -> tuple[str, Timeline]:
    found: list[tuple[int, str, Timeline]] = []
    for policy in STARTS:
        late = time.perf_counter() - begun > _WARM * time_limit or (stop is not None and stop())
        if found and late:
            break
        timeline = simulate(scenario, policy)
        found.append((makespan(timeline), policy.name, timeline))
    _, name, timeline = min(found, key=lambda entry: entry[0])
    return name, timeline


def _replayed(
    scenario: TaskGraphs, known: Case, variables: Variables, outcome: cpsat.Outcome
) -> Timeline:
    """The solver's schedule as the simulator plays it: nothing starts later than in the plan."""
    plan = Timeline(scenario.time_unit)
    rows = []
    for i, (job, task) in enumerate(known.names):
        p = next(p for p, literal in variables.there[i].items() if outcome[literal])
        start = outcome[variables.start[i]]
        rows.append((start, start + known.durations[i][p], p, job, task))
    free = [[(0, lane) for lane in lanes] for lanes in known.lanes]
    for start, end, p, job, task in sorted(rows):
        _, lane = heappop(free[p])
        heappush(free[p], (end, lane))
        plan.span("run", lane, job, task, start, end)
    return simulate(scenario, FollowPlan.of(plan))


def _least(known: Case) -> int:
    """No schedule is shorter than the longest path of shortest durations."""
    inputs: dict[int, list[int]] = {i: [] for i in range(len(known.names))}
    for source, target, _ in known.edges:
        inputs[target].append(source)
    ends = [0] * len(inputs)
    for i in TopologicalSorter(inputs).static_order():
        begin = max((ends[a] for a in inputs[i]), default=0)
        shortest = min(known.durations[i][p] for p in known.able(i))
        ends[i] = max(begin, known.release[i]) + shortest
    return max(ends, default=0)
