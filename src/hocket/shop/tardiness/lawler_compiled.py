"""Lawler's decomposition with a memory, compiled by Numba: `lawler` step by step, in flat arrays.

Same nodes, same values, same ties as the reference engine; some fifty times its speed. Everything
the recursion needs lies in arrays that outlive a call, so the compiled loop can pause after any
number of nodes for the clock, or for a larger table, and go on where it was.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hocket.shop.search.compiled import jit
from hocket.shop.tardiness.arrays import Ints
from hocket.shop.tardiness.lawler import EddJobs, Limits

Array = npt.NDArray[Any]
Arrays = tuple[Array, Array, Array]

DONE, PAUSED, GROW = 0, 1, 2
"""Why the loop returned: finished, out of its budget of nodes, table too full."""

DEPTH, RETURNING, VALUE, NODES, COUNT, FULL, CLOSING = range(7)
"""Registers. FULL: the table may not grow, new results overwrite; CLOSING: bounds, no new nodes."""

KEY, SIZE, START, K, CUTS, TRYING, BEFORE, BEST, BEST_CUT = range(9)
"""Fields of a frame of the stack."""

UNKNOWN = -1
EMPTY = -1
BYTES_PER_SLOT = 8 + 8 + 4
NODES_BETWEEN_CLOCKS = 20_000
FIRST_SLOTS = 1 << 12


@jit
def _home(keys: Array, key: int) -> Any:
    """The slot where the search for `key` begins: Fibonacci hashing (Knuth volume 3, 6.4)."""
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64((mixed >> np.uint64(20)) & np.uint64(len(keys) - 1))


@jit
def _slot(keys: Array, key: int) -> Any:
    """Where `key` is in the table, or the empty slot where it would go (linear probing)."""
    slot = _home(keys, key)
    while keys[slot] != EMPTY and keys[slot] != key:
        slot = (slot + 1) & (len(keys) - 1)
    return slot


@jit
def _rehash(keys: Array, values: Array, cuts: Array, factor: int) -> Arrays:
    size = len(keys) * factor
    new_keys = np.full(size, EMPTY, np.int64)
    new_values = np.empty(size, np.int64)
    new_cuts = np.empty(size, np.int32)
    for old in range(len(keys)):
        if keys[old] != EMPTY:
            slot = _slot(new_keys, keys[old])
            new_keys[slot] = keys[old]
            new_values[slot] = values[old]
            new_cuts[slot] = cuts[old]
    return new_keys, new_values, new_cuts


@jit
def _easy(p: Array, d: Array, rank: Array, members: Array, start: int) -> int:
    """As `lawler.easy`, the value alone; UNKNOWN if no shortcut applies."""
    end, late, total, all_late = start, 0, 0, True
    for j in members:
        end += p[j]
        if end > d[j]:
            late += 1
            total += end - d[j]
        if start + p[j] < d[j]:
            all_late = False
    if late <= 1:
        return total
    if not all_late:
        return UNKNOWN
    end, total = start, 0
    for i in np.argsort(rank[members]):
        end += p[members[i]]
        total += end - d[members[i]]
    return total


@jit
def _bound(p: Array, d: Array, rank: Array, members: Array, start: int) -> int:
    """As `lawler.pairing_bound`."""
    end, total = start, 0
    by_length = np.argsort(rank[members])
    for i in range(len(members)):
        end += p[members[by_length[i]]]
        total += max(0, end - d[members[i]])
    return total


@jit
def _open(p: Array, d: Array, frame: Array, members: Array, cuts: Array, ends: Array) -> None:
    """Make the frame a node: find the positions that need a look, as `lawler.positions`."""
    k = frame[K]
    end = frame[START]
    for i in range(k + 1):
        end += p[members[i]]
    latest, found = end, 0
    last = frame[SIZE] - 1
    for q in range(k, last + 1):
        j = members[q]
        if q > k:
            end += p[j]
            latest = max(latest, d[j] + p[j])
        if latest <= end and (q == last or end < d[members[q + 1]]):
            cuts[found] = q
            ends[found] = end
            found += 1
    frame[CUTS] = found
    frame[TRYING] = 0
    frame[BEFORE] = UNKNOWN
    frame[BEST] = UNKNOWN
    frame[BEST_CUT] = -1


@jit
def _enter(jobs: Arrays, table: Arrays, frame: Array, members: Array, reg: Array) -> int:
    """The value of the frame's subproblem if known, easy or to be bounded; else UNKNOWN."""
    p, d, rank = jobs
    keys, values, _ = table
    if frame[SIZE] == 0:
        return 0
    k = 0
    for i in range(1, len(members)):
        if rank[members[i]] > rank[members[k]]:
            k = i
    n = len(p)
    frame[K] = k
    frame[KEY] = ((frame[START] * n + members[0]) * n + members[-1]) * n + rank[members[k]]
    slot = _slot(keys, frame[KEY])
    if keys[slot] != EMPTY:
        known: int = values[slot]
        return known
    value: int = _easy(p, d, rank, members, frame[START])
    if value == UNKNOWN and reg[CLOSING]:
        value = _bound(p, d, rank, members, frame[START])
    return value


