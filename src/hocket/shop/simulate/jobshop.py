"""The job shop as a discrete-event world.

A machine is empty, at work, paused (closed or broken; the work resumes after), or blocked: its
operation is done but the job cannot move on. At every instant, once all that happens there is
settled, each free machine is offered to the policy in ascending order, until nothing moves.

Random numbers: stream ``arrivals``; per job ``job.NAME.durations``; per machine
``machine.NAME.breakdowns``. So all policies meet the same luck, and a new machine changes none.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator

import numpy as np

from hocket.core.errors import Deadlock, IllegalDecision
from hocket.core.kernel import Event, Kernel, Phase
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.shop.dispatch import Dispatcher, ShopView, Start, window
from hocket.shop.model.arrays import NEVER, arrays, setup_times
from hocket.shop.model.jobshop import JobShop
from hocket.shop.simulate.handover import Escape, find_circle
from hocket.shop.simulate.luck import durations, patience, releases
from hocket.shop.simulate.nowait import NoWaitWorld

IDLE, SETUP, RUN, BLOCKED = "idle", "setup", "run", "blocked"


def simulate(
    scenario: JobShop, policy: Policy, *, seed: int = 0, kernel: Kernel | None = None
) -> Timeline:
    """Play `policy` in the shop.

    Spans: ``setup``, ``run``, ``blocked`` (lane machine, group job, name operation), ``closed`` and
    ``broken`` (lane machine); points: ``arrive`` (group job).

    Raises IllegalDecision (naming the policy) and Deadlock.
    """
    streams = Streams(seed)
    return play(scenario, policy.begin(scenario, streams), policy.name, streams, kernel)


def play(
    shop: JobShop, decider: Dispatcher, name: str, streams: Streams, kernel: Kernel | None = None
) -> Timeline:
    """Run the world of `shop` with a decider that has begun already."""
    world = NoWaitWorld if shop.no_wait else World
    return world(shop, decider, name, streams, kernel or Kernel(shop.time_unit)).run()


class _Station:
    """What one machine is doing."""

    __slots__ = (
        "down",
        "event",
        "family",
        "index",
        "left",
        "name",
        "occupant",
        "outages",
        "queue",
        "reason",
        "setups",
        "since",
        "stage",
        "work",
    )

    def __init__(self, index: int, name: str, family: str) -> None:
        self.index = index
        self.name = name
        self.family = family  # setup family of the last operation
        self.setups: dict[tuple[str, str], int] = {}
        self.queue: list[int] = []  # operations that could start here, ascending
        self.occupant = -1
        self.stage = IDLE
        self.since = 0  # when the present stretch of the stage began
        self.left = 0  # ticks left of the stage at `since`
        self.work = 0  # real duration of the occupant
        self.reason = ""
        self.event: Event | None = None
        self.down = 0  # how many outages hold it down now
        self.outages: list[tuple[str, int]] = []


class World:
    """The state of a shop with or without buffers, and the handlers of its events."""

    def __init__(
        self, shop: JobShop, decider: Dispatcher, name: str, streams: Streams, kernel: Kernel
    ) -> None:
        """The world before its first event."""
        self.shop, self.policy, self.kernel, self.streams = shop, name, kernel, streams
        self.dispatch = decider.dispatch
        self.blocking = shop.blocking != "no"
        self.arrays = data = arrays(shop)
        self.first, self.choices, self.names = data.first, data.choices, data.operations
        self.job: list[int] = data.job.tolist()
        self.work = durations(shop, data, streams)
        self.stations = [_Station(i, m.name, m.family) for i, m in enumerate(shop.machines)]
        for station, table in zip(self.stations, setup_times(shop), strict=True):
            station.setups = table
        self.at = [-1] * len(data.jobs)  # the machine that a job occupies
        no_swap = shop.blocking == "no-swap"
        self.escape = Escape(data.choices, data.first) if no_swap else None
        self.jobs_left = self.to_arrive = len(data.jobs)
        self.active = 0  # stations in setup or run
        self.deciding = False
        self.moved = 0  # when something last happened to a job
        self.patience = patience(shop)
        self.timeline = Timeline(shop.time_unit, tuple(data.machines))
        blank = np.full(len(self.job), -1)
        self.ready, self.started, self.finished = blank.copy(), blank.copy(), blank.copy()
        self.assigned = blank
        self.arrived = np.zeros(len(data.jobs), bool)
        self.up = np.ones(len(self.stations), bool)
        self.view = self._make_view()
        self.rows = list(data.duration)

    def _make_view(self) -> ShopView:
        view = ShopView(self.arrays, self.ready, self.started, self.finished)
        view.assigned = window(self.assigned)
        view.arrived, view.up = self.arrived[:], self.up[:]
        view.arrived.flags.writeable = view.up.flags.writeable = False
        return view

    def run(self) -> Timeline:
        """Play until every job is done."""
        for job, time in enumerate(releases(self.shop, self.streams)):
            self.kernel.at(time, self._arrive, job, phase=Phase.ARRIVE)
        for station, machine in zip(self.stations, self.shop.machines, strict=True):
            if machine.calendar is not None:
                self._next_outage(station, "closed", machine.calendar.closures(NEVER))
            if machine.breakdowns is not None:
                rng = self.streams[f"machine.{machine.name}.breakdowns"]
                self._next_outage(station, "broken", machine.breakdowns.windows(rng, NEVER))
        self.kernel.run()
        if self.jobs_left:
            self._stuck()
        now = self.kernel.now
        for station in self.stations:
            for kind, since in station.outages:
                self.timeline.span(kind, station.name, "", kind, since, now)
        return self.timeline

    # What happens to jobs

    def _arrive(self, job: int) -> None:
        self.arrived[job] = True
        self.moved = self.kernel.now
        self.to_arrive -= 1
        self.timeline.point("arrive", "", self.arrays.jobs[job], "", self.kernel.now)
        self._make_ready(self.first[job])

    def _make_ready(self, operation: int) -> None:
        self.ready[operation] = self.kernel.now
        for machine, _ in self.choices[operation]:
            insort(self.stations[machine].queue, operation)
        self._wake()

    def _start(self, station: _Station, operation: int, reason: str) -> None:
        for machine, _ in self.choices[operation]:
            self.stations[machine].queue.remove(operation)
        job = self.job[operation]
        if self.blocking and self.at[job] >= 0:
            self._leave(self.stations[self.at[job]])
        self.at[job] = station.index
        if self.escape is not None:
            self.escape.take((operation, station.index))
        self.started[operation] = self.kernel.now
        self.assigned[operation] = station.index
        station.occupant, station.reason = operation, reason
        station.work = self.work[operation][station.index]
        family = self.arrays.families[operation]
        setup = station.setups.get((station.family, family), 0)
        station.family = family
        station.stage, station.left = (SETUP, setup) if setup else (RUN, station.work)
        self.active += 1
        self._resume(station)

    def _stage_done(self, station: _Station) -> None:
        self._record(station)
        if station.stage == SETUP:
            station.stage, station.left = RUN, station.work
            self._resume(station)
            return
        self.active -= 1
        self.moved = self.kernel.now
        operation = station.occupant
        self.finished[operation] = self.kernel.now
        job = self.job[operation]
        if operation + 1 == self.first[job + 1]:
            self._free(station)
            self.at[job] = -1
            self.jobs_left -= 1
            if not self.jobs_left:
                self.kernel.stop()
            return
        if self.blocking:
            station.stage, station.since = BLOCKED, self.kernel.now
        else:
            self._free(station)
        self._make_ready(operation + 1)

    def _leave(self, station: _Station) -> None:
        """The blocked job of `station` moves on."""
        if self.kernel.now > station.since:
            self._record(station)
        self.at[self.job[station.occupant]] = -1
        self._free(station)

    def _free(self, station: _Station) -> None:
        station.occupant, station.stage, station.event = -1, IDLE, None
        self._wake()

    def _record(self, station: _Station) -> None:
        operation = station.occupant
        self.timeline.span(
            station.stage,
            station.name,
            self.arrays.jobs[self.job[operation]],
            self.names[operation],
            station.since,
            self.kernel.now,
            station.reason,
        )

    # What happens to machines

    def _resume(self, station: _Station) -> None:
        station.since = self.kernel.now
        station.event = self.kernel.after(station.left, self._stage_done, station)

    def _next_outage(
        self, station: _Station, kind: str, windows: Iterator[tuple[int, int]]
    ) -> None:
        down_at, up_at = next(windows, (NEVER, NEVER))
        if down_at < NEVER:
            self.kernel.at(down_at, self._go_down, station, kind, up_at, windows, phase=Phase.FAIL)

    def _go_down(
        self, station: _Station, kind: str, up_at: int, windows: Iterator[tuple[int, int]]
    ) -> None:
        station.down += 1
        station.outages.append((kind, self.kernel.now))
        self.up[station.index] = False
        if station.event is not None and station.stage != BLOCKED and station.down == 1:
            station.event.cancel()
            station.event = None
            station.left -= self.kernel.now - station.since
            if self.kernel.now > station.since:
                self._record(station)
        self.kernel.at(up_at, self._come_up, station, kind, windows, phase=Phase.REPAIR)

    def _come_up(self, station: _Station, kind: str, windows: Iterator[tuple[int, int]]) -> None:
        station.down -= 1
        index = next(i for i, (what, _) in enumerate(station.outages) if what == kind)
        since = station.outages.pop(index)[1]
        self.timeline.span(kind, station.name, "", kind, since, self.kernel.now)
        if not station.down:
            self.up[station.index] = True
            if station.stage in (SETUP, RUN):
                self._resume(station)
            self._wake()
        self._next_outage(station, kind, windows)

    # Decisions

    def _wake(self) -> None:
        if not self.deciding:
            self.deciding = True
            self.kernel.at(self.kernel.now, self._decide, phase=Phase.DECIDE)

    def _decide(self) -> None:
        while True:
            moved = False
            for station in self.stations:
                if station.queue and station.occupant < 0 and not station.down:
                    moved = self._offer(station) or moved
            # Only without buffers can a start free another machine at the same instant.
            if not self.blocking or not (moved or self._hand_over()):
                break
        self.deciding = False
        # Machines that are down may come back together and let jobs move, but not for ever.
        waited = self.up.all() or self.kernel.now - self.moved > self.patience
        if waited and not self.active and not self.to_arrive and self.jobs_left:
            self._stuck()

    def _offer(self, station: _Station) -> bool:
        """Ask the policy about a free machine; True if something started."""
        queue = station.queue
        if self.escape is not None:
            queue = [o for o in queue if self._safe(o, station.index)]
            if not queue:
                return False
        view = self.view
        view.now = self.kernel.now
        view.machine = station.index
        view.duration = self.rows[station.index]
        view.candidates = tuple(queue)
        decision = self.dispatch(view)
        if decision is None:
            return False
        if not isinstance(decision, Start) or decision.operation not in queue:
            self._refuse(station, decision)
        self._start(station, decision.operation, decision.reason)
        return True

    def _refuse(self, station: _Station, decision: object) -> None:
        candidates = ", ".join(self.names[o] for o in self.view.candidates)
        what = repr(decision)
        if isinstance(decision, Start) and 0 <= decision.operation < len(self.names):
            what = f"to start {self.names[decision.operation]} on {station.name}"
        why = f"only these can start on {station.name} now: {candidates}"
        raise IllegalDecision(self.policy, self.kernel.now, what, why)

    # Shops without buffers

    def _safe(self, operation: int, machine: int) -> bool:
        """Whether a shop without swaps can still be emptied after this start."""
        if self.escape is None:
            return True
        holds = {
            job: (at, self.stations[at].occupant + 1) for job, at in enumerate(self.at) if at >= 0
        }
        return self.escape.allows(holds, self.job[operation], (operation, machine))

    def _hand_over(self) -> bool:
        """Let one circle of blocked jobs move on together; True if there was one."""
        wants = {
            s.index: [
                m
                for m, _ in self.choices[s.occupant + 1]
                if self.stations[m].stage == BLOCKED and not self.stations[m].down
            ]
            for s in self.stations
            if s.stage == BLOCKED
        }
        if self.escape is not None:  # a job may follow itself on its machine, and no other
            wants = {
                m: [m]
                for m, to in wants.items()
                if m in to and self._safe(self.stations[m].occupant + 1, m)
            }
        circle = find_circle(wants)
        moves = [(self.stations[m].occupant + 1, m) for m in circle]
        for machine in circle:
            self._leave(self.stations[machine])
        targets = circle[1:] + circle[:1]
        for (operation, _), target in zip(moves, targets, strict=True):
            self._start(self.stations[target], operation, f"handed over among {len(circle)}")
        return bool(circle)

    def _stuck(self) -> None:
        waiting = [self.names[o] for s in self.stations for o in s.queue]
        shown = ", ".join(dict.fromkeys(waiting[:8]))
        if any(s.stage == BLOCKED for s in self.stations):
            why = "jobs block each other in a circle"
        else:
            why = f"{self.policy} lets free machines wait, and nothing else will happen"
        raise Deadlock(f"at time {self.kernel.now} nothing moves any more: {why}. Waiting: {shown}")
