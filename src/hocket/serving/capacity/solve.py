"""The room `solve` of a serving cluster: two questions, answered by simulation.

``price``: which fleet meets the SLO on this log for the least money? ``goodput``: which policy and
which use of these GPUs meets it at the highest rate of requests?
"""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from hocket.core.errors import InputError, NotApplicable, Problem, UnknownName
from hocket.core.policy import spec
from hocket.core.run import run
from hocket.core.solution import OnImprovement, Plan, Solution, Status
from hocket.serving.capacity.cheapest import Cheapest
from hocket.serving.capacity.crew import Crew, Journal
from hocket.serving.capacity.deploy import commands
from hocket.serving.capacity.evidence import SHOWN_PRICE, SHOWN_RATE
from hocket.serving.capacity.fleet import (
    Configuration,
    Counts,
    as_they_are,
    configurations,
    fleet,
)
from hocket.serving.capacity.goodput import Fastest, uses
from hocket.serving.capacity.probe import Clock, Outcome
from hocket.serving.capacity.rate import TOLERANCE, at_rate
from hocket.serving.capacity.settle import Job
from hocket.serving.check import check
from hocket.serving.model.cluster import Cluster
from hocket.serving.model.search import Search

OBJECTIVES = ("price", "goodput")


def solve(
    scenario: Cluster,
    objective: str | None = None,
    *,
    method: str = "auto",
    time_limit: float = 60.0,
    seed: int = 0,
    workers: int = 2,
    progress: OnImprovement | None = None,
    stop: Callable[[], bool] | None = None,
    on: str = "local",
) -> Solution:
    """The cheapest fleet that meets the scenario's SLO, or the highest rate that its GPUs take.

    `objective` is ``price`` (of the fleets of the scenario's `search`, per hour, or GPUs where
    there are no prices) or ``goodput`` (requests per second that the GPUs of its pools take). What
    is found is the same for any number of `workers`, and `on` "local" or "ray", unless time runs
    out; the run of the plan comes on top of `time_limit`. Raises InputError if there is no SLO.
    """
    goal = objective or "price"
    if goal not in OBJECTIVES:
        raise UnknownName("objective", goal, OBJECTIVES)
    if method != "auto":
        raise NotApplicable(f"capacity is found by simulation; there is no method {method!r}")
    slo = scenario.slo
    if (slo.ttft, slo.tpot, slo.gap, slo.e2e) == (None,) * 4:
        message = "asks for nothing; set ttft, tpot, gap or e2e, such as ttft: 500 ms"
        raise InputError(scenario.name or "the scenario", [Problem("slo", message)])
    clock = Clock(time.time() + time_limit, stop)
    crew, journal = Crew(workers, on, clock), Journal(progress)
    answer = _price if goal == "price" else _goodput
    return answer(scenario, scenario.search or Search(), seed, crew, journal)


def _price(scenario: Cluster, search: Search, seed: int, crew: Crew, journal: Journal) -> Solution:
    found, excluded = configurations(scenario, search)
    job = Job(scenario, search, found, seed, crew.clock)
    work = Cheapest(job, excluded, crew, journal)
    if found:
        work.run()
    best, status = work.best, _status(work)
    solution = Solution(
        scenario=scenario.name,
        objective="price",
        status=status,
        value=work.value,
        bound=work.bound,
        solver="capacity search",
        log=tuple(journal.log),
        reason=_reason(work, status),
        interrupted=work.ended == "interrupted",
        evidence=work.rows(),
        shown=SHOWN_PRICE,
    )
    if best is not None:
        solution = _with_plan(solution, job, found[best.index], best.counts)
    return replace(solution, seconds=journal.seconds)


def _goodput(
    scenario: Cluster, search: Search, seed: int, crew: Crew, journal: Journal
) -> Solution:
    pools = scenario.pools
    if len(pools) == 1:
        search = replace(search, gpus=(pools[0].gpu,))
        found, excluded = configurations(scenario, search)
    else:
        found, excluded = as_they_are(scenario, search)
    job = Job(scenario, search, found, seed, crew.clock)
    work = Fastest(job, uses(scenario, found), excluded, crew, journal)
    if work.uses:
        work.run()
    solution = Solution(
        scenario=scenario.name,
        objective="goodput",
        maximised=True,
        status=_goodput_status(work),
        value=work.value,
        bound=work.bound,
        solver="capacity search",
        log=tuple(journal.log),
        reason=_goodput_reason(work),
        interrupted=work.ended == "interrupted",
        evidence=work.rows(),
        shown=SHOWN_RATE,
    )
    if work.best is not None:
        use = work.uses[work.best]
        loaded = replace(job, scenario=at_rate(scenario, work.factor))
        solution = _with_plan(solution, loaded, found[use.index], use.counts)
    return replace(solution, seconds=journal.seconds)


