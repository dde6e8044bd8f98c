"""What a sequence is worth: total (weighted) tardiness, maximum lateness, number of late jobs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hocket.shop.tardiness.arrays import Ints, jobs, permutation, weights


def completion_times(sequence: npt.ArrayLike, p: npt.ArrayLike) -> Ints:
    """Completion time of every job, indexed by job (not by position), when none waits."""
    processing, _ = jobs(p, p)
    order = permutation(sequence, len(processing))
    completion = np.empty_like(processing)
    completion[order] = np.cumsum(processing[order])
    return completion


def lateness(sequence: npt.ArrayLike, p: npt.ArrayLike, d: npt.ArrayLike) -> Ints:
    """``C - d`` of every job, indexed by job; negative when it is early."""
    processing, due = jobs(p, d)
    return completion_times(sequence, processing) - due


def total_tardiness(sequence: npt.ArrayLike, p: npt.ArrayLike, d: npt.ArrayLike) -> int:
    """Sum over jobs of ``max(0, C - d)``."""
    return int(np.maximum(lateness(sequence, p, d), 0).sum())


def weighted_tardiness(
    sequence: npt.ArrayLike, p: npt.ArrayLike, d: npt.ArrayLike, w: npt.ArrayLike
) -> int | float:
    """Sum over jobs of ``w * max(0, C - d)``: an int when the weights are integers."""
    late = np.maximum(lateness(sequence, p, d), 0)
    value: int | float = (weights(w, len(late)) * late).sum().item()
    return value


def max_lateness(sequence: npt.ArrayLike, p: npt.ArrayLike, d: npt.ArrayLike) -> int:
    """The largest ``C - d``, which may be negative; there must be a job."""
    return int(lateness(sequence, p, d).max())


def late_jobs(sequence: npt.ArrayLike, p: npt.ArrayLike, d: npt.ArrayLike) -> int:
    """How many jobs complete after their due date."""
    return int(np.count_nonzero(lateness(sequence, p, d) > 0))
