"""The discrete-event kernel: a clock and a queue of events, nothing else.

Four nouns: a `Kernel` has a clock (`now`) and a queue of `Event`s; each event has a time and a
`Phase`; when its turn comes its action, an ordinary function, is called. An action may schedule and
cancel further events. That is the whole model: there are no processes and no resources here, they
are a few lines of each domain.

The order is total and never left to chance. Events run by the key ``(time, phase, sequence)``: the
earlier tick first; at one tick, the phases in the order that `Phase` documents; in one phase, in
the order of scheduling. Only integers are compared, never events or actions.

Time is an ``int`` of ticks. What a tick lasts is the scenario's business: floats would let rounding
decide which of two events at "the same" time runs first.

How the queue works: a heap holds each ``(time, phase)`` that something happens at once, packed into
one integer; a dictionary holds what happens then, an event or, where several share the key, a list
of them in order of scheduling, so that the sequence need not be stored. Ticks being integers, ties
are common (timers, heartbeats, machines that finish together). They are taken from the heap as one
batch, and cost an append where an ordinary event list pays a walk through the heap.
"""

from __future__ import annotations

import time as wall
from collections.abc import Callable
from enum import IntEnum
from heapq import heapify, heappop, heappush
from math import inf
from operator import index
from typing import Any, TypeAlias

import msgspec

from hocket.core.errors import RunError, UserError

_PHASES = 8
"""The key of an event is ``time * _PHASES + phase``; a power of two above the number of phases."""

_COMPACT_FROM = 64
"""Fewer cancelled events than this are left in the queue, however short it is."""


class Phase(IntEnum):
    """What happens first when several things happen at one tick.

    The order makes a decision see everything that its instant brings: work that completes frees its
    resource before a failure can hit it, a repaired machine and a job that arrives are there before
    any policy looks, and observers see what the policies did.

    An action may schedule an event of an earlier phase at the current tick (a decision that starts
    work of zero length, say): it runs next, before the rest of the phase in progress.
    """

    FINISH = 0
    """Work completes; resources become free."""
    FAIL = 1
    """Machines, links, nodes break down."""
    REPAIR = 2
    """What was broken comes back."""
    ARRIVE = 3
    """New work arrives."""
    WAKE = 4
    """Timers that a policy or a resource has set."""
    DECIDE = 5
    """Policies look, once all of the above is settled."""
    OBSERVE = 6
    """Gauges and recorders read the state that the decisions left."""


def _nothing() -> None:
    """The action of an event that is over: fired or cancelled."""


class Event(msgspec.Struct, eq=False):
    """One scheduled call; returned by `Kernel.at` and `Kernel.after`.

    Read `time` (ticks), `phase` and `cancelled`; call `cancel()`. Events compare by identity.
    """

    # A msgspec struct and not a class with slots only because its constructor is written in C:
    # one event is made for everything that ever happens in a simulation.
    time: int
    phase: Phase
    _action: Callable[..., object]
    _args: tuple[Any, ...]
    _kernel: Kernel | None
    cancelled: bool = False

    def cancel(self) -> None:
        """Never run this event. Harmless when it is cancelled already, has run, or is running."""
        kernel = self._kernel
        if kernel is None:
            return
        self.cancelled = True
        # Let go of what the call holds: the queue may keep a cancelled event for a while.
        self._kernel, self._action, self._args = None, _nothing, ()
        kernel._note_cancelled()

    def __repr__(self) -> str:
        state = ", cancelled" if self.cancelled else ""
        return f"Event(time={self.time}, phase={self.phase.name}{state})"


_Slot: TypeAlias = Event | list[Event]
"""What happens at one key: one event, or several in order of scheduling."""


