"""Lines of plots from many values: how they are distributed, and how they change over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hocket.report.figures import Line

Floats = npt.NDArray[np.floating[Any]]

SHARES = np.unique(np.concatenate([np.linspace(0, 0.99, 100), 1 - np.geomspace(0.01, 1e-4, 30)]))
BINS = 60
LEAST = 25
"""Values in a stretch of time, so that its 95th percentile is more than its maximum."""


def distribution(label: str, values: Floats) -> Line:
    """The share of values up to each one; there is at least one value."""
    reached = np.quantile(values, SHARES, method="inverted_cdf")
    return Line(label=label, x=short(reached), y=short(SHARES))


def over_time(label: str, at: Floats, values: Floats) -> list[Line]:
    """Median and 95th percentile of the values in each stretch of time; `at` ascends."""
    if len(values) < 2 or at[0] == at[-1]:
        return []
    bins = int(np.clip(len(values) // LEAST, 1, BINS))
    edges = np.linspace(at[0], at[-1], bins + 1)
    cuts = np.searchsorted(at, edges[1:-1])
    parts = [(i, part) for i, part in enumerate(np.split(values, cuts)) if len(part)]
    x = short(np.array([(edges[i] + edges[i + 1]) / 2 for i, _ in parts]))
    return [
        Line(
            label=label,
            name=name,
            dashed=percent > 50,
            x=x,
            y=short(np.array([np.percentile(part, percent) for _, part in parts])),
        )
        for name, percent in (("median", 50), ("95th percentile", 95))
    ]


def short(values: Floats) -> tuple[float, ...]:
    """The values with five digits, as many as a picture can show."""
    return tuple(float(f"{value:.5g}") for value in values.tolist())
