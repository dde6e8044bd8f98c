"""The classic job shop as plain arrays, and what can be said about one schedule of it.

Three representations of a schedule are used in this package:

- ``start``: ``int64[N]``, the start time of every operation in ticks (the one users see);
- ``order``: ``int64[N]``, all operations in one line, every operation after its job predecessor.
  Scheduling them one by one, each as early as its job and its machine allow, gives a schedule;
  every line is feasible, which is why the searches work on lines;
- ``sequences``: for every machine the line of its operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.core.errors import InputError

Ints = NDArray[np.int64]

LARGEST = 1 << 60  # ticks; sums of two such values still fit into 64 bits


@dataclass(frozen=True, eq=False)
class Shop:
    """A job shop: every job is a fixed line of operations, every operation needs one machine.

    `job_start` is ``int32[J+1]``: job j consists of the operations ``job_start[j]`` to
    ``job_start[j+1]-1`` in technological order. `machine` is ``int32[N]``, `duration` ``int64[N]``
    in ticks (zero allowed). `release` is ``int64[J]``, the earliest start of each job; None means
    zero. Jobs may differ in length, be empty, and visit a machine more than once.

    Raises InputError.
    """

    job_start: NDArray[np.int32]
    machine: NDArray[np.int32]
    duration: Ints
    machines: int
    release: Ints | None = None

    def __post_init__(self) -> None:
        _keep(self, "job_start", np.int32)
        _keep(self, "machine", np.int32)
        _keep(self, "duration", np.int64)
        if self.release is None:
            object.__setattr__(self, "release", np.zeros(max(len(self.job_start) - 1, 0), np.int64))
        _keep(self, "release", np.int64)
        problems = _problems(self)
        if problems:
            raise InputError("shop", problems)

    @classmethod
    def of(
        cls,
        jobs: Iterable[Iterable[tuple[int, int]]],
        machines: int | None = None,
        release: Sequence[int] | None = None,
    ) -> Shop:
        """The shop whose jobs are lists of ``(machine, duration)``; `machines`: all used."""
        lines = [list(job) for job in jobs]
        flat = [step for job in lines for step in job]
        used = max((m for m, _ in flat), default=-1) + 1
        return cls(
            job_start=np.cumsum([0, *map(len, lines)]),
            machine=np.array([m for m, _ in flat], np.int32),
            duration=np.array([d for _, d in flat], np.int64),
            machines=used if machines is None else machines,
            release=None if release is None else np.array(release, np.int64),
        )

    @property
    def jobs(self) -> int:
        """How many jobs there are, J."""
        return len(self.job_start) - 1

    @property
    def operations(self) -> int:
        """How many operations there are, N."""
        return len(self.machine)

    @property
    def job(self) -> NDArray[np.int32]:
        """The job of every operation, ``int32[N]``."""
        return np.repeat(np.arange(self.jobs, dtype=np.int32), np.diff(self.job_start))

    @property
    def releases(self) -> Ints:
        """The earliest start of every job, ``int64[J]``."""
        assert self.release is not None  # set by __post_init__
        return self.release

    @property
    def heads(self) -> Ints:
        """Earliest start of every operation when machines are never busy, ``int64[N]``."""
        before = np.cumsum(self.duration) - self.duration
        return before - self._per_job(before) + self.releases[self.job]

    @property
    def tails(self) -> Ints:
        """Work of the job that must follow every operation, without its own, ``int64[N]``."""
        upto = np.cumsum(self.duration)
        total = np.append(upto, 0)[np.maximum(self.job_start[1:] - 1, 0)]
        return total[self.job] - upto

    def _per_job(self, values: Ints) -> Ints:
        """The value at each job's first operation, repeated for all of its operations."""
        return values[self.job_start[:-1][self.job]]


def semi_active(shop: Shop, order: Sequence[int] | NDArray[Any]) -> Ints:
    """Start times when the operations of `order` are placed one by one, as early as possible."""
    ready = shop.releases.tolist()
    free = [0] * shop.machines
    job, machine, duration = shop.job.tolist(), shop.machine.tolist(), shop.duration.tolist()
    start = [0] * shop.operations
    for x in np.asarray(order).tolist():
        j, m = job[x], machine[x]
        begin = max(ready[j], free[m])
        start[x] = begin
        ready[j] = free[m] = begin + duration[x]
    return np.array(start, np.int64)


def order_of(shop: Shop, start: Ints) -> Ints:
    """A line of operations that keeps every precedence of the feasible schedule `start`.

    Sorted by start, then end, then number: an operation of zero length comes before the one that
    begins when it ends, and behind the one that ends when it begins.
    """
    return np.lexsort((np.arange(shop.operations), start + shop.duration, start)).astype(np.int64)


def sequences_of(shop: Shop, order: Sequence[int] | NDArray[Any]) -> list[Ints]:
    """For every machine its operations in the sequence in which `order` names them."""
    line = np.asarray(order, np.int64)
    return [line[shop.machine[line] == m] for m in range(shop.machines)]


