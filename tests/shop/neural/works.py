"""Work to schedule, drawn at random, and Giffler and Thompson's algorithm in plain Python."""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from hocket.shop.neural.instances import Work


@st.composite
def works(draw: st.DrawFn, longest: int = 9) -> Work:
    """Jobs of any length, also none, that may come back to a machine; some machines are late."""
    machines = draw(st.integers(1, 4))
    step = st.tuples(st.integers(0, machines - 1), st.integers(0, longest))
    routes = draw(st.lists(st.lists(step, max_size=5), min_size=1, max_size=5))
    late = st.one_of(st.just(0), st.integers(0, 3 * longest))
    ready = draw(st.lists(late, min_size=len(routes), max_size=len(routes)))
    free = draw(st.lists(late, min_size=machines, max_size=machines))
    return Work(routes, ready, free)


def classic(rng: np.random.Generator, jobs: int, machines: int) -> Work:
    """Each job once on each machine, in a random order, for 1 to 99 ticks each."""
    routes = [
        list(
            zip(
                rng.permutation(machines).tolist(),
                rng.integers(1, 100, machines).tolist(),
                strict=True,
            )
        )
        for _ in range(jobs)
    ]
    return Work(routes, [0] * jobs, [0] * machines)


def giffler_thompson(
    work: Work, choose: Callable[[list[int]], int]
) -> list[tuple[int, int, int, int]]:
    """(job, machine, start, end) of every operation in the order in which they are planned.

    `choose` is asked for one of several jobs, in ascending order.
    """
    left = [list(route) for route in work.routes]
    ready, free = list(work.ready), list(work.free)
    planned = []
    while any(left):
        options = []
        for job, route in enumerate(left):
            if route:
                machine, duration = route[0]
                start = max(ready[job], free[machine])
                options.append((start + duration, job, machine, start))
        first, soonest, machine, _ = min(options)
        rivals = [
            job
            for _, job, its, start in options
            if its == machine and (start < first or job == soonest)
        ]
        chosen = rivals[0] if len(rivals) == 1 else choose(rivals)
        end, _, _, start = next(option for option in options if option[1] == chosen)
        left[chosen].pop(0)
        ready[chosen] = free[machine] = end
        planned.append((chosen, machine, start, end))
    return planned
