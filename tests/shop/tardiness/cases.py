"""Small instances and slow, obvious references that the tests share."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import strategies as st

SIX_P = [10, 11, 10, 10, 11, 10]
SIX_D = [15, 11, 13, 11, 12, 11]


def tardiness(sequence: Any, p: Any, d: Any, w: Any = None) -> int:
    """Total weighted tardiness, one job after the other."""
    now = total = 0
    for j in sequence:
        now += int(p[j])
        total += max(0, now - int(d[j])) * (1 if w is None else int(w[j]))
    return total


def brute_force(p: Any, d: Any, w: Any = None) -> int:
    """The least total weighted tardiness over all permutations."""
    return min(tardiness(s, p, d, w) for s in itertools.permutations(range(len(p))))


def tiny(rng: np.random.Generator, most: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Up to `most` jobs; some of no length, equal lengths, negative due dates."""
    n = int(rng.integers(1, most + 1))
    return rng.integers(0, 8, n), rng.integers(-5, 25, n)


@st.composite
def instances(draw: st.DrawFn, most: int = 9) -> tuple[list[int], list[int]]:
    """Lists p and d of equal length, from 0 to `most` jobs."""
    n = draw(st.integers(0, most))
    p = draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    d = draw(st.lists(st.integers(-10, 60), min_size=n, max_size=n))
    return p, d