def order_from_sequences(shop: Shop, sequences: Sequence[Sequence[int] | NDArray[Any]]) -> Ints:
    """A line that agrees with given machine sequences.

    Raises InputError if a sequence misses or repeats an operation of its machine, or if the
    sequences block each other in a circle.
    """
    lines = [[int(x) for x in sequence] for sequence in sequences]
    want = [np.flatnonzero(shop.machine == m).tolist() for m in range(shop.machines)]
    if [sorted(line) for line in lines] != want:
        raise InputError(
            "machine sequences", ["they do not list every machine's operations exactly once"]
        )
    after = {x: y for line in lines for x, y in pairwise(line)}
    job, last = shop.job.tolist(), set((shop.job_start[1:] - 1).tolist())
    missing = [0] * shop.operations
    for x in range(shop.operations):
        missing[x] = int(x > 0 and job[x - 1] == job[x])
    for y in after.values():
        missing[y] += 1
    ready = [x for x in range(shop.operations) if not missing[x]]
    for x in ready:  # grows while it is read: a breadth-first topological sort
        for y in ([] if x in last else [x + 1]) + ([after[x]] if x in after else []):
            missing[y] -= 1
            if not missing[y]:
                ready.append(y)
    if len(ready) < shop.operations:
        raise InputError("machine sequences", ["they block each other in a circle"])
    return np.array(ready, np.int64)


def makespan(shop: Shop, start: Ints) -> int:
    """When the last operation ends, in ticks; jobs without operations end at their release."""
    ends = int((start + shop.duration).max()) if shop.operations else 0
    empty = np.diff(shop.job_start) == 0
    return max(ends, int(shop.releases[empty].max()) if empty.any() else 0)


def critical_path(shop: Shop, start: Ints) -> Ints:
    """One longest chain of operations of a semi-active schedule, from its begin to the makespan.

    Consecutive operations follow each other without a gap on one machine or in one job.
    """
    order = order_of(shop, start)
    end = start + shop.duration
    job = shop.job
    behind = np.full(shop.operations, -1, np.int64)
    for sequence in sequences_of(shop, order):
        behind[sequence[1:]] = sequence[:-1]
    path: list[int] = []
    x = int(order[np.argmax(end[order])]) if shop.operations else -1
    while x >= 0:
        path.append(x)
        before = [int(behind[x])] + ([x - 1] if x > 0 and job[x - 1] == job[x] else [])
        x = next((y for y in before if y >= 0 and end[y] == start[x]), -1)
    return np.array(path[::-1], np.int64)


def violations(shop: Shop, start: Ints) -> list[str]:
    """Why `start` is not a schedule of the shop, one sentence each; empty if it is one."""
    if np.shape(start) != (shop.operations,):
        return [f"it has the shape {np.shape(start)}, not ({shop.operations},)"]
    job, end = shop.job, start + shop.duration
    found = [
        f"operation {x} starts at {start[x]}, before its job's release {shop.releases[job[x]]}"
        for x in np.flatnonzero(start < shop.releases[job])
    ]
    found += [
        f"operation {x + 1} starts at {start[x + 1]}, before its job predecessor ends at {end[x]}"
        for x in np.flatnonzero((job[1:] == job[:-1]) & (start[1:] < end[:-1]))
    ]
    for m, line in enumerate(sequences_of(shop, order_of(shop, start))):
        found += [
            f"operations {line[i]} and {line[i + 1]} overlap on machine {m}"
            for i in np.flatnonzero(start[line[1:]] < end[line[:-1]])
        ]
    return found


def _keep(shop: Shop, name: str, dtype: type[np.generic]) -> None:
    """Store a private read-only copy of one array, so that a shop never changes."""
    array = np.array(getattr(shop, name), dtype=dtype)
    array.setflags(write=False)
    object.__setattr__(shop, name, array)


def _problems(shop: Shop) -> list[str]:
    """Everything that makes the arrays no shop."""
    if any(a.ndim != 1 for a in (shop.job_start, shop.machine, shop.duration, shop.releases)):
        return ["every array must have one dimension"]
    n, first = len(shop.machine), shop.job_start
    found = []
    if len(first) < 1 or first[0] != 0 or first[-1] != n or (np.diff(first) < 0).any():
        found.append(f"job_start must rise from 0 to {n}, the number of operations")
    if len(shop.duration) != n:
        found.append(f"{len(shop.duration)} durations for {n} operations")
    if len(shop.releases) != len(first) - 1:
        found.append(f"{len(shop.releases)} releases for {len(first) - 1} jobs")
    found += [
        f"operation {x} needs machine {shop.machine[x]}, but there are {shop.machines}"
        for x in np.flatnonzero((shop.machine < 0) | (shop.machine >= shop.machines))
    ]
    for name, values in (("duration", shop.duration), ("release", shop.releases)):
        found += [f"{name}[{i}] is negative: {values[i]}" for i in np.flatnonzero(values < 0)]
    if not found and sum(shop.duration.tolist()) + int(shop.releases.max(initial=0)) > LARGEST:
        found.append(f"the horizon exceeds {LARGEST} ticks; choose a coarser time unit")
    return found
