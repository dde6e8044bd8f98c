"""Functions that are linear between measured points."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import mul

import numpy as np

from hocket.serving.cost import growing
from hocket.serving.cost.protocol import Floats


class Curve:
    """A function of one variable. Beyond the last point it goes on as between the last two; before
    the first it has the value there. It is never negative if its values are not.
    """

    def __init__(self, points: Sequence[float], values: Sequence[float]) -> None:
        """`points` rise; as many `values`."""
        # Segment 0 lies before the first point; segment i >= 1 begins at point i - 1.
        slopes = [(d - c) / (b - a) for (a, b), (c, d) in _neighbours(points, values)]
        slopes.append(max(0.0, slopes[-1]) if slopes else 0.0)
        self._points = list(points)
        self._slopes = [0.0, *slopes]
        self._at_zero = [values[0]]
        self._at_zero += [v - s * p for p, v, s in zip(points, values, slopes, strict=True)]
        self._arrays = (
            np.array(self._points, float),
            np.array(self._at_zero),
            np.array(self._slopes),
        )

    def __call__(self, x: float) -> float:
        """The value at `x`."""
        i = bisect_right(self._points, x)
        return self._at_zero[i] + self._slopes[i] * x

    def run(self, x: int, step: int, count: int) -> Floats:
        """The values at ``x + j * step`` for j below `count`, bit for bit; shape (count,)."""
        points, at_zero, slopes = self._arrays
        at = growing.contexts(x, step, count)
        i = np.searchsorted(points, at, side="right")
        found: Floats = at_zero[i] + slopes[i] * at
        return found


class Surface:
    """A function of several variables, linear in each between the points of a grid.

    Below the first point of an axis it has the value there; beyond the last it goes on as between
    the last two.
    """

    def __init__(
        self, axes: Sequence[Sequence[float]], values: Sequence[float], scale: float = 1.0
    ) -> None:
        """`values` times `scale` at the points of the grid, the last axis varying fastest."""
        self.axes = tuple(tuple(axis) for axis in axes)
        self._values = [value * scale for value in values]
        sizes = [len(axis) for axis in self.axes]
        self._strides = list(accumulate(reversed(sizes[1:]), mul, initial=1))[::-1]

    def __call__(self, at: Sequence[float]) -> float:
        """The value at a point, a number per axis."""
        corners = [(0, 1.0)]  # the corners of the cell: index of the value, and its weight
        for x, axis, stride in zip(at, self.axes, self._strides, strict=True):
            last = len(axis) - 2
            i = min(bisect_right(axis, x) - 1, last)
            if i < 0:  # below the first point, or an axis of one point
                continue
            share = (x - axis[i]) / (axis[i + 1] - axis[i])
            if share == 0:
                corners = [(index + i * stride, weight) for index, weight in corners]
                continue
            low, high = i * stride, (i + 1) * stride
            rest = 1 - share
            corners = [
                corner
                for index, weight in corners
                for corner in ((index + low, weight * rest), (index + high, weight * share))
            ]
        values = self._values
        return sum([values[index] * weight for index, weight in corners])


def _neighbours(
    points: Sequence[float], values: Sequence[float]
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    return list(zip(pairwise(points), pairwise(values), strict=True))