@jit
def _keep(table: Arrays, frame: Array, reg: Array) -> None:
    """Remember the frame's result; in a full table, in place of whatever is at its home slot."""
    keys, values, cuts = table
    slot = _slot(keys, frame[KEY])
    if keys[slot] == EMPTY:
        if reg[FULL] and reg[COUNT] * 10 >= len(keys) * 7:
            slot = _home(keys, frame[KEY])
            if keys[slot] == EMPTY:
                reg[COUNT] += 1
        else:
            reg[COUNT] += 1
    keys[slot] = frame[KEY]
    values[slot] = frame[BEST]
    cuts[slot] = frame[BEST_CUT]


@jit
def _part_before(frames: Array, members: Array, depth: int, q: int) -> None:
    """Lay out the next level: the jobs up to position q without the longest."""
    k = frames[depth, K]
    members[depth + 1, :k] = members[depth, :k]
    members[depth + 1, k:q] = members[depth, k + 1 : q + 1]
    frames[depth + 1, SIZE] = q
    frames[depth + 1, START] = frames[depth, START]


@jit
def _part_after(frames: Array, members: Array, depth: int, q: int, end: int) -> None:
    """Lay out the next level: the jobs after position q, which start at `end`."""
    size = frames[depth, SIZE] - q - 1
    members[depth + 1, :size] = members[depth, q + 1 : q + 1 + size]
    frames[depth + 1, SIZE] = size
    frames[depth + 1, START] = end


@jit
def _run(
    jobs: Arrays,
    table: Arrays,
    frames: Array,
    members: Array,
    cuts: Array,
    ends: Array,
    reg: Array,
    budget: int,
) -> int:
    """The loop of `lawler.Lawler.solve`; row `depth` of each array belongs to one subproblem."""
    p, d, _ = jobs
    while True:
        depth = reg[DEPTH]
        frame = frames[depth]
        if not reg[RETURNING]:
            if not reg[FULL] and reg[COUNT] * 10 >= len(table[0]) * 7:
                return GROW
            mine = members[depth, : frame[SIZE]]
            value = _enter(jobs, table, frame, mine, reg)
            if value == UNKNOWN:
                if reg[NODES] >= budget:
                    return PAUSED
                reg[NODES] += 1
                _open(p, d, frame, mine, cuts[depth], ends[depth])
            else:
                if depth == 0:
                    reg[VALUE] = value
                    return DONE
                reg[DEPTH] -= 1
                reg[VALUE] = value
                reg[RETURNING] = 1
                continue
        else:
            trying = frame[TRYING]
            if frame[BEFORE] == UNKNOWN:
                job = members[depth, frame[K]]
                frame[BEFORE] = reg[VALUE] + max(0, ends[depth, trying] - d[job])
                if frame[BEST] == UNKNOWN or frame[BEFORE] < frame[BEST]:
                    _part_after(frames, members, depth, cuts[depth, trying], ends[depth, trying])
                    reg[DEPTH] += 1
                    reg[RETURNING] = 0
                    continue
            elif frame[BEST] == UNKNOWN or frame[BEFORE] + reg[VALUE] < frame[BEST]:
                frame[BEST] = frame[BEFORE] + reg[VALUE]
                frame[BEST_CUT] = cuts[depth, trying]
            frame[TRYING] += 1
            frame[BEFORE] = UNKNOWN
        if frame[TRYING] == frame[CUTS]:
            _keep(table, frame, reg)
            reg[VALUE] = frame[BEST]
            reg[RETURNING] = 1
            if depth == 0:
                return DONE
            reg[DEPTH] -= 1
            continue
        _part_before(frames, members, depth, cuts[depth, frame[TRYING]])
        reg[DEPTH] += 1
        reg[RETURNING] = 0


