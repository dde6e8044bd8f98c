"""Dynasearch: the best set of independent moves at once, by dynamic programming; iterated.

Source: Congram, Potts and van de Velde 2002, INFORMS Journal on Computing 14 (swaps); with
insertions as in Grosso, Della Croce and Tadei 2004, Operations Research Letters 32.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hocket.core.errors import UserError
from hocket.shop.tardiness.arrays import Ints, jobs, permutation, weights
from hocket.shop.tardiness.moves import Line, apply, best_moves

Callback = Callable[[int, int | float, Ints], None]
"""Called as ``callback(iteration, value, sequence)`` whenever the best sequence improves."""


@dataclass(frozen=True, eq=False, slots=True)
class SearchResult:
    """The best sequence found, its total weighted tardiness, and how many kicks were made."""

    sequence: Ints
    value: int | float
    iterations: int


def dynasearch(
    p: npt.ArrayLike,
    d: npt.ArrayLike,
    w: npt.ArrayLike | None = None,
    *,
    start: npt.ArrayLike,
    rng: np.random.Generator,
    iterations: int = 100,
    time_limit: float | None = None,
    kick: int = 6,
    backtrack: int = 100,
    insertions: bool = True,
    target: float = 0,
    callback: Callback | None = None,
) -> SearchResult:
    """Iterated dynasearch from `start`.

    Each iteration makes `kick` random exchanges in the current local optimum and descends again;
    after `backtrack` of them the search returns to the best sequence known. It ends after
    `iterations`, after `time_limit` seconds (results then depend on the machine's speed), or as
    soon as the value is at most `target`, for instance a proven bound.
    """
    if iterations < 0 or kick < 1 or backtrack < 1:
        raise UserError("dynasearch: iterations are >= 0, kick and backtrack are >= 1")
    processing, due = jobs(p, d)
    whole = Line(processing, due, weights(w, len(processing)))
    deadline = None if time_limit is None else time.monotonic() + time_limit
    current = permutation(start, len(processing))
    current, value = _local_optimum(whole, current, insertions, deadline)
    best, best_value = current, value
    if callback:
        callback(0, best_value, best)
    done = 0
    while done < iterations and best_value > target and len(current) > 1:
        if deadline is not None and time.monotonic() >= deadline:
            break
        if done % backtrack == 0:
            current = best
        done += 1
        kicked = _kicked(current, kick, rng)
        current, value = _local_optimum(whole, kicked, insertions, deadline)
        if value < best_value:
            best, best_value = current, value
            if callback:
                callback(done, best_value, best)
    return SearchResult(best, best_value, done)


def _local_optimum(
    whole: Line, order: Ints, insertions: bool, deadline: float | None
) -> tuple[Ints, int | float]:
    """Dynasearch steps from `order` until none improves, or until `deadline`."""
    line = whole.reordered(order)
    value = line.value
    while value > 0 and (deadline is None or time.monotonic() < deadline):
        improved = order[dynasearch_step(line, insertions)]
        line = whole.reordered(improved)
        if not line.value < value:
            break
        order, value = improved, line.value
    return order, value


def dynasearch_step(line: Line, insertions: bool = True) -> Ints:
    """The positions of `line` after the best set of moves on disjoint intervals.

    With F(j) the best total change within the first j positions:
    ``F(j) = min(F(j-1), min over i < j of F(i-1) + delta(i, j))``. O(n^2) beyond the deltas.
    """
    deltas, kinds = best_moves(line, insertions)
    n = len(line.p)
    into = np.ascontiguousarray(deltas.T)  # into[j, i]: the move on positions i..j
    best = np.zeros(n + 1, dtype=deltas.dtype)
    chosen = np.full(n + 1, -1)
    for j in range(1, n):
        ways = best[:j] + into[j, :j]
        i = int(ways.argmin())
        best[j + 1] = best[j]
        if ways[i] < best[j]:
            best[j + 1], chosen[j + 1] = ways[i], i
    order = np.arange(n)
    end = n
    while end > 0:
        i = int(chosen[end])
        if i < 0:
            end -= 1
        else:
            apply(order, int(kinds[i, end - 1]), i, end - 1)
            end = i
    return order


def _kicked(order: Ints, kick: int, rng: np.random.Generator) -> Ints:
    """A copy of `order` after `kick` random exchanges of two positions."""
    kicked = order.copy()
    for _ in range(kick):
        i, j = rng.choice(len(order), size=2, replace=False)
        kicked[i], kicked[j] = kicked[j], kicked[i]
    return kicked