def _with_plan(
    solution: Solution, job: Job, configuration: Configuration, counts: Counts
) -> Solution:
    """The solution with what was chosen, and a run of it."""
    world = fleet(job.scenario, job.search, configuration, counts)
    policy, seed = configuration.policy, job.seed
    timeline = run(world, policy, seed).timeline
    advice = (configuration.told(counts), *commands(world, policy))
    return replace(
        solution,
        timeline=timeline,
        violations=tuple(check(world, timeline)),
        plan=Plan(scenario=world, policy=spec(policy), advice=advice),
    )


def _status(work: Cheapest) -> Status:
    settled = work.complete and not work.failed
    if work.best is not None:
        return "optimal" if settled and not work.strange else "feasible"
    return "infeasible" if settled else "unknown"


def _goodput_status(work: Fastest) -> Status:
    if work.best is not None:
        return "feasible"  # the rate is found but for a tolerance, which the bound tells
    return "infeasible" if work.complete else "unknown"


def _goodput_reason(work: Fastest) -> str:
    left = len(work.uses) - len(work.settled)
    if not work.uses:
        whys = "; ".join(dict.fromkeys(one.why for one in work.excluded))
        return whys or "the GPUs of the first pool are too few for one replica"
    if left and work.ended:
        ended = "interrupted" if work.ended == "interrupted" else "the time limit was reached"
        text = f"{ended} before {left} of {len(work.uses)} uses of the GPUs were settled"
        return text if any(work.rows_of.values()) else f"{text}; nothing was run on the whole log"
    if left:
        return f"{left} of {len(work.uses)} uses of the GPUs failed"
    if work.best is None:
        return "no use of the GPUs meets the SLO at any rate tried, however low"
    return f"the rate is found to {TOLERANCE:.1%}; all {len(work.uses)} uses were looked at"


def _reason(work: Cheapest, status: Status) -> str:
    said = list(work.strange)
    left = len(work.floors) - len(work.settled)
    if status in ("feasible", "unknown") and work.ended and left:
        ended = "interrupted" if work.ended == "interrupted" else "the time limit was reached"
        said.append(f"{ended} before {left} of {len(work.floors)} configurations were settled")
    if work.failed:
        said.append(f"{len(work.failed)} configurations failed")
    if work.best is None:
        said.append(_shortfall(work))
    return "; ".join(said)


def _shortfall(work: Cheapest) -> str:
    """How near the fleets came to the SLO, and what limits them."""
    search, slo = work.job.search, work.job.scenario.slo
    if not work.floors:
        whys = "; ".join(dict.fromkeys(one.why for one in work.excluded))
        return f"no configuration can be built: {whys}"
    nearest = work.most_attained()
    if nearest is None:
        return "; ".join(filter(None, ("nothing was run on the whole log", work.scouted)))
    index, counts, outcome = nearest
    told = work.job.configurations[index].told(counts)
    most = "at most " if outcome.stopped else ""
    text = (
        f"no fleet of up to {search.most} replicas per role was found that meets the SLO for "
        f"{slo.share:.2%} of the requests; the nearest, {told}, meets it for {most}"
        f"{outcome.attainment:.2%}"
    )
    return f"{text}: {_lacks(outcome)}"


def _lacks(outcome: Outcome) -> str:
    """What keeps a fleet from meeting the SLO, and what might help."""
    parts = [f"{share:.2%} miss {part}" for part, share in outcome.missed.items() if share]
    helps = {
        "ttft": "more or faster GPUs for prompts, or a larger token budget",
        "tpot": "a higher tp, a smaller token budget, or separate decode replicas",
        "gap": "a smaller token budget, or separate decode replicas",
        "e2e": "a higher tp or faster GPUs",
        "rejected": "more memory: a higher tp or pp, or a larger GPU",
    }.get(outcome.limit, "")
    said = ", ".join(parts) or outcome.error or "every part of it is met by enough requests"
    return f"{said}; what may help is {helps}" if helps else said