class Kernel:
    """A clock in integer ticks and the queue of what is still to happen.

    >>> kernel = Kernel("second")
    >>> event = kernel.after(3, print, "three seconds on")
    >>> kernel.run()
    three seconds on
    3
    """

    def __init__(self, unit: str = "tick", *, limit: int | None = 1_000_000) -> None:
        """`unit` names what one tick stands for, in messages and reports.

        `limit` is the number of events that may run at a single tick; one more is a `RunError` that
        names the tick. It stops loops in which time stands still; None turns it off.
        """
        self.now = 0
        self.unit = unit
        self.limit = limit
        self._keys: list[int] = []  # a heap of the keys of _slots
        self._slots: dict[int, _Slot] = {}
        self._batch: list[Event] = []  # taken from one slot and not yet run, the next one last
        self._batch_key = 0
        self._interrupted: list[tuple[int, list[Event]]] = []  # batches that an earlier phase cut
        self._cancelled = 0  # how many events were cancelled since the queue was last compacted
        self._compact_at = _COMPACT_FROM
        self._count = 0  # how many events have run at the current tick
        self._running = False
        self._stopped = False

    def at(
        self, time: int, action: Callable[..., object], *args: Any, phase: Phase = Phase.FINISH
    ) -> Event:
        """Schedule ``action(*args)`` at tick `time`, which may be the current one.

        Raises `RunError` if `time` is past or not an integer, or `phase` not a `Phase`.
        """
        if type(time) is not int:
            time = self._ticks(time, "time")
        if time < self.now:
            raise RunError(
                f"cannot schedule at {time}: the clock is at {self.now} ({self.unit}s); "
                f"schedule at kernel.now or later"
            )
        return self.after(time - self.now, action, *args, phase=phase)

    def after(
        self, delay: int, action: Callable[..., object], *args: Any, phase: Phase = Phase.FINISH
    ) -> Event:
        """Schedule ``action(*args)`` `delay` ticks from now; 0 means later at the current tick.

        Raises `RunError` if `delay` is negative or not an integer, or `phase` not a `Phase`.
        """
        if type(delay) is not int:
            delay = self._ticks(delay, "delay")
        if delay < 0:
            raise RunError(f"cannot schedule {-delay} {self.unit}s ago: a delay is 0 or more")
        if type(phase) is not Phase:
            raise RunError(f"phase must be a hocket.core.kernel.Phase, not {phase!r}")
        time = self.now + delay
        event = Event(time, phase, action, args, self)
        key = time * _PHASES + phase
        slot = self._slots.setdefault(key, event)
        if slot is event:
            heappush(self._keys, key)
        elif isinstance(slot, list):
            slot.append(event)
        else:
            self._slots[key] = [slot, event]
        return event

    def run(self, until: int | None = None) -> int:
        """Run events in order; return the clock.

        Without `until`: until no event is left. With it: every event up to and at that tick, after
        which the clock stands at `until` even if nothing happened there. Either way an action can
        call `stop()`, and the clock then stays where it is.

        An exception of an action passes through; its event counts as run, the rest of the queue is
        untouched, and `run` may be called again.
        """
        if until is None:
            last = inf
        else:
            until = until if type(until) is int else self._ticks(until, "until")
            last = until * _PHASES + _PHASES - 1
            if until < self.now:
                raise RunError(f"cannot run until {until}: the clock is at {self.now} already")
        self._enter(stopped=False)
        if not self._loop(last) and until is not None and until > self.now:
            self._advance(until)
            self._count = 0
        return self.now

    def step(self) -> bool:
        """Run the next event; False if there is none."""
        self._enter(stopped=True)
        return self._loop(inf)

    def stop(self) -> None:
        """Make the `run` in progress return after the current action."""
        self._stopped = True

    def peek(self) -> int | None:
        """The tick of the next event, None if nothing is left to happen."""
        batch, keys, slots = self._batch, self._keys, self._slots
        while batch and batch[-1].cancelled:
            batch.pop()
        if batch:
            return batch[-1].time
        for _, interrupted in reversed(self._interrupted):
            if _live(interrupted):
                return self.now
        while keys:
            slot = slots[keys[0]]
            first = slot[0] if isinstance(slot, list) else slot
            if not first.cancelled:
                return first.time
            live = _live(slot)
            if live is None:
                del slots[heappop(keys)]
            else:
                slots[keys[0]] = live
        return None

    def __len__(self) -> int:
        """How many events are still to happen, cancelled ones left out; takes time O(that)."""
        waiting = sum(_size(slot) for slot in self._slots.values())
        taken = [self._batch, *(batch for _, batch in self._interrupted)]
        return waiting + sum(_size(batch) for batch in taken)

    def __bool__(self) -> bool:
        """Always true: an idle kernel is still a kernel."""
        return True

    def __repr__(self) -> str:
        return f"{type(self).__name__}(now={self.now}, unit={self.unit!r}, pending={len(self)})"

    def _advance(self, time: int) -> None:
        """Move the clock forward to `time`: the one thing that real time does differently."""
        self.now = time

    def _loop(self, last: float) -> bool:
        """Run the events up to the key `last`; True if an action, or `step`, stopped it."""
        keys, slots, batch = self._keys, self._slots, self._batch
        interrupted = self._interrupted
        limit = inf if self.limit is None else self.limit
        # The usual clock only takes the new time; a call for that would cost a twentieth.
        advance = None if type(self)._advance is Kernel._advance else self._advance
        key = 0
        try:
            while True:
                if batch:
                    if keys and keys[0] < key:  # something to do in an earlier phase of this tick
                        interrupted.append((key, batch))
                        self._batch = batch = []
                        continue
                    event = batch.pop()
                elif interrupted and not (keys and keys[0] < interrupted[-1][0]):
                    key, self._batch = interrupted.pop()
                    self._batch_key, batch = key, self._batch
                    continue
                elif keys and keys[0] <= last:
                    key = heappop(keys)
                    slot = slots.pop(key)
                    if isinstance(slot, list):
                        self._batch_key = key
                        batch.extend(reversed(slot))
                        continue
                    event = slot
                else:
                    return False
                if event.cancelled:
                    continue
                time = event.time
                if time == self.now:
                    self._count = count = self._count + 1
                    if count > limit:
                        self._runaway(event)
                else:
                    if advance is None:
                        self.now = time
                    else:
                        self._hold(event)  # for a sleep that is interrupted
                        advance(time)
                        batch.pop()
                    self._count = 1
                event._kernel = None
                event._action(*event._args)
                if self._stopped:
                    return True
        finally:
            self._running = False
            if batch:
                self._put_back(self._batch_key, batch)
            while interrupted:
                self._put_back(*interrupted.pop())

    def _hold(self, event: Event) -> None:
        """Make `event` the next of the batch again."""
        self._batch.append(event)
        self._batch_key = event.time * _PHASES + event.phase

    def _put_back(self, key: int, batch: list[Event]) -> None:
        """Return a batch to the queue, before what was scheduled at its key meanwhile."""
        rest = batch[::-1]
        slot = self._slots.get(key)
        if slot is None:
            heappush(self._keys, key)
        else:
            rest += slot if isinstance(slot, list) else [slot]
        self._slots[key] = rest
        batch.clear()

    def _enter(self, stopped: bool) -> None:
        """Begin `_loop`, which ends after one event if it is `stopped` from the start."""
        if self._running:
            raise RunError("run() and step() cannot be called from an action; schedule an event")
        self._running, self._stopped = True, stopped

    def _ticks(self, value: object, what: str) -> int:
        """An integer of another type (NumPy's) as an int; a `RunError` for anything else."""
        if not isinstance(value, bool):
            try:
                return index(value)  # type: ignore[arg-type]  # this is the check
            except TypeError:
                pass
        raise RunError(
            f"{what} must be an integer number of {self.unit}s, not {value!r} "
            f"({type(value).__name__}); round it where it is drawn"
        )

    def _note_cancelled(self) -> None:
        """Drop cancelled events once they may be most of the queue, so that memory is bounded."""
        self._cancelled += 1
        if self._cancelled < self._compact_at:
            return
        kept = {key: live for key, slot in self._slots.items() if (live := _live(slot))}
        # In place: `_loop` holds both containers while it calls the action that brought us here.
        self._slots.clear()
        self._slots.update(kept)
        self._keys[:] = kept
        heapify(self._keys)
        self._cancelled, self._compact_at = 0, max(_COMPACT_FROM, len(self))

    def _runaway(self, event: Event) -> None:
        self._hold(event)
        raise RunError(
            f"more than {self.limit} events at time {self.now} ({self.unit}s): time stands still; "
            f"the next is {event}, {getattr(event._action, '__qualname__', event._action)}. "
            f"Give the loop a positive delay, or raise Kernel(limit=...)"
        )


