"""What every swap and every insertion would change: the neighbourhoods of the local searches.

A move on positions ``i < j`` touches the completion times of positions ``i..j`` alone, so moves on
disjoint intervals add up: descent picks one, dynasearch picks the best set of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hocket.shop.tardiness.arrays import Ints, Numbers

SWAP, LATER, EARLIER = 0, 1, 2
"""The moves: exchange i and j; reinsert i directly after j; reinsert j directly before i."""

Matrix = npt.NDArray[Any]


@dataclass(frozen=True, eq=False, slots=True)
class Line:
    """The jobs in the order of a sequence: durations, due dates and weights by position."""

    p: Ints
    d: Ints
    w: Numbers

    @property
    def lateness(self) -> Ints:
        """``C - d`` by position."""
        late: Ints = np.cumsum(self.p) - self.d
        return late

    @property
    def value(self) -> int | float:
        """Total weighted tardiness."""
        value: int | float = (self.w * np.maximum(self.lateness, 0)).sum().item()
        return value

    def reordered(self, order: Ints) -> Line:
        """The line whose position k holds what `order[k]` holds here."""
        return Line(self.p[order], self.d[order], self.w[order])


def best_moves(line: Line, insertions: bool = True) -> tuple[Matrix, npt.NDArray[np.int8]]:
    """For positions ``i < j``: the change in value of the best move on them, and which move it is.

    Two ``(n, n)`` matrices; entries with ``i >= j`` are 0. Ties go to the lower move number.
    """
    deltas = swap_deltas(line)
    kinds = np.zeros(deltas.shape, dtype=np.int8)
    if insertions:
        for kind, other in ((LATER, later_deltas(line)), (EARLIER, earlier_deltas(line))):
            better = other < deltas
            deltas[better] = other[better]
            kinds[better] = kind
    return deltas, kinds


def swap_deltas(line: Line) -> Matrix:
    """Change in value when positions ``i < j`` change places. O(n^3), n array operations."""
    p, d, w = line.p, line.d, line.w
    ends, late = np.cumsum(p), line.lateness
    shift = p[None, :] - p[:, None]
    between = np.zeros(shift.shape, dtype=w.dtype)
    for k in range(1, len(p) - 1):
        # Everything between i and j moves by p_j - p_i: add position k to all pairs around it.
        block = np.maximum(shift[:k, k + 1 :] + late[k], 0)
        between[:k, k + 1 :] += block if w[k] == 1 else w[k] * block
    # costs[j] - costs[i] is the old cost of positions i+1..j
    costs = np.cumsum(w * np.maximum(late, 0))
    first = costs - w * np.maximum(late, 0)
    forward = w * np.maximum((ends - p)[:, None] + (p - d)[None, :], 0)
    backward = w[:, None] * np.maximum(ends[None, :] - d[:, None], 0)
    return np.triu(between + forward + backward - (costs[None, :] - first[:, None]), 1)


def later_deltas(line: Line) -> Matrix:
    """Change in value when the job at i is put directly after position ``j > i``. O(n^2)."""
    p, d, w = line.p, line.d, line.w
    late, ends = line.lateness, np.cumsum(p)
    old = w * np.maximum(late, 0)
    change = w * np.maximum(late[None, :] - p[:, None], 0) - old
    passed = np.cumsum(np.triu(change, 1), axis=1)
    own = w[:, None] * np.maximum(ends[None, :] - d[:, None], 0) - old[:, None]
    return np.triu(passed + own, 1)


def earlier_deltas(line: Line) -> Matrix:
    """Change in value when the job at j is put directly before position ``i < j``. O(n^2)."""
    p, d, w = line.p, line.d, line.w
    late, starts = line.lateness, np.cumsum(p) - p
    old = w * np.maximum(late, 0)
    # change[i, j]: what position i pays more when the job at j comes in before it
    change = np.triu(w[:, None] * np.maximum(late[:, None] + p[None, :], 0) - old[:, None], 1)
    passed = np.cumsum(change[::-1], axis=0)[::-1]
    own = w * np.maximum(starts[:, None] + (p - d)[None, :], 0) - old
    return np.triu(passed + own, 1)


def apply(order: Ints, kind: int, i: int, j: int) -> None:
    """Carry out the move `kind` on positions ``i < j`` of `order`, in place."""
    if kind == SWAP:
        order[i], order[j] = order[j], order[i]
    else:
        order[i : j + 1] = np.roll(order[i : j + 1], -1 if kind == LATER else 1)
