"""How actual durations differ from nominal ones: multiplicative noise.

Every kind has two methods. ``draw(rng, size)`` draws that many factors, none negative;
``sample(rng, nominal)`` multiplies and rounds to whole ticks (halves to even) and returns an int64
array of the shape of `nominal`, which is one duration or an array of them, none negative.

The factors have mean 1, so that noise alone neither speeds work up nor slows it down, except where
a class says otherwise. `cv` is the coefficient of variation: standard deviation over mean.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from hocket.core.disturb.checks import LATEST, Floats, TickArray, not_negative


class _Noise(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    """How noise is written in a file: a mapping with its `kind`."""


class Normal(_Noise, frozen=True, kw_only=True, tag="normal"):
    """Normal factors, those below 0 replaced by 0.

    The replacement raises the mean from 1 to ``Phi(1/cv) + cv * phi(1/cv)``: by less than 10^-4 for
    a cv up to 0.3, by 0.8% at 0.5, by 8.3% at 1. Prefer lognormal or gamma where noise is strong.
    """

    cv: float

    def __post_init__(self) -> None:
        not_negative("cv", self.cv)

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Factors, shape ``(size,)``."""
        return np.maximum(0.0, rng.normal(1.0, self.cv, size))

    def sample(self, rng: np.random.Generator, nominal: int | npt.ArrayLike) -> TickArray:
        """Actual durations, in ticks, of the shape of `nominal`."""
        return _scale(nominal, self, rng)


class LogNormal(_Noise, frozen=True, kw_only=True, tag="lognormal"):
    """Lognormal factors with mean 1: skewed, never zero."""

    cv: float

    def __post_init__(self) -> None:
        not_negative("cv", self.cv)

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Factors, shape ``(size,)``."""
        variance = math.log1p(self.cv**2)
        return rng.lognormal(-variance / 2, math.sqrt(variance), size)

    def sample(self, rng: np.random.Generator, nominal: int | npt.ArrayLike) -> TickArray:
        """Actual durations, in ticks, of the shape of `nominal`."""
        return _scale(nominal, self, rng)


class GammaNoise(_Noise, frozen=True, kw_only=True, tag="gamma"):
    """Gamma factors with mean 1; a cv of 1 is exponential."""

    cv: float

    def __post_init__(self) -> None:
        not_negative("cv", self.cv)

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Factors, shape ``(size,)``."""
        if self.cv < 1e-9:  # as good as none, and its inverse may be no number
            return np.ones(size)
        return rng.gamma(self.cv**-2, self.cv**2, size)

    def sample(self, rng: np.random.Generator, nominal: int | npt.ArrayLike) -> TickArray:
        """Actual durations, in ticks, of the shape of `nominal`."""
        return _scale(nominal, self, rng)


class Uniform(_Noise, frozen=True, kw_only=True, tag="uniform"):
    """Factors uniform from `low` to `high`; the mean is 1 only if they lie evenly around it."""

    low: float
    high: float

    def __post_init__(self) -> None:
        not_negative("low", self.low)
        not_negative("high", self.high)
        if self.low > self.high:
            raise ValueError(f"low = {self.low!r} is above high = {self.high!r}")

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Factors, shape ``(size,)``."""
        return rng.uniform(self.low, self.high, size)

    def sample(self, rng: np.random.Generator, nominal: int | npt.ArrayLike) -> TickArray:
        """Actual durations, in ticks, of the shape of `nominal`."""
        return _scale(nominal, self, rng)


class Empirical(_Noise, frozen=True, kw_only=True, tag="empirical"):
    """Factors measured elsewhere, drawn with replacement and used as they are: their mean stays."""

    factors: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.factors:
            raise ValueError("factors must hold at least one factor")
        for i, factor in enumerate(self.factors):
            not_negative(f"factors[{i}]", factor)

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Factors, shape ``(size,)``."""
        return np.array(self.factors)[rng.integers(0, len(self.factors), size)]

    def sample(self, rng: np.random.Generator, nominal: int | npt.ArrayLike) -> TickArray:
        """Actual durations, in ticks, of the shape of `nominal`."""
        return _scale(nominal, self, rng)


Noise: TypeAlias = Normal | LogNormal | GammaNoise | Uniform | Empirical
"""Any noise, as the type of a scenario's field."""


def _scale(nominal: int | npt.ArrayLike, noise: Noise, rng: np.random.Generator) -> TickArray:
    """Durations times factors, in whole ticks."""
    durations = np.asarray(nominal)
    if durations.size and durations.dtype.kind not in "iu":
        raise ValueError(f"durations are integer ticks, not {durations.dtype}")
    if np.any(durations < 0):
        raise ValueError(f"durations must be at least 0, not {durations.min()}")
    drawn = noise.draw(rng, durations.size).reshape(durations.shape)
    actual = np.rint(durations * drawn)
    if np.any(actual > LATEST):
        raise ValueError(f"a duration reaches beyond 2^62 ticks: {noise}")
    return np.asarray(actual).astype(np.int64)