class CompiledLawler:
    """An `Engine`; `memory` is in bytes and bounds the table, also while it is enlarged."""

    def __init__(self, jobs: EddJobs, limits: Limits, memory: int) -> None:
        n = len(jobs.p)
        self.limits = limits
        self._jobs: tuple[Ints, Ints, Ints] = (
            np.array(jobs.p, dtype=np.int64),
            np.array(jobs.d, dtype=np.int64),
            np.array(jobs.rank, dtype=np.int64),
        )
        self._table = (
            np.full(FIRST_SLOTS, EMPTY, np.int64),
            np.empty(FIRST_SLOTS, np.int64),
            np.empty(FIRST_SLOTS, np.int32),
        )
        self._most_slots = memory // BYTES_PER_SLOT
        self._frames = np.zeros((n + 2, 9), np.int64)
        self._members = np.zeros((n + 2, n), np.int32)
        self._cuts = np.zeros((n + 2, n), np.int32)
        self._ends = np.zeros((n + 2, n), np.int64)
        self._reg = np.zeros(7, np.int64)

    @property
    def nodes(self) -> int:
        """Subproblems opened so far."""
        return int(self._reg[NODES])

    def cut(self, members: list[int], start: int) -> int | None:
        """See Engine.cut."""
        n = len(self._jobs[0])
        rank = int(self._jobs[2][members].max())
        key = ((start * n + members[0]) * n + members[-1]) * n + rank
        slot = _slot(self._table[0], key)
        return None if self._table[0][slot] == EMPTY else int(self._table[2][slot])

    def solve(self, members: list[int], start: int) -> tuple[int, bool]:
        """See Engine.solve."""
        reg = self._reg
        reg[DEPTH] = reg[RETURNING] = 0
        self._members[0, : len(members)] = members
        self._frames[0, SIZE], self._frames[0, START] = len(members), start
        status = PAUSED
        while status != DONE:
            if status == GROW:
                self._grow()
            elif not reg[CLOSING]:
                reg[CLOSING] = self.limits.reached(self.nodes)
            status = self._step()
        return int(reg[VALUE]), not reg[CLOSING]

    def _step(self) -> int:
        budget = self.nodes + NODES_BETWEEN_CLOCKS
        if self.limits.nodes is not None:
            budget = min(budget, self.limits.nodes)
        if self._reg[CLOSING]:
            budget = np.iinfo(np.int64).max
        arrays = self._frames, self._members, self._cuts, self._ends
        return int(_run(self._jobs, self._table, *arrays, self._reg, budget))

    def _grow(self) -> None:
        """A larger table if old and new fit the memory together; else this size is the last."""
        slots = len(self._table[0])
        for factor in (4, 2):
            if slots * (factor + 1) <= self._most_slots:
                self._table = _rehash(*self._table, factor)
                return
        self._reg[FULL] = 1
