"""Single-machine due-date instances of Potts and Van Wassenhove.

Source: Potts and Van Wassenhove 1982 (Operations Research Letters 1); the grid and the variants are
those of Cetinkaya et al. 2025 (arXiv 2510.24013). No seeds were published, so these are the same
distributions, not the same instances.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hocket.core.errors import UserError

Ints = npt.NDArray[np.int64]

RDD_LEVELS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Relative ranges of due dates, the outer loop of the grid."""

TF_LEVELS = (0.2, 0.4, 0.6, 0.8)
"""Tardiness factors, the inner loop of the grid (the training set adds 1.0)."""

Durations = Literal["uniform-99", "uniform-100", "normal"]
"""How processing times are drawn:

``"uniform-99"``: the whole part of U(1, 100), hence 1..99 (the authors' code);
``"uniform-100"``: 1..100, each equally likely (the text);
``"normal"``: the whole part of N(60, 20), negative draws becoming 0 (the text).
"""


def potts_van_wassenhove(
    n: int,
    rdd: float,
    tf: float,
    rng: np.random.Generator,
    *,
    durations: Durations = "uniform-99",
    clip: bool = False,
) -> tuple[Ints, Ints]:
    """Processing times and due dates of `n` jobs, two int64 arrays of shape ``(n,)``.

    Due dates are the whole part (towards zero) of ``U(P(1 - tf - rdd/2), P(1 - tf + rdd/2))``, P
    being the sum of processing times. They may be negative; with `clip` those become 0.
    """
    if n < 0:
        raise UserError(f"an instance has at least 0 jobs, not {n}")
    if durations not in get_args(Durations):
        known = ", ".join(get_args(Durations))
        raise UserError(f"durations are one of {known}, not {durations!r}")
    if durations == "uniform-99":
        p = rng.uniform(1, 100, n).astype(np.int64)
    elif durations == "uniform-100":
        p = rng.integers(1, 101, n)
    else:
        p = np.maximum(rng.normal(60, 20, n).astype(np.int64), 0)
    work = int(p.sum())
    low, high = work * (1 - tf - rdd / 2), work * (1 - tf + rdd / 2)
    d = rng.uniform(low, high, n).astype(np.int64)
    return p, np.maximum(d, 0) if clip else d


def potts_grid(
    n: int,
    count: int,
    rng: np.random.Generator,
    *,
    durations: Durations = "uniform-99",
    clip: bool = False,
) -> Iterator[tuple[float, float, Ints, Ints]]:
    """`count` instances of each class, as ``(rdd, tf, p, d)``, class after class.

    The published sets have 40 per class for n = 20 (800 in all) and 10 for 100, 200 and 500 (200).
    """
    for rdd in RDD_LEVELS:
        for tf in TF_LEVELS:
            for _ in range(count):
                p, d = potts_van_wassenhove(n, rdd, tf, rng, durations=durations, clip=clip)
                yield rdd, tf, p, d
