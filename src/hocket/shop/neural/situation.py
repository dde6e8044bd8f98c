"""What is there to be seen at a conflict: the state of each lane, and of each rival in it.

All times count from the moment at which the first rival could start, in mean durations of the
instance.

Arrays have jobs or machines first and lanes or rivals last: NumPy is an order of magnitude faster
at maxima and sums over the first axis when it is short.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from hocket.learn.batch import Bools, Floats, Ints
from hocket.shop.neural.building import TRACE, Building, Conflicts
from hocket.shop.neural.instances import Doubles

Number = TypeVar("Number", bound=np.generic)

ZERO = np.float32(0)
FAR = np.float32(1e4)


class Lanes(NamedTuple):
    """The state of each lane that decides. Shapes: (n, A) by job, (M + 1, A) by machine, and (A,).

    - `start`, `work`, `rest`: of the next operation of each job; of jobs that are done, FAR, 0, 0
    - `alive`: the jobs that are not; `here`: those whose next operation is on the machine
    - `free`, `load`, `busy`: of each machine; `by_load`, `by_tail`: when it will be done at the
      earliest, without and with the jobs' work elsewhere; `queue`: work waiting there next
    - `by_job`: when each job will be done at the earliest; `bound`: on the makespan
    - `first`: the earliest completion of a rival; `most`: the largest load
    """

    start: Floats
    work: Floats
    rest: Floats
    alive: Bools
    here: Bools
    free: Floats
    load: Floats
    busy: Bools
    by_load: Floats
    by_tail: Floats
    queue: Floats
    by_job: Floats
    bound: Floats
    first: Floats
    most: Floats


class Rivals(NamedTuple):
    """The rivals of all lanes, one after another: C of them. Shapes: (C,), and (n, C) by job.

    - `lane` of `Lanes`, `whole` of `Building`; `of`: the instance
    - `job`, `machine`, `place`, `start`, `work`, `rest`, `end`: of the rival's next operation
    - `bound`: on the makespan; `share`: 1 / bound
    - `their_start`, `their_work`, `their_rest`: as in `Lanes`, of all jobs; `mine`: the own one
    """

    lane: Ints
    whole: Ints
    of: Ints
    job: Ints
    machine: Ints
    place: Ints
    start: Floats
    work: Floats
    rest: Floats
    end: Floats
    bound: Floats
    share: Floats
    their_start: Floats
    their_work: Floats
    their_rest: Floats
    mine: Bools


def lanes_of(b: Building, conflicts: Conflicts) -> Lanes:
    """The state of the lanes that have a conflict."""
    c, lanes = b.instances, conflicts.lanes
    unit = 1 / c.mean[b.of[lanes]]
    start, place, machine = (turned(a.take(lanes, 0)) for a in (b.start, b.place, b.machine))
    zero = np.where(turned(conflicts.rivals), start, np.inf).min(0)

    def since(times: Doubles) -> Floats:
        past: Floats = ((times - zero) * unit).astype(np.float32)
        return past

    alive = machine < c.M
    begin = np.where(alive, since(start), FAR)
    work, rest = c.work.take(place), c.rest.take(place)
    free = since(turned(b.free.take(lanes, 0)))
    load = turned(b.load.take(lanes, 0))
    busy = load > TRACE
    queue = np.zeros(free.shape, np.float32)
    np.add.at(queue, (machine, np.arange(len(lanes))), work)
    by_job = (begin + rest) * alive
    by_tail = (free + turned(b.jackson.take(lanes, 0))) * busy
    bound = np.maximum(np.maximum(by_job.max(0), by_tail.max(0)), since(b.span[lanes]))
    return Lanes(
        start=begin,
        work=work,
        rest=rest,
        alive=alive,
        here=machine == conflicts.machine,
        free=free,
        load=load,
        busy=busy,
        by_load=(free + load) * busy,
        by_tail=by_tail,
        queue=queue,
        by_job=by_job,
        bound=np.maximum(bound, TRACE),
        first=since(conflicts.first),
        most=np.maximum(load.max(0), TRACE),
    )


def rivals_of(b: Building, conflicts: Conflicts, lanes: Lanes) -> Rivals:
    """Every rival of every conflict, lane after lane."""
    lane, job = np.nonzero(conflicts.rivals)
    whole = conflicts.lanes[lane]
    start, work = at(lanes.start, job, lane), at(lanes.work, job, lane)
    bound = lanes.bound[lane]
    mine = np.zeros((b.instances.n, len(job)), bool)
    mine[job, np.arange(len(job))] = True
    return Rivals(
        lane=lane,
        whole=whole,
        of=b.of[whole],
        job=job,
        machine=conflicts.machine[lane],
        place=at(b.place, whole, job),
        start=start,
        work=work,
        rest=at(lanes.rest, job, lane),
        end=start + work,
        bound=bound,
        share=np.float32(1) / bound,
        their_start=lanes.start.take(lane, 1),
        their_work=lanes.work.take(lane, 1),
        their_rest=lanes.rest.take(lane, 1),
        mine=mine,
    )


def at(values: npt.NDArray[Number], row: Ints, column: Ints) -> npt.NDArray[Number]:
    """``values[row, column]``, but faster."""
    found: npt.NDArray[Number] = values.reshape(-1).take(row * values.shape[1] + column)
    return found


def turned(values: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """The transposed array, also in memory."""
    return np.ascontiguousarray(values.T)
