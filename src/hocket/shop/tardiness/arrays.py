"""The arrays that every function here takes, and the checks that they all make."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hocket.core.errors import InputError

Ints = npt.NDArray[np.int64]
"""A one-dimensional int64 array."""

Numbers = npt.NDArray[Any]
"""A one-dimensional array of int64 or float64 (weights may be fractional)."""


def jobs(p: npt.ArrayLike, d: npt.ArrayLike) -> tuple[Ints, Ints]:
    """Processing times and due dates as int64 arrays of one shape ``(n,)``.

    Raises InputError for lengths that differ, numbers that are not whole, or a negative duration.
    """
    processing, due = _whole("p", p), _whole("d", d)
    if processing.shape != due.shape:
        raise InputError("jobs", [f"p has shape {processing.shape} but d has shape {due.shape}"])
    if processing.size and int(processing.min()) < 0:
        where = int(np.argmin(processing))
        raise InputError("jobs", [f"p[{where}] is {processing[where]}; durations are >= 0"])
    return processing, due


def weights(w: npt.ArrayLike | None, n: int) -> Numbers:
    """Weights of `n` jobs: ones when `w` is None; integers stay int64, the rest become float64."""
    if w is None:
        return np.ones(n, dtype=np.int64)
    values = np.asarray(w)
    if values.shape != (n,):
        raise InputError("jobs", [f"w has shape {values.shape}; there are {n} jobs"])
    values = values.astype(np.int64 if values.dtype.kind in "iub" else np.float64)
    if n and not float(values.min()) >= 0:
        raise InputError("jobs", ["weights are numbers >= 0"])
    return values


def permutation(sequence: npt.ArrayLike, n: int) -> Ints:
    """`sequence` as an int64 array, or InputError if it is no permutation of ``0..n-1``."""
    order = _whole("sequence", sequence)
    if order.shape != (n,) or not np.array_equal(np.sort(order), np.arange(n)):
        raise InputError("sequence", [f"this is no permutation of the {n} jobs"])
    return order


def _whole(name: str, values: npt.ArrayLike) -> Ints:
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError("jobs", [f"{name} is a one-dimensional array of integers"])
    return array.astype(np.int64)
