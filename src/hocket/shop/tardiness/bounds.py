"""Lower bounds on total tardiness, for what the exact methods could not finish."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hocket.shop.tardiness.arrays import jobs


def sorted_bound(p: npt.ArrayLike, d: npt.ArrayLike) -> int:
    """The k-th completion (SPT) against the k-th due date (EDD), summed over k.

    Valid since no sequence completes k jobs earlier than SPT does, and since among all ways to pair
    completions with due dates the sorted one has the least total tardiness. (Chu 1992, Naval
    Research Logistics 39, in the case of equal release dates.)
    """
    processing, due = jobs(p, d)
    return int(np.maximum(np.cumsum(np.sort(processing)) - np.sort(due), 0).sum())


def max_tardiness_bound(p: npt.ArrayLike, d: npt.ArrayLike) -> int:
    """The largest tardiness under EDD: the least possible for one job, hence for their sum."""
    processing, due = jobs(p, d)
    order = np.argsort(due, kind="stable")
    late = np.cumsum(processing[order]) - due[order]
    return max(0, int(late.max())) if late.size else 0


def lower_bound(p: npt.ArrayLike, d: npt.ArrayLike) -> int:
    """The better of the two bounds."""
    return max(sorted_bound(p, d), max_tardiness_bound(p, d))
