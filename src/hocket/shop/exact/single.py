"""Solve a single machine: by rule or decomposition where one is exact, else by CP-SAT."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from hocket.core.errors import InputError, NotApplicable, UnknownName
from hocket.core.solution import OnImprovement, Solution, Step
from hocket.core.timeline import Timeline
from hocket.shop.check.single import check
from hocket.shop.exact import jobshop, sequences
from hocket.shop.exact.answer import ENDED, Answer, Limits, Stop
from hocket.shop.exact.plan import Placed, Plan, to_timeline
from hocket.shop.metrics.single import metrics
from hocket.shop.model.arrays import arrays
from hocket.shop.model.objectives import OBJECTIVES
from hocket.shop.model.single import SingleJob, SingleMachine
from hocket.shop.tardiness.proof import Proof

Rule = Callable[[Sequence[SingleJob]], sequences.Order]

_RULES: dict[str, tuple[str, Rule]] = {
    "total_flow_time": ("SPT", sequences.shortest_first),
    "weighted_flow_time": ("WSPT", sequences.weighted_shortest_first),
    "max_lateness": ("EDD", sequences.earliest_due_first),
    "late_jobs": ("Moore-Hodgson", sequences.fewest_late),
}
"""What solves a problem whose jobs are released together."""

_ALWAYS: tuple[str, Rule] = ("ERD", sequences.earliest_release_first)
"""What solves the makespan, whatever the releases."""


def solve(
    scenario: SingleMachine,
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

    Makespan, and for jobs released together flow time (SPT, WSPT), maximal lateness (EDD) and the
    number of late jobs (Moore-Hodgson), are solved by a rule whatever the limits; total tardiness
    then by `tardiness.decomposition`. The rest is a job shop of one machine: see `jobshop.solve`,
    also for `warm_start` and for what is raised.

    `method` asks for one way: "decomposition" or "mip" (the positional model) for total tardiness
    of jobs released together, "cp-sat" for anything. NotApplicable where it does not apply.
    """
    begun = time.perf_counter()
    objective = objective or scenario.objective
    problem = _sound(scenario, objective)
    limits = Limits(begun, time_limit, seed, workers, progress, stop)
    answer = _answer(problem, method, limits)
    if answer is None:
        return jobshop.solve(
            problem.as_job_shop(),
            method=method,
            time_limit=time_limit,
            seed=seed,
            workers=workers,
            progress=progress,
            stop=stop,
            warm_start=warm_start,
        )
    assert answer.timeline is not None  # neither method comes without a schedule
    value = metrics(problem, answer.timeline)[objective]
    step = Step(limits.elapsed, value, value if answer.bound is None else answer.bound)
    if progress is not None:
        progress(step.seconds, step.value, step.bound)
    return Solution(
        scenario=scenario.name,
        objective=objective,
        status=answer.status,
        value=value,
        bound=step.bound,
        timeline=answer.timeline,
        violations=tuple(check(problem, answer.timeline)),
        solver=answer.solver,
        seconds=limits.elapsed,
        log=(step,),
        reason=answer.reason,
        interrupted=answer.interrupted,
    )


def _answer(problem: SingleMachine, method: str, limits: Limits) -> Answer | None:
    """What the method finds; None where the job-shop model is to solve it."""
    if method == "cp-sat":
        return None
    if method == "auto":
        return _by_rule(problem) or _by_tardiness(problem, "decomposition", limits)
    answer = _by_tardiness(problem, method, limits)
    if answer is None:
        raise NotApplicable(
            f"the method {method} solves total tardiness of jobs released together, not "
            f"{problem.objective} of {problem.name or 'this scenario'}: use auto or cp-sat"
        )
    return answer


def _sound(scenario: SingleMachine, objective: str) -> SingleMachine:
    if objective not in OBJECTIVES:
        raise UnknownName("objective", objective, OBJECTIVES)
    problem = msgspec.structs.replace(scenario, objective=objective)
    if problems := tuple(problem.problems()):
        raise InputError(scenario.name or "the scenario", problems)
    return problem


def _by_rule(problem: SingleMachine) -> Answer | None:
    """An optimal schedule, if a rule is known to give one."""
    rules = _RULES if _together(problem.jobs) else {}
    found = _ALWAYS if problem.objective == "makespan" else rules.get(problem.objective)
    if found is None:
        return None
    name, rule = found
    return Answer(status="optimal", solver=name, timeline=_schedule(problem, rule(problem.jobs)))


def _by_tardiness(problem: SingleMachine, method: str, limits: Limits) -> Answer | None:
    """Total tardiness of jobs released together; weights must be equal and only scale it."""
    weights = {job.weight for job in problem.jobs if job.due is not None}
    weighted = problem.objective == "weighted_tardiness"
    if not _together(problem.jobs) or not (
        problem.objective == "total_tardiness" or (weighted and len(weights) == 1)
    ):
        return None
    counted = [j for j, job in enumerate(problem.jobs) if job.due is not None]
    begin = problem.jobs[0].release
    due = [(problem.jobs[j].due or 0) - begin for j in counted]
    proof, interrupted = _prove([problem.jobs[j].duration for j in counted], due, method, limits)
    order = [counted[i] for i in proof.sequence]
    order += [j for j, job in enumerate(problem.jobs) if job.due is None]
    return Answer(
        status="optimal" if proof.proven else "feasible",
        solver=method,
        timeline=_schedule(problem, order),
        bound=float(proof.bound * (weights.pop() if weighted else 1)),
        reason="" if proof.proven else ENDED[interrupted],
        interrupted=interrupted,
    )


def _prove(p: list[int], d: list[int], method: str, limits: Limits) -> tuple[Proof, bool]:
    """The sequence and its bound, and whether Ctrl-C ended the search."""
    from hocket.shop.tardiness.decomposition import decompose
    from hocket.shop.tardiness.positional import positional_mip

    seconds = max(limits.left, 1e-3)
    try:
        if method == "mip":
            return positional_mip(p, d, time_limit=seconds), False
        proof = decompose(p, d, time_limit=seconds, stop=limits.stop)
        return proof, not proof.proven and limits.stop is not None and limits.stop()
    except KeyboardInterrupt:
        return decompose(p, d, time_limit=1e-3), True  # rules, descent, and a simple bound


def _together(jobs: Sequence[SingleJob]) -> bool:
    return len({job.release for job in jobs}) == 1


def _schedule(problem: SingleMachine, order: Sequence[int]) -> Timeline:
    """The jobs one after the other, each as early as it can be."""
    plan: Plan = {}
    at = 0
    for j in order:
        start = max(at, problem.jobs[j].release)
        at = start + problem.jobs[j].duration
        plan[j] = Placed(0, start, at, at)
    shop = problem.as_job_shop()
    return to_timeline(shop, arrays(shop), plan)
