"""Augmented rules: a rule's sequence, repaired by backward looks as it is built.

Source of the tactic: Bean and Hall, as applied in Cetinkaya et al. 2025 (arXiv 2510.24013). After
each job is appended, every earlier job is tried at the end of the partial sequence, each trial from
the same partial sequence; the one best strict improvement is kept, and the building goes on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hocket.shop.tardiness.arrays import Ints, jobs, permutation
from hocket.shop.tardiness.discovered import mddc
from hocket.shop.tardiness.rules import mdd


def augmented_mdd(p: npt.ArrayLike, d: npt.ArrayLike) -> Ints:
    """MDD with the tactic; MDD itself is unaffected, as it looks only at time and waiting jobs."""
    return augment(mdd(p, d), p, d)


def augmented_mddc(p: npt.ArrayLike, d: npt.ArrayLike) -> Ints:
    """MDDC with the tactic."""
    return augment(mddc(p, d), p, d)


def augment(base: npt.ArrayLike, p: npt.ArrayLike, d: npt.ArrayLike) -> Ints:
    """The tactic on any sequence `base`. O(n^2), and O(n^2) more for each move that is made."""
    processing, due = jobs(p, d)
    order = permutation(base, len(processing))
    length, due_date = processing[order], due[order]
    ids = order.copy()
    end = 0
    late = np.zeros(len(ids), dtype=np.int64)  # lateness by position
    # saved[i]: what the jobs after position i gain together when job i leaves
    saved = np.zeros(len(ids), dtype=np.int64)
    for m in range(len(ids)):
        end += int(length[m])
        late[m] = end - due_date[m]
        saved[:m] += np.minimum(length[:m], max(0, int(late[m])))
        added = np.maximum(end - due_date[:m], 0) - np.maximum(late[:m], 0)
        benefit = saved[:m] - added
        if m and int(benefit.max()) > 0:
            moved = int(benefit.argmax())
            for column in (ids, length, due_date):
                column[moved : m + 1] = np.roll(column[moved : m + 1], -1)
            late[: m + 1] = np.cumsum(length[: m + 1]) - due_date[: m + 1]
            saved[: m + 1] = _savings(length[: m + 1], late[: m + 1])
    return ids


def _savings(length: Ints, late: Ints) -> Ints:
    """For each position, the sum over later positions l of ``min(p, T_l)``."""
    gains = np.minimum(length[:, None], np.maximum(late, 0)[None, :])
    savings: Ints = np.triu(gains, 1).sum(axis=1)
    return savings
