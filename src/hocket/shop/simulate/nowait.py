"""The no-wait shop: a started job runs through, so starting it books all its machines at once.

The policy is asked about the first operations only. A job is a candidate when its whole chain of
operations fits between what is booked, starting now; operations that have alternatives take the
fastest machine that fits. Where no job fits now, the shop is looked at again at the earliest time
at which one does.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from hocket.core.errors import Deadlock, IllegalDecision
from hocket.core.kernel import Event, Kernel, Phase
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.shop.dispatch import Dispatcher, ShopView, Start, window
from hocket.shop.model.arrays import NEVER, arrays, setup_times
from hocket.shop.model.jobshop import JobShop, Machine
from hocket.shop.simulate.luck import releases


class Booking(NamedTuple):
    """An operation's place on a machine, in ticks, and the setup family it leaves behind."""

    start: int
    end: int
    family: str
    operation: int = -1


class Ledger:
    """The bookings of one machine in order of time."""

    def __init__(self, machine: Machine, setups: dict[tuple[str, str], int]) -> None:
        """An empty ledger; the machine starts in its own family."""
        self.calendar = machine.calendar
        self.setups = setups
        self.bookings = [Booking(-NEVER, 0, machine.family)]
        self.longest_setup = max(setups.values(), default=0)
        holidays = () if self.calendar is None else self.calendar.closed
        # After it no booking, setup or holiday is in the way: only opening hours, which repeat.
        self.settled = max((end for _, end in holidays), default=0) + self.longest_setup

    def earliest(self, start: int, duration: int, family: str, own: Sequence[Booking] = ()) -> int:
        """The first time from `start` on at which the operation fits, unbroken and set up.

        `own` are further bookings: those that its job is about to make here.
        """
        bookings = sorted([*self.bookings, *own]) if own else self.bookings
        at = max(0, bisect_right(bookings, start, key=lambda b: b.start) - 1)
        for before, after in pairwise([*bookings[at:], None]):
            assert before is not None
            gap = before.end + self.setups.get((before.family, family), 0)
            start = self._open_for(max(start, gap), duration)
            if after is None:
                break
            if start + duration + self.setups.get((family, after.family), 0) <= after.start:
                break
        return start

    def _open_for(self, start: int, duration: int) -> int:
        """The first time from `start` on from which the machine stays open for `duration`."""
        if self.calendar is None:
            return start
        last = max(start, self.settled) + 2 * self.calendar.period
        while start <= last:  # after that, opening hours only repeat
            start = self.calendar.next_open(start)
            if self.calendar.finish(start, duration) == start + duration:
                return start
            start = self.calendar.next_close(start) or NEVER
        return NEVER

    def book(self, booking: Booking) -> None:
        """Enter a booking."""
        insort(self.bookings, booking)
        self.settled = max(self.settled, booking.end + self.longest_setup)

    def setups_done(self) -> Iterator[tuple[int, int]]:
        """(operation, ticks) of every setup; each ends where its operation starts."""
        for before, after in pairwise(self.bookings):
            if ticks := self.setups.get((before.family, after.family), 0):
                yield after.operation, ticks


