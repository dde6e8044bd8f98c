"""When work arrives: renewal processes and recorded traces.

Every process has one method, ``times(rng, *, count=None, until=None)``. It returns the sorted
arrival ticks as an int64 array of shape ``(n,)``: the first `count` arrivals, those up to and
including tick `until`, or, with both given, whichever ends first. It raises `ValueError` if neither
is given, one is negative, a time exceeds 2^62 ticks, or there would be more than 10^9 arrivals.

Gaps are drawn in continuous time and their running sum is rounded, so that rounding moves an
arrival by half a tick at most and never changes the rate. A longer request to an equally seeded
generator begins with the very times of a shorter one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec
import numpy as np

from hocket.core.disturb.checks import LATEST, Floats, TickArray, not_negative, positive
from hocket.core.scenario import Ticks

_MOST = 10**9
_BLOCK = 1024
LEAST_CV = 1e-3  # below, gaps are as good as equal


class _Process(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    """How an arrival process is written in a file: a mapping with its `kind`."""


class Poisson(_Process, frozen=True, kw_only=True, tag="poisson"):
    """Exponential gaps: arrivals independent of each other, `rate` per tick on average."""

    rate: float

    def __post_init__(self) -> None:
        positive("rate", self.rate)

    def times(
        self, rng: np.random.Generator, *, count: int | None = None, until: int | None = None
    ) -> TickArray:
        """Arrival ticks; see the module."""
        mean = 1 / self.rate
        return _renewal(lambda size: rng.exponential(mean, size), self.rate, count, until)


class GammaArrivals(_Process, frozen=True, kw_only=True, tag="gamma"):
    """Gamma gaps with mean ``1 / rate`` ticks and coefficient of variation `cv`.

    A cv of 1 is Poisson, a larger one is bursty, a smaller one regular. AlpaServe (Li et al., OSDI
    2023) varies the burstiness of requests to language models in this way.
    """

    rate: float
    cv: float

    def __post_init__(self) -> None:
        positive("rate", self.rate)
        positive("cv", self.cv)
        if self.cv < LEAST_CV:
            raise ValueError(f"cv must be at least {LEAST_CV:g}, not {self.cv!r}")

    def times(
        self, rng: np.random.Generator, *, count: int | None = None, until: int | None = None
    ) -> TickArray:
        """Arrival ticks; see the module."""
        shape = 1 / self.cv**2
        scale = 1 / (self.rate * shape)
        return _renewal(lambda size: rng.gamma(shape, scale, size), self.rate, count, until)


class Deterministic(_Process, frozen=True, kw_only=True, tag="deterministic"):
    """One arrival every `interval` ticks, the first at `offset`."""

    interval: int
    offset: int = 0

    def __post_init__(self) -> None:
        positive("interval", self.interval)
        not_negative("offset", self.offset)

    def times(
        self, rng: np.random.Generator, *, count: int | None = None, until: int | None = None
    ) -> TickArray:
        """Arrival ticks; see the module. Draws nothing from `rng`."""
        most = _most(1 / self.interval, count, until)
        if until is not None:
            within = max(0, (until - self.offset) // self.interval + 1)
            most = within if count is None else min(count, within)
        if self.offset + most * self.interval > LATEST:
            raise ValueError(f"arrivals reach beyond 2^62 ticks: {self}")
        return self.offset + self.interval * np.arange(most, dtype=np.int64)


class TraceArrivals(_Process, frozen=True, kw_only=True, tag="trace"):
    """Recorded arrivals: the ticks `at`, none decreasing, several at one tick allowed."""

    at: tuple[Ticks, ...]

    def __post_init__(self) -> None:
        for i, (before, after) in enumerate(zip((0, *self.at), self.at, strict=False)):
            if after < before:
                below = f"before at[{i - 1}] = {before}" if i else "below 0"
                raise ValueError(f"at[{i}] = {after} is {below}: sort the trace, start it at >= 0")
        if self.at and self.at[-1] > LATEST:
            raise ValueError(f"at[{len(self.at) - 1}] = {self.at[-1]} is beyond 2^62 ticks")

    def times(
        self, rng: np.random.Generator, *, count: int | None = None, until: int | None = None
    ) -> TickArray:
        """Arrival ticks; see the module. Draws nothing from `rng`; a trace may run out."""
        _most(0, count, until)
        ticks = np.array(self.at, dtype=np.int64)[:count]
        return ticks if until is None else ticks[: np.searchsorted(ticks, until, side="right")]


Arrivals: TypeAlias = Poisson | GammaArrivals | Deterministic | TraceArrivals
"""Any arrival process, as the type of a scenario's field."""


def _most(rate: float, count: int | None, until: int | None) -> int:
    """Check a request; return about how many arrivals it asks for."""
    if count is None and until is None:
        raise ValueError("arrivals go on for ever: give count, until, or both")
    for name, value in (("count", count), ("until", until)):
        if value is not None and value < 0:
            raise ValueError(f"{name} must be at least 0, not {value}")
    counts = [c for c in (count, None if until is None else rate * until) if c is not None]
    if min(counts) > _MOST:
        raise ValueError(f"about {min(counts):.3g} arrivals are more than 10^9: ask for less")
    return int(min(counts))


def _renewal(
    draw: Callable[[int], Floats], rate: float, count: int | None, until: int | None
) -> TickArray:
    """Add up independent gaps; `draw` makes as many as it is told."""
    _most(rate, count, until)
    # Blocks of one size whatever is asked for, added from left to right: a shorter request then
    # rounds and draws exactly as a longer one.
    blocks = [np.empty(0)]
    drawn, last = 0, 0.0
    while (count is None or drawn < count) and (until is None or last < until + 1):
        gaps = draw(_BLOCK)
        gaps[0] += last
        blocks.append(np.cumsum(gaps))
        drawn, last = drawn + _BLOCK, float(blocks[-1][-1])
    sums = np.rint(np.concatenate(blocks))[:count]
    if until is not None:
        sums = sums[: np.searchsorted(sums, until, side="right")]
    if len(sums) and sums[-1] > LATEST:
        raise ValueError(f"arrivals reach beyond 2^62 ticks: the rate {rate!r} is too low")
    return sums.astype(np.int64)
