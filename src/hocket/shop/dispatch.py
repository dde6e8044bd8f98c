"""The dispatching role: what a policy sees when a machine is free, and what it may answer."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from hocket.shop.model.arrays import Ints, ShopArrays


class Start(NamedTuple):
    """Start this operation on the free machine now. `reason` travels to the report."""

    operation: int
    reason: str = ""


class Dispatcher(Protocol):
    """The role. Called at every machine that is free while operations wait for it."""

    def dispatch(self, view: ShopView) -> Start | None:
        """The operation to start on ``view.machine``, one of ``view.candidates``.

        None leaves the machine idle until something else happens in the shop.
        """


class ShopView:
    """The state of a shop as a policy may know it, at one decision. Everything is read-only.

    Operations and machines are integers; `arrays` holds names and all that never changes. Arrays
    are indexed by operation: write a rule as one expression over them and it works for a single
    operation and for many alike. Durations are the nominal ones; real ones show when work is done.

    - `now`: the time in ticks; `machine`: the free machine
    - `candidates`: operations that can start on it now, in ascending order
    - `duration`: nominal duration on this machine
    - `remaining_work`, `remaining_ops`: from the operation to the end of its job, included
    - `release`, `due`, `weight`: of the operation's job
    - `ready`: when the operation became ready, -1 before
    - `started`, `finished`: when it did, -1 before
    - `assigned`: the machine that does or did it, -1 before
    - `arrived`: per job, whether it has been released
    - `up`: per machine, whether it is open and not broken
    """

    __slots__ = (
        "arrays",
        "arrived",
        "assigned",
        "candidates",
        "due",
        "duration",
        "finished",
        "machine",
        "now",
        "ready",
        "release",
        "remaining_ops",
        "remaining_work",
        "started",
        "up",
        "weight",
    )

    def __init__(self, arrays: ShopArrays, ready: Ints, started: Ints, finished: Ints) -> None:
        """Static columns from `arrays`; the simulator hands in its own as read-only windows."""
        self.arrays = arrays
        self.now = 0
        self.machine = 0
        self.candidates: tuple[int, ...] = ()
        self.duration = arrays.shortest
        self.remaining_work = arrays.remaining_work
        self.remaining_ops = arrays.remaining_ops
        self.release = arrays.release
        self.due = arrays.due
        self.weight = arrays.weight
        self.ready = window(ready)
        self.started = window(started)
        self.finished = window(finished)
        self.assigned = window(np.full(len(started), -1))
        self.arrived: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.zeros(0, bool)
        self.up: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.ones(0, bool)


def window(values: Ints) -> Ints:
    """The same memory, but read-only."""
    view = values[:]
    view.flags.writeable = False
    return view
