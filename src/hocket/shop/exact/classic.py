"""The textbook job shop with makespan: handed to the portfolio of `hocket.shop.search`."""

from __future__ import annotations

import numpy as np

from hocket.core.timeline import Timeline
from hocket.shop.exact.answer import ENDED, Answer, Journal, Limits
from hocket.shop.exact.plan import Placed, from_timeline, to_timeline
from hocket.shop.model.arrays import arrays
from hocket.shop.model.jobshop import JobShop


def shortest_makespan(shop: JobShop, limits: Limits, warm_start: Timeline | None) -> Answer:
    """Tabu search beside CP-SAT on the shop's arrays; see `search.portfolio.solve_makespan`."""
    from hocket.shop.search import Shop, solve_makespan

    data = arrays(shop)
    machine = [choices[0][0] for choices in data.choices]
    start = None
    if warm_start is not None:
        plan = from_timeline(data, warm_start)
        start = np.array([plan[o].start for o in range(len(machine))], np.int64)
    journal = Journal(limits)
    result = solve_makespan(
        Shop(
            job_start=np.array(data.first, np.int32),
            machine=np.array(machine, np.int32),
            duration=data.shortest,
            machines=len(data.machines),
            release=np.array([job.release for job in shop.jobs], np.int64),
        ),
        time_limit=limits.left,
        workers=limits.workers,
        seed=limits.seed,
        warm_start=start,
        progress=lambda _, value, bound: journal.note(value, bound),
        stop=limits.stop,
    )
    ends = result.start + data.shortest
    plan = {
        o: Placed(machine[o], int(result.start[o]), int(end), int(end))
        for o, end in enumerate(ends)
    }
    return Answer(
        status="optimal" if result.status == "optimal" else "feasible",
        solver="portfolio",
        timeline=to_timeline(shop, data, plan),
        bound=float(result.bound),
        log=tuple(journal.log),
        reason="" if result.status == "optimal" else ENDED[result.interrupted],
        interrupted=result.interrupted,
    )