def _live(slot: _Slot) -> _Slot | None:
    """The slot without its cancelled events, None if nothing is left."""
    if isinstance(slot, list):
        return [event for event in slot if not event.cancelled] or None
    return None if slot.cancelled else slot


def _size(slot: _Slot) -> int:
    """How many events of the slot are still to happen."""
    if isinstance(slot, list):
        return sum(not event.cancelled for event in slot)
    return not slot.cancelled


class RealTimeKernel(Kernel):
    """A kernel whose clock keeps step with the wall clock.

    The clock's current tick is taken to be the moment at which `run` or `step` first has to wait.
    Actions that take longer than their ticks make later events late but never make the ticks drift:
    the kernel catches up without sleeping.
    """

    def __init__(
        self,
        tick: float,
        unit: str = "tick",
        *,
        limit: int | None = 1_000_000,
        clock: Callable[[], float] = wall.monotonic,
        sleep: Callable[[float], object] = wall.sleep,
    ) -> None:
        """`tick` is the length of a tick in seconds; `clock` and `sleep` count seconds too."""
        super().__init__(unit, limit=limit)
        if not 0 < tick < inf:
            raise UserError(f"a tick lasts a positive number of seconds, not {tick!r}")
        self.tick = tick
        self._clock = clock
        self._sleep = sleep
        self._origin: float | None = None

    def _advance(self, time: int) -> None:
        """Sleep until the wall clock reaches `time`, then move the clock."""
        if self._origin is None:
            self._origin = self._clock() - self.now * self.tick
        due = self._origin + time * self.tick
        # Not one sleep but as many as it takes: sleep may return early.
        while (wait := due - self._clock()) > 0:
            self._sleep(wait)
        self.now = time
