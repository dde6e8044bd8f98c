"""Exact total (weighted) tardiness by dynamic programming over subsets: the oracle for small n.

Source: Held and Karp 1962 (Journal of SIAM 10); the recursion over the job that comes last.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hocket.core.errors import NotApplicable
from hocket.shop.tardiness.arrays import Ints, Numbers, jobs, weights

LIMIT = 22
"""The most jobs accepted: 2^22 values are 32 MiB."""


def subset_dp(p: npt.ArrayLike, d: npt.ArrayLike, w: npt.ArrayLike | None = None) -> Ints:
    """An optimal sequence. Takes ``n * 2^n`` steps, in array operations layer by layer.

    ``V(J) = min over k in J of V(J - k) + w_k max(0, p(J) - d_k)``: the job k that ends J completes
    when all of J is done, whatever the order before it. Subsets of equal size form a
    layer, so that a layer needs only the one before.
    """
    processing, due = jobs(p, d)
    n = len(processing)
    if n > LIMIT:
        raise NotApplicable(f"subset_dp takes at most {LIMIT} jobs, not {n}: use the decomposition")
    value = _values(processing, due, weights(w, n))
    sequence = np.empty(n, dtype=np.int64)
    subset, weight = (1 << n) - 1, weights(w, n)
    for position in range(n - 1, -1, -1):
        members = np.flatnonzero((subset >> np.arange(n)) & 1)
        end = int(processing[members].sum())
        cost = value[subset ^ (1 << members)] + weight[members] * np.maximum(end - due[members], 0)
        sequence[position] = members[int(np.argmin(cost))]
        subset ^= 1 << int(sequence[position])
    return sequence


def _values(p: Ints, d: Ints, w: Numbers) -> Numbers:
    """V of every subset, the subset being the bits of the index."""
    n = len(p)
    work = np.zeros(1 << n, dtype=np.int64)
    size = np.zeros(1 << n, dtype=np.int8)
    for job in range(n):  # doubling: the upper half is the lower half plus this job
        work[1 << job : 2 << job] = work[: 1 << job] + p[job]
        size[1 << job : 2 << job] = size[: 1 << job] + 1
    by_size = np.argsort(size, kind="stable")
    starts = np.searchsorted(size[by_size], np.arange(n + 2))
    value = np.zeros(1 << n, dtype=w.dtype)
    huge = np.iinfo(np.int64).max if w.dtype.kind == "i" else np.inf
    for layer in range(1, n + 1):
        subsets = by_size[starts[layer] : starts[layer + 1]]
        least = np.full(len(subsets), huge, dtype=w.dtype)
        for job in range(n):
            inside = np.flatnonzero(subsets >> job & 1)
            these = subsets[inside]
            cost = value[these ^ (1 << job)] + w[job] * np.maximum(work[these] - d[job], 0)
            least[inside] = np.minimum(least[inside], cost)
        value[subsets] = least
    return value
