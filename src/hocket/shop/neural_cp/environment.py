"""A job shop as a constraint model on which an agent acts: which jobs start now, or nobody.

The model has a start variable per operation, an end-before-start constraint along each job and a
no-overlap constraint per machine that looks at *started* operations only. Time is always the
smallest lower bound of any job's next operation, so no started operation begins after it, and the
fixpoint of all propagation is plain: an operation can start once its predecessor ends and its
machine is free. Only that fixpoint is kept here, for many copies of a shop ("lanes") at once.

Source: Tassel, Gebser, Schekotihin, ICAPS 2023, and the authors' environment JobShopCPEnv.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hocket.shop.search.instance import Ints, Shop

Bools = npt.NDArray[np.bool_]

NEVER = 2**61
"""The lower bound of a job that is done, in ticks; above any time that a shop can reach."""


class Environment:
    """Some lanes of one shop, L of them, each with its own clock; J jobs and M machines.

    Actions 0 to J - 1 start the next operation of that job now. Action J, *No-Op*, lets nobody
    start until the second smallest distinct lower bound: it raises the lower bound of *every* job's
    next operation to that time.

    - `done`: int64 (L, J), started operations of each job
    - `ready`: int64 (L, J), lower bound of the next operation by its job and by No-Op alone
    - `latest`: int64 (L, J), start of the job's last started operation, 0 before
    - `free`: int64 (L, M), when the machine's last started operation ends
    - `start`: int64 (L, N), start of each operation, -1 before
    """

    def __init__(self, shop: Shop, lanes: int = 1) -> None:
        self.shop, self.lanes = shop, lanes
        self.first = shop.job_start.astype(np.int64)
        self.length = np.diff(self.first)
        # One entry more than there are operations, so that a finished job has a "next" one.
        self.machine = np.append(shop.machine.astype(np.int64), 0)
        self.duration = np.append(shop.duration, 0)
        self.done = np.zeros((lanes, shop.jobs), np.int64)
        self.ready = np.repeat(shop.releases[None], lanes, axis=0)
        self.latest = np.zeros((lanes, shop.jobs), np.int64)
        self.free = np.zeros((lanes, max(shop.machines, 1)), np.int64)
        self.start = np.full((lanes, shop.operations), -1, np.int64)
        self._refresh()

    def _refresh(self) -> None:
        """Propagate: the next operations, their lower bounds, the clocks."""
        self.next = np.where(self.done < self.length, self.first[:-1] + self.done, -1)
        self.next_machine = self.machine[self.next]
        free = np.take_along_axis(self.free, self.next_machine, axis=1)
        self.lower = np.where(self.next >= 0, np.maximum(self.ready, free), NEVER)
        self.now = self.lower.min(axis=1, initial=NEVER)

    @property
    def finished(self) -> Bools:
        """Bool (L,): whether every operation has started."""
        finished: Bools = self.now == NEVER
        return finished

    def legal(self) -> Bools:
        """Bool (L, J + 1): what may be done now; nothing where a lane has finished."""
        now = self.now[:, None]
        legal = np.empty((self.lanes, self.shop.jobs + 1), bool)
        np.equal(self.lower, now, out=legal[:, :-1])
        legal[:, :-1] &= now < NEVER
        legal[:, -1] = self._later() < NEVER
        return legal

    def makespans(self) -> Ints:
        """int64 (L,): when the last operation ends; meaningful where a lane has finished."""
        ends = self.start + self.shop.duration
        empty = self.shop.releases[self.length == 0]
        makespans: Ints = np.maximum(ends.max(axis=1, initial=0), empty.max(initial=0))
        return makespans

    def _later(self) -> Ints:
        """The second smallest distinct lower bound of each lane, NEVER if there is none."""
        later: Ints = np.where(self.lower > self.now[:, None], self.lower, NEVER).min(
            axis=1, initial=NEVER
        )
        return later

    def act(self, rank: Ints) -> Bools:
        """Carry out a drawn order: int64 (L, J + 1), the place of each action, -1 if it has none.

        The actions are tried from the first place on; each that is legal when its turn comes is
        carried out, until the clock moves. Returns what was carried out, bool (L, J + 1). An action
        that was illegal before the call is never carried out.

        Tried one after the other, of the jobs on one machine all start up to the first whose
        operation takes time; so it needs no loop over the actions.
        """
        legal = self.legal() & (rank >= 0)
        place = np.where(legal, rank, NEVER)
        before = place[:, :-1] < place[:, -1:]
        able = legal[:, :-1] & before
        takes = self.duration[self.next] > 0
        lane = np.arange(self.lanes)[:, None]
        closing = np.full(self.free.shape, NEVER, np.int64)
        shut = able & takes
        rows = np.broadcast_to(lane, shut.shape)[shut]
        np.minimum.at(closing, (rows, self.next_machine[shut]), place[:, :-1][shut])
        begins = able & (place[:, :-1] <= np.take_along_axis(closing, self.next_machine, axis=1))
        moment = self.now.copy()
        self._begin(begins)
        waits = legal[:, -1] & (self.now == moment)
        if waits.any():
            bound = np.where(waits, self._later(), 0)
            # Raising the bound of a job that is done changes nothing: its next is no operation.
            self.ready = np.maximum(self.ready, bound[:, None])
            self._refresh()
        return np.concatenate([begins, waits[:, None]], axis=1)

    def _begin(self, begins: Bools) -> None:
        """Start the next operations of these jobs, bool (L, J), at the present time."""
        lanes, jobs = np.nonzero(begins)
        operations = self.next[lanes, jobs]
        now = self.now[lanes]
        ends = now + self.duration[operations]
        self.start[lanes, operations] = now
        self.latest[lanes, jobs] = now
        self.done[lanes, jobs] += 1
        self.ready[lanes, jobs] = ends
        np.maximum.at(self.free, (lanes, self.machine[operations]), ends)
        self._refresh()
