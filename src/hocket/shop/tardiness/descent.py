"""Descent: from a sequence, one improving swap or insertion after another, to a local optimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hocket.core.errors import UserError
from hocket.shop.tardiness.arrays import Ints, jobs, permutation, weights
from hocket.shop.tardiness.moves import Line, Matrix, apply, best_moves


@dataclass(frozen=True, eq=False, slots=True)
class LocalOptimum:
    """A sequence, its total weighted tardiness, and how many steps led to it."""

    sequence: Ints
    value: int | float
    steps: int


def descent(
    p: npt.ArrayLike,
    d: npt.ArrayLike,
    w: npt.ArrayLike | None = None,
    *,
    start: npt.ArrayLike,
    accept: Literal["best", "first"] = "best",
    insertions: bool = True,
    max_steps: int | None = None,
) -> LocalOptimum:
    """Improve `start` until no swap (and, with `insertions`, no reinsertion) helps.

    ``accept="best"`` makes the best move of all; ``"first"`` the first improving one by position
    (i, then j). Every step costs O(n^3) array work for swaps, O(n^2) for insertions.
    """
    if accept not in ("best", "first"):
        raise UserError(f"descent accepts the 'best' or the 'first' move, not {accept!r}")
    processing, due = jobs(p, d)
    order = permutation(start, len(processing)).copy()
    whole = Line(processing, due, weights(w, len(processing)))
    line = whole.reordered(order)
    steps = 0
    while len(order) and (max_steps is None or steps < max_steps):
        deltas, kinds = best_moves(line, insertions)
        i, j = _chosen(deltas, accept)
        if not deltas[i, j] < -_noise(deltas, line.value):
            break
        apply(order, int(kinds[i, j]), i, j)
        line = whole.reordered(order)
        steps += 1
    return LocalOptimum(order, line.value, steps)


def _noise(deltas: Matrix, value: int | float) -> float:
    """What rounding may feign: nothing with integer weights."""
    return 1e-9 * max(1.0, float(value)) if deltas.dtype.kind == "f" else 0.0


def _chosen(deltas: Matrix, accept: str) -> tuple[int, int]:
    flat = int(np.argmin(deltas) if accept == "best" else np.argmax(deltas < 0))
    return flat // len(deltas), flat % len(deltas)
