"""Large-neighbourhood search: free a part of the schedule, and let CP-SAT arrange it anew.

Three neighbourhoods: the operations that run in a window of time, those of a few machines, those of
a few jobs. What is not free keeps its sequence, not its times. The size of each neighbourhood
follows its luck: it grows when sub-problems are solved to optimality, shrinks when they time out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hocket.shop.search.cpsat import Model, reporter, watched
from hocket.shop.search.incumbent import Incumbent
from hocket.shop.search.instance import Ints, Shop, semi_active

Free = NDArray[np.bool_]

KINDS = ("window", "machines", "jobs")


def neighbourhood(
    shop: Shop, start: Ints, kind: str, share: float, random: np.random.Generator
) -> Free:
    """Which operations to free, ``bool[N]``: about a `share` of them.

    `kind` is "window" (consecutive in start time), "machines" or "jobs" (all of a random few).
    """
    n = shop.operations
    if kind == "window":
        width = max(1, min(n, round(share * n)))
        first = int(random.integers(n - width + 1))
        free = np.zeros(n, np.bool_)
        free[np.argsort(start, kind="stable")[first : first + width]] = True
        return free
    groups, count = (shop.machine, shop.machines) if kind == "machines" else (shop.job, shop.jobs)
    few = random.choice(count, max(1, min(count, round(share * count))), replace=False)
    return np.isin(groups, few)


def improve(
    shop: Shop,
    incumbent: Incumbent,
    *,
    seed: int | np.random.SeedSequence,
    seconds: float,
    workers: int = 1,
    step: float = 1.0,
) -> None:
    """Try one neighbourhood after another until `seconds` are over or the incumbent is stopped.

    Each sub-problem gets `step` seconds and must beat the incumbent's makespan.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    share = dict.fromkeys(KINDS, min(1.0, 150.0 / max(shop.operations, 1)))
    deadline, turn = incumbent.seconds + seconds, 0
    while not incumbent.stopped and incumbent.seconds < deadline:
        kind = KINDS[turn % len(KINDS)]
        turn += 1
        value, order = incumbent.snapshot()
        start = semi_active(shop, order)
        free = neighbourhood(shop, start, kind, share[kind], random)
        model = Model(shop, incumbent.bound, value - 1, order=order, free=free)
        left = deadline - incumbent.seconds
        solver = model.solver(min(step, left), workers, int(random.integers(1 << 31)))
        with watched(solver, incumbent):
            status = solver.solve(model.model, reporter(model, incumbent, f"lns-{kind}"))
        settled = status in (model.cp.OPTIMAL, model.cp.INFEASIBLE)
        if settled and free.all():
            incumbent.raise_bound(min(value, incumbent.makespan), f"lns-{kind}")
        share[kind] = min(1.0, share[kind] * 1.1) if settled else share[kind] * 0.9
