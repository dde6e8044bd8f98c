"""Truncated Pareto distributions, and whole numbers that grow rarer by a ratio."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Pareto(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Pareto distribution cut off at `least` and `most`, with its mean given.

    `mean` lies above `least` and below `highest_mean`, where the shape would be 0. Distribution,
    mean and inversion as in L. Zaninetti, M. Ferraro, On the truncated Pareto distribution with
    applications, Central European Journal of Physics 6 (2008) 1-6, equations 4, 5 and 13.
    """

    least: float
    mean: float
    most: float

    @property
    def highest_mean(self) -> float:
        """What the mean comes near as the shape goes to 0."""
        return (self.most - self.least) / math.log(self.most / self.least)

    @property
    def wrong(self) -> str:
        """Why there is no such distribution; empty if there is."""
        if not 0 < self.least < self.most:
            return f"needs 0 < least < most, not {self.least:g} and {self.most:g}"
        if not self.least < self.mean < self.highest_mean:
            between = f"between {self.least:g} and {self.highest_mean:.4g}"
            return f"has a mean {between}, not {self.mean:g}; change it, or least or most"
        return ""

    @property
    def shape(self) -> float:
        """The exponent for which the mean is `mean`, by bisection: the mean falls as it grows."""
        low, high = 0.0, 1.0
        while _mean(high, self.least, self.most) > self.mean:
            high *= 2
        for _ in range(100):
            middle = (low + high) / 2
            if _mean(middle, self.least, self.most) > self.mean:
                low = middle
            else:
                high = middle
        return high

    def draw(self, random: np.random.Generator, count: int) -> Floats:
        """So many independent values, by inversion."""
        shape = self.shape
        tail = (self.least / self.most) ** shape
        drawn: Floats = self.least * (1 - random.random(count) * (1 - tail)) ** (-1 / shape)
        return np.clip(drawn, self.least, self.most)

    def above(self, values: Floats) -> Floats:
        """The probability of more than each of these values, which lie within the limits."""
        tail = (self.least / self.most) ** self.shape
        share: Floats = ((self.least / values) ** self.shape - tail) / (1 - tail)
        return share


def mean_of_larger(one: Pareto, other: Pareto) -> float:
    """The mean of the larger of two independent values, by the trapezoidal rule."""
    low, high = max(one.least, other.least), max(one.most, other.most)
    x = np.geomspace(low, high, 2001)
    both = 1 - _below(one, x) * _below(other, x)
    return low + float(np.sum((both[1:] + both[:-1]) / 2 * np.diff(x)))


def _below(one: Pareto, values: Floats) -> Floats:
    return 1 - one.above(np.clip(values, one.least, one.most))


def rarer(count: int, ratio: float) -> Floats:
    """Probabilities of `count` whole numbers, each `ratio` times as likely as the one before."""
    weights: Floats = ratio ** np.arange(count, dtype=np.float64)
    chances: Floats = weights / weights.sum()
    return chances


def _mean(shape: float, least: float, most: float) -> float:
    """The mean for a shape above 0; the two forms meet at 1."""
    log = math.log(least / most)
    if abs(shape - 1) < 1e-9:
        return least * -log / -math.expm1(log)
    return shape * least / (shape - 1) * math.expm1((shape - 1) * log) / math.expm1(shape * log)
