"""Shops as padded arrays: what is still to be done, of many shops side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hocket.learn.batch import Floats, Ints
from hocket.shop.model.jobshop import JobShop

Doubles = npt.NDArray[np.float64]

AHEAD = 3
"""How many operations of a job the features look ahead."""


class Work(NamedTuple):
    """What is to be scheduled, from some moment on. Times are ticks.

    - `routes[j]`: (machine, duration) of each operation of job j that has not started, in order
    - `ready[j]`: when the first of them can start; `free[m]`: when machine m can
    """

    routes: Sequence[Sequence[tuple[int, int]]]
    ready: Sequence[int]
    free: Sequence[int]


def work_of(shop: JobShop) -> Work:
    """All of a shop, from the beginning; each operation on the first machine that can do it."""
    index = {machine.name: m for m, machine in enumerate(shop.machines)}
    routes = []
    for job in shop.jobs:
        firsts = [operation.choices()[0] for operation in job.operations]
        routes.append([(index[choice.machine], choice.duration) for choice in firsts])
    return Work(routes, [job.release for job in shop.jobs], [0] * len(shop.machines))


@dataclass(frozen=True, slots=True, eq=False)
class Instances:
    """I instances of up to n jobs and M machines, padded.

    Each job has a row of `width` places for its operations; flat arrays have one entry per place
    (I * n * width). Places without an operation are on machine M, which is none. "Work" is in units
    of the instance's mean duration, so that numbers do not depend on the unit of time.

    - `machine`, `duration` (ticks), `work`: of the operation; flat
    - `rest`: work from the operation (included) to the end of its job, and `follow`: how many
      operations that is; flat
    - `on[i, m, j]`: all the work of job j on machine m; `from_there[i, m, j]`: the work of job j
      from its (last) operation on machine m to its end
    - `rank[i, m, j]`: the place of job j when those of machine m are sorted by what they have to do
      after it (the tail), longest first; `tail[i, m, r]`: the tail of the job at place r
    - `mean`: mean duration (ticks); `count`: operations; `jobs`, `machines`: those with operations;
      all of shape (I,)
    - `ready` (I, n), `free` (I, M + 1): see `Work`
    """

    n: int
    M: int
    width: int
    machine: Ints
    duration: Doubles
    work: Floats
    rest: Floats
    follow: Floats
    on: Floats
    from_there: Floats
    rank: Ints
    tail: Floats
    mean: Doubles
    count: Ints
    jobs: Floats
    machines: Floats
    ready: Doubles
    free: Doubles


def instances(works: Sequence[Work]) -> Instances:
    """Compile instances. Any may have jobs without operations, and machines without work."""
    n = max(len(work.routes) for work in works)
    machines = max(len(work.free) for work in works)
    width = max((len(route) for work in works for route in work.routes), default=0) + 1 + AHEAD
    machine, duration = _places(works, n, machines, width)
    real = machine < machines
    count = real.sum((1, 2))
    mean = np.maximum(duration.sum((1, 2)) / np.maximum(count, 1), 1e-9)
    work = duration / mean[:, None, None]
    rest = _from_here(duration) / mean[:, None, None]

    i, j, k = np.nonzero(real)
    m = machine[i, j, k]
    on, visits, from_there = np.zeros((3, len(works), machines + 1, n))
    np.add.at(on, (i, m, j), work[i, j, k])
    np.add.at(visits, (i, m, j), 1)
    from_there[i, m, j] = rest[i, j, k]  # of several visits the last one is written last
    tails = np.where(on > 0, from_there - on, -1.0)
    order = np.argsort(-tails, axis=2, kind="stable")
    return Instances(
        n=n,
        M=machines,
        width=width,
        machine=machine.reshape(-1),
        duration=duration.reshape(-1),
        work=_single(work).reshape(-1),
        rest=_single(rest).reshape(-1),
        follow=_single(_from_here(real)).reshape(-1),
        on=_single(on),
        from_there=_single(from_there),
        rank=np.argsort(order, axis=2, kind="stable"),
        tail=_single(np.take_along_axis(tails, order, 2)),
        mean=mean,
        count=count,
        jobs=_single(real.any(2).sum(1)),
        machines=_single(visits.any(2).sum(1)),
        ready=np.array([_padded(work.ready, n) for work in works]),
        free=np.array([_padded(work.free, machines + 1) for work in works]),
    )


def _places(works: Sequence[Work], n: int, machines: int, width: int) -> tuple[Ints, Doubles]:
    """Machine and duration of every place: shape (I, n, width)."""
    machine = np.full((len(works), n, width), machines)
    duration = np.zeros((len(works), n, width))
    for i, work in enumerate(works):
        for j, route in enumerate(work.routes):
            if route:
                machine[i, j, : len(route)], duration[i, j, : len(route)] = zip(*route, strict=True)
    return machine, duration


def _from_here(values: npt.NDArray[np.bool_] | Doubles) -> Doubles:
    """The sum of each place and those after it in its row."""
    sums: Doubles = values[..., ::-1].cumsum(-1)[..., ::-1].astype(np.float64)
    return sums


def _single(values: Doubles | Ints) -> Floats:
    return values.astype(np.float32)


def _padded(times: Sequence[int], length: int) -> list[float]:
    return [*map(float, times), *[0.0] * (length - len(times))]
