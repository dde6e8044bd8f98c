"""Measured times from CSV files, and the largest full grid among them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import log1p, prod
from pathlib import Path
from statistics import fmean

import numpy as np

from hocket.core import files
from hocket.core.errors import InputError, Problem

Axis = tuple[int, ...]
Point = tuple[int, ...]


def columns(
    path: Path, names: Sequence[str], texts: Sequence[str] = ()
) -> list[tuple[object, ...]]:
    """The rows of a CSV file with a header: the numbers of columns `names`, then those of `texts`.

    Raises InputError that names missing columns, or every line with something that is no number.
    """
    source = files.display(path)
    lines = csv.reader(files.text(path).splitlines())
    header = next(lines)
    missing = [name for name in (*names, *texts) if name not in header]
    if missing:
        message = f"no column {', '.join(missing)}; there is {', '.join(header)}"
        raise InputError(source, [Problem("", message, 1)])
    numbers = [header.index(name) for name in names]
    words = [header.index(name) for name in texts]
    rows: list[tuple[object, ...]] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        try:
            rows.append((*(_number(line[i]) for i in numbers), *(line[i] for i in words)))
        except (ValueError, IndexError) as error:
            problems.append(Problem("", f"not a row of numbers: {error}", number))
    if problems or not rows:
        raise InputError(source, problems or ["no rows"])
    return rows


def mean_of(points: Iterable[tuple[Point, float]]) -> dict[Point, float]:
    """One value per point: the mean where a point was measured more than once."""
    found: dict[Point, list[float]] = {}
    for point, value in points:
        found.setdefault(point, []).append(value)
    return {point: fmean(values) for point, values in found.items()}


def full_grid(points: Iterable[Point]) -> tuple[Axis, ...]:
    """Axes whose every combination is among `points`: as many, over as wide a range, as possible.

    Profiles are full grids joined with other measurements. The values of an axis that fewest points
    have are left out, one after another, until nothing is missing; the same is tried with powers of
    two alone, by which most profilers step. Empty axes without points.
    """
    every = set(points)
    doubling = [point for point in every if all(x & (x - 1) == 0 for x in point)]
    found = [_shrunk(some) for some in (sorted(every), sorted(doubling)) if some]
    return max((grid for grid in found if all(grid)), key=_worth, default=())


def _shrunk(points: Sequence[Point]) -> tuple[Axis, ...]:
    """The full grid that is left when the emptiest values have gone."""
    columns = np.array(points, dtype=np.int64).T
    axes, codes = zip(*(np.unique(column, return_inverse=True) for column in columns), strict=True)
    inside = [np.ones(len(axis), dtype=bool) for axis in axes]
    left = np.ones(len(points), dtype=bool)
    while left.any() and left.sum() < prod(int(mask.sum()) for mask in inside):
        fills = [
            np.bincount(code[left], minlength=len(mask)) * int(mask.sum())
            for code, mask in zip(codes, inside, strict=True)
        ]
        _, d, i = min(
            (int(fills[d][i]), d, i)
            for d, mask in enumerate(inside)
            for i in np.flatnonzero(mask).tolist()
        )
        inside[d][i] = False
        left &= codes[d] != i
    return tuple(tuple(axis[mask].tolist()) for axis, mask in zip(axes, inside, strict=True))


def _worth(axes: tuple[Axis, ...]) -> float:
    """Points of a grid, times how far it spans on the logarithms of its axes."""
    return prod(len(axis) * (log1p(axis[-1]) - log1p(axis[0]) + 1e-9) for axis in axes)


def values(at: Mapping[Point, float], axes: Sequence[Axis]) -> tuple[float, ...]:
    """The values over a full grid, the last axis varying fastest, to a nanosecond."""
    return tuple(round(at[point], 3) for point in product(*axes))


def _number(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(f"{text} is out of range")
    return value
