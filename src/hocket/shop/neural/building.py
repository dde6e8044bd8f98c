"""Building active schedules, many in lock step: Giffler and Thompson (1960), vectorised.

At each step take the operation that could be completed first. On its machine, one of those that
could start before that completion goes next: whichever, the schedule stays active, and every active
schedule, so also an optimal one, can be built this way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hocket.learn.batch import Bools, Floats, Ints
from hocket.shop.neural.instances import Doubles, Instances

NEVER = 2.0**52
"""Ticks; later than all times that occur, and small enough for durations to be added exactly."""


class Conflicts(NamedTuple):
    """Where several operations want a machine: one row per lane of `lanes`.

    - `machine`: the machine; `first`: when the first of them could be completed (ticks)
    - `rivals`: which jobs could go next, bool of shape (lanes, n)
    """

    lanes: Ints
    machine: Ints
    first: Doubles
    rivals: Bools

    def take(self, rows: Bools) -> Conflicts:
        """Some of them."""
        return Conflicts(self.lanes[rows], self.machine[rows], self.first[rows], self.rivals[rows])


class Building:
    """Schedules under construction, one per lane; several lanes may build for one instance.

    `of[lane]` is the instance. Per lane and job, of the next operation: `place` (in the flat arrays
    of `Instances`), `machine`, `start` and `end` if it went next (ticks; NEVER once the job is
    done). Per lane: `left` operations, `done` work, `span`, the latest end so far.

    What the features need is kept up to date, too (work, see `Instances`): `on` as there, but only
    what is left; `sorted` is the same with the jobs of a machine by `rank`; `load` is its sum per
    machine, and `jackson` its delivery time: when the last of the machine's jobs would be over if
    it began now and had all of them at hand (Jackson 1955).
    """

    def __init__(self, instances: Instances, of: Ints) -> None:
        """Nothing is scheduled yet."""
        self.instances, self.of = instances, of
        c = instances
        self.place = (of[:, None] * c.n + np.arange(c.n)) * c.width
        self.machine = c.machine[self.place]
        self.free = c.free[of]
        self.start = np.maximum(c.ready[of], np.take_along_axis(self.free, self.machine, 1))
        self.start[self.machine == c.M] = NEVER
        self.end = self.start + c.duration[self.place]
        self.left = c.count[of]
        self.done = np.zeros(len(of), np.float32)
        self.span = np.zeros(len(of))
        self.on = c.on[of]
        self.sorted = np.take_along_axis(self.on, np.argsort(c.rank[of], axis=2), 2)
        self.load = self.on.sum(2)
        self.jackson = np.stack(
            [jackson(self.sorted[:, m].T, c.tail[of, m].T) for m in range(c.M + 1)], axis=1
        )

    def conflicts(self) -> Conflicts:
        """What has to be decided now, for every lane that is not done."""
        lanes = np.flatnonzero(self.left)
        end, rows = self.end.take(lanes, 0), np.arange(len(lanes))
        earliest = end.argmin(1)
        first = end[rows, earliest]
        machine = self.machine[lanes, earliest]
        here = self.machine.take(lanes, 0) == machine[:, None]
        rivals = here & (self.start.take(lanes, 0) < first[:, None])
        rivals[rows, earliest] = True  # also if it takes no time
        return Conflicts(lanes, machine, first, rivals)

    def append(self, lanes: Ints, jobs: Ints) -> None:
        """Schedule the next operation of one job per lane."""
        c, of = self.instances, self.of[lanes]
        place, machine, end = (a[lanes, jobs] for a in (self.place, self.machine, self.end))
        self._account(lanes, of, jobs, place, machine)
        self.free[lanes, machine] = end
        self.span[lanes] = np.maximum(self.span[lanes], end)

        place += 1
        following = c.machine[place]
        self.place[lanes, jobs], self.machine[lanes, jobs] = place, following
        start = self.start.take(lanes, 0)
        here = self.machine.take(lanes, 0) == machine[:, None]
        behind = here & (start < end[:, None])
        start = np.where(behind, end[:, None], start)
        own = np.where(following < c.M, np.maximum(end, self.free[lanes, following]), NEVER)
        start[np.arange(len(lanes)), jobs] = own
        self.start[lanes] = start
        self.end[lanes] = start + c.duration.take(self.place.take(lanes, 0))

    def _account(self, lanes: Ints, of: Ints, jobs: Ints, place: Ints, machine: Ints) -> None:
        """Take the work of an operation off what is left."""
        c = self.instances
        work = c.work[place]
        self.left[lanes] -= 1
        self.done[lanes] += work
        self.load[lanes, machine] -= work
        self.on[lanes, machine, jobs] -= work
        row = self.sorted[lanes, machine]
        row[np.arange(len(lanes)), c.rank[of, machine, jobs]] -= work
        self.sorted[lanes, machine] = row
        self.jackson[lanes, machine] = jackson(row.T, c.tail[of, machine].T)


TRACE = np.float32(1e-4)
"""Work below this share of the mean duration is none, but what rounding has left."""


def jackson(work: Floats, tail: Floats) -> Floats:
    """The longest of the delivery times of jobs in the order given, one after another.

    `work` and `tail` have shape (jobs, ...); jobs without work are not there. The order by longest
    tail is the best, and then this is a lower bound for the machine (Jackson 1955).
    """
    ends = np.tri(len(work), dtype=np.float32) @ work  # faster than cumsum along the first axis
    over: Floats = ((ends + tail) * (work > TRACE)).max(0)
    return over