class NoWaitWorld:
    """The state of a no-wait shop, and the handlers of its events."""

    def __init__(
        self, shop: JobShop, decider: Dispatcher, name: str, streams: Streams, kernel: Kernel
    ) -> None:
        """The world before its first event."""
        self.shop, self.policy, self.kernel, self.streams = shop, name, kernel, streams
        self.dispatch = decider.dispatch
        self.arrays = data = arrays(shop)
        self.ledgers = [
            Ledger(machine, table)
            for machine, table in zip(shop.machines, setup_times(shop), strict=True)
        ]
        periods = [m.calendar.period for m in shop.machines if m.calendar is not None]
        self.cycle = math.lcm(*periods)  # opening hours of all machines together repeat after it
        self.waiting: list[int] = []  # released jobs that have not started, ascending
        self.again: Event | None = None  # when the shop is looked at again
        self.timeline = Timeline(shop.time_unit, tuple(data.machines))
        blank = np.full(len(data.job), -1)
        self.ready, self.started, self.finished = blank.copy(), blank.copy(), blank.copy()
        self.assigned = blank
        self.arrived = np.zeros(len(data.jobs), bool)
        self.view = ShopView(data, self.ready, self.started, self.finished)
        self.view.assigned = window(self.assigned)
        self.view.arrived = self.arrived[:]
        self.view.arrived.flags.writeable = False
        self.up = np.ones(len(data.machines), bool)
        self.view.up = self.up[:]
        self.view.up.flags.writeable = False

    def run(self) -> Timeline:
        """Play until every job has run."""
        for job, time in enumerate(releases(self.shop, self.streams)):
            self.kernel.at(time, self._arrive, job, phase=Phase.ARRIVE)
        self.kernel.run()
        if self.waiting:
            raise Deadlock(f"{self.policy} lets jobs wait for ever, first {self._name(0)}")
        # What is set up before what is only settled once no booking can come in between.
        for lane, ledger in zip(self.arrays.machines, self.ledgers, strict=True):
            for operation, ticks in ledger.setups_done():
                group = self.arrays.jobs[int(self.arrays.job[operation])]
                start = int(self.started[operation])
                name = self.arrays.operations[operation]
                self.timeline.span("setup", lane, group, name, start - ticks, start)
        return self.timeline

    def _name(self, at: int) -> str:
        return self.arrays.jobs[self.waiting[at]]

    def _arrive(self, job: int) -> None:
        self.arrived[job] = True
        self.waiting = sorted([*self.waiting, job])
        self.ready[self.arrays.first[job]] = self.kernel.now
        self.timeline.point("arrive", "", self.arrays.jobs[job], "", self.kernel.now)
        self._look_at(self.kernel.now)

    def _look_at(self, time: int) -> None:
        if self.again is not None:
            self.again.cancel()
        self.again = self.kernel.at(time, self._decide, phase=Phase.DECIDE)

    def _decide(self) -> None:
        now, soonest = self.kernel.now, NEVER
        for m, ledger in enumerate(self.ledgers):
            self.up[m] = ledger.calendar is None or ledger.calendar.is_open(now)
        declined: set[int] = set()
        while True:
            fitting: dict[int, dict[int, list[tuple[int, int, int]]]] = {}
            soonest = NEVER
            for job in self.waiting:
                begin, chain = self._fit(job, now)
                if begin == now:
                    fitting.setdefault(chain[0][0], {})[self.arrays.first[job]] = chain
                else:
                    soonest = min(soonest, begin)
            machine = min((m for m in fitting if m not in declined), default=None)
            if machine is None:
                break
            if not self._offer(machine, fitting[machine]):
                declined.add(machine)
        if soonest < NEVER:
            self._look_at(soonest)
        elif self.waiting and not fitting:
            raise Deadlock(
                f"job {self._name(0)} fits into no stretch of opening hours, or "
                f"visits a machine again before it can be set up"
            )

    def _fit(self, job: int, start: int) -> tuple[int, list[tuple[int, int, int]]]:
        """The first start from `start` on, and the chain of (machine, start, end) it gives."""
        settled = max(ledger.settled for ledger in self.ledgers)
        last = max(start, settled) + self.cycle
        while start <= last:
            chain: list[tuple[int, int, int]] = []
            own: dict[int, list[Booking]] = {}
            at = start
            for operation in range(self.arrays.first[job], self.arrays.first[job + 1]):
                family = self.arrays.families[operation]
                places = [
                    (self.ledgers[m].earliest(at, d, family, own.get(m, ())), d, m)
                    for m, d in self.arrays.choices[operation]
                ]
                opens, duration, machine = min(places)
                if opens > at:
                    start += opens - at
                    break
                chain.append((machine, at, at + duration))
                own.setdefault(machine, []).append(Booking(at, at + duration, family))
                at += duration
            else:
                return start, chain
        return NEVER, []

    def _offer(self, machine: int, fitting: dict[int, list[tuple[int, int, int]]]) -> bool:
        view = self.view
        view.now, view.machine = self.kernel.now, machine
        view.duration = self.arrays.duration[machine]
        view.candidates = tuple(fitting)
        decision = self.dispatch(view)
        if decision is None:
            return False
        if not isinstance(decision, Start) or decision.operation not in fitting:
            names = ", ".join(self.arrays.operations[o] for o in fitting)
            raise IllegalDecision(
                self.policy, self.kernel.now, repr(decision), f"only these fit now: {names}"
            )
        self._commit(decision, fitting[decision.operation])
        return True

    def _commit(self, decision: Start, chain: list[tuple[int, int, int]]) -> None:
        job = int(self.arrays.job[decision.operation])
        self.waiting.remove(job)
        for operation, (machine, start, end) in enumerate(chain, decision.operation):
            family = self.arrays.families[operation]
            self.ledgers[machine].book(Booking(start, end, family, operation))
            lane, group = self.arrays.machines[machine], self.arrays.jobs[job]
            name = self.arrays.operations[operation]
            self.timeline.span("run", lane, group, name, start, end, decision.reason)
            self.assigned[operation] = machine
            self.kernel.at(start, self._note, self.started, operation)
            self.kernel.at(end, self._note, self.finished, operation)

    def _note(self, column: np.ndarray[tuple[int], np.dtype[np.int64]], operation: int) -> None:
        column[operation] = self.kernel.now
