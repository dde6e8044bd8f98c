"""EDDC and MDDC: two rules that a language model found.

Source: Cetinkaya, Buyuktahtakin, Shojaee and Reddy 2025, arXiv 2510.24013 (sections 4 and 5). The
rules came out of an evolutionary search over Python functions (the FunSearch scheme) that started
from EDD and from MDD.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from hocket.core.errors import UserError
from hocket.shop.tardiness.arrays import Ints, jobs
from hocket.shop.tardiness.rules import edd, spt

Floats = npt.NDArray[np.float64]


def eddc(p: npt.ArrayLike, d: npt.ArrayLike, version: Literal["code", "paper"] = "code") -> Ints:
    """EDD "corrected": an insertion pass over the SPT order. O(n^2).

    ``"code"`` is what the authors released, and what their tables come from: jobs in SPT order
    (ties EDD); each in turn moves forward past a predecessor that is due later, but only where that
    predecessor ends in time if it stays. ``"paper"`` is Algorithm 1 read literally: it sorts by due
    date first, so no job is ever due earlier than its predecessor and the result is EDD.
    """
    processing, due = jobs(p, d)
    if version == "paper":
        return edd(processing, due)
    if version != "code":
        raise UserError(f"eddc has versions 'code' and 'paper', not {version!r}")
    length, due_date = processing.tolist(), due.tolist()
    order: list[int] = spt(processing, due).tolist()
    ends = np.cumsum(processing[order]).tolist()  # ends[k]: completion of position k
    for inserted in range(1, len(order)):
        j = inserted
        while j > 0 and due_date[order[j]] < due_date[order[j - 1]]:
            # The scan goes on towards the front even where nothing was exchanged.
            if due_date[order[j - 1]] > ends[j - 1]:
                order[j - 1], order[j] = order[j], order[j - 1]
                ends[j - 1] = (ends[j - 2] if j > 1 else 0) + length[order[j - 1]]
            j -= 1
    return np.array(order, dtype=np.int64)


def mddc(p: npt.ArrayLike, d: npt.ArrayLike) -> Ints:
    """MDD "corrected": MDD with a longer look at the job and two small penalties on long jobs.

    At time t, over the waiting jobs, the least
    ``max(1.1 p + t, d) * (1 + theta) + p / (t + mean p)`` with ``theta = r^2 / (1 + r^2)`` and
    ``r = min(p / (t + max p), 1)``. Ties go to the earlier due date, then the shorter job (the
    authors' code; the paper says SPT). O(n^2), a dozen array operations per job.
    """
    processing, due = jobs(p, d)
    ids = edd(processing, due)
    # One array, compacted in place as jobs leave, so that a step allocates nothing.
    waiting = np.stack([processing[ids], 1.1 * processing[ids], due[ids]])
    mu, penalty = np.empty(len(ids)), np.empty(len(ids))
    now, work = 0, int(processing.sum())
    sequence = np.empty_like(ids)
    for position in range(len(ids)):
        left = len(ids) - position
        chosen = _mddc_choice(waiting[:, :left], now, work / left, mu[:left], penalty[:left])
        job = int(ids[chosen])
        sequence[position] = job
        now += int(processing[job])
        work -= int(processing[job])
        waiting[:, chosen : left - 1] = waiting[:, chosen + 1 : left]
        ids[chosen : left - 1] = ids[chosen + 1 : left]
    return sequence


def _mddc_choice(waiting: Floats, now: int, mean: float, mu: Floats, penalty: Floats) -> int:
    """Position of the least index among `waiting` (rows p, 1.1 p, d); the rest is work space."""
    length, stretched, due = waiting
    np.add(stretched, now, out=mu)
    np.maximum(mu, due, out=mu)
    # theta with r = p / (t + max p), which never exceeds 1; if all is zero, r is taken as 0.
    np.divide(length, (now + length.max()) or 1.0, out=penalty)
    np.multiply(penalty, penalty, out=penalty)
    np.divide(penalty, penalty + 1.0, out=penalty)
    np.add(penalty, 1.0, out=penalty)
    np.multiply(mu, penalty, out=mu)
    np.divide(length, (now + mean) or 1.0, out=penalty)
    np.add(mu, penalty, out=mu)
    return int(mu.argmin())
