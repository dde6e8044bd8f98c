"""When requests arrive: rates per second, bursts, rates that change, or a process in ticks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypeAlias

import msgspec
import numpy as np

from hocket.core.disturb.arrivals import (
    Deterministic,
    GammaArrivals,
    Poisson,
    TraceArrivals,
)
from hocket.core.disturb.checks import Floats
from hocket.core.errors import Problem, UserError
from hocket.core.scenario import Ticks
from hocket.serving.model.requests import Ints
from hocket.serving.workload.clock import ticks_per_second

PerSecond = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class _Process(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    """How an arrival process is written in a file: a mapping with its `kind`."""

    def problems(self, path: str) -> Iterator[Problem]:
        """What is wrong beyond types."""
        yield from ()


class Rate(_Process, frozen=True, kw_only=True, tag="rate"):
    """`rate` requests per second with independent gaps of coefficient of variation `cv`.

    1 is Poisson; another cv makes the gaps gamma distributed: above 1 bursty, below 1 regular.
    """

    rate: PerSecond
    cv: Annotated[float, msgspec.Meta(ge=1e-3, le=100)] = 1.0

    def times(self, rng: np.random.Generator, count: int, unit: str) -> Ints:
        """The first `count` arrivals in ticks of `unit`."""
        per_tick = self.rate / ticks_per_second(unit)
        if self.cv == 1:
            return Poisson(rate=per_tick).times(rng, count=count)
        return GammaArrivals(rate=per_tick, cv=self.cv).times(rng, count=count)


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From tick `at` on, `rate` requests per second."""

    at: Ticks
    rate: Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class Profile(_Process, frozen=True, kw_only=True, tag="profile"):
    """Poisson arrivals whose rate changes at the given times: burst windows, or hours of a day.

    The first step is at 0. With a `period` the steps, all below it, repeat for ever; without, the
    last rate stays and must not be 0.
    """

    steps: tuple[Step, ...]
    period: Ticks | None = None

    def problems(self, path: str) -> Iterator[Problem]:
        """See _Process.problems."""
        if not self.steps:
            yield Problem(f"{path}.steps", "must hold at least one step")
            return
        if self.steps[0].at != 0:
            yield Problem(f"{path}.steps[0].at", f"must be 0, not {self.steps[0].at}")
        for i in range(1, len(self.steps)):
            if self.steps[i].at <= self.steps[i - 1].at:
                message = f"{self.steps[i].at} is not after the step before"
                yield Problem(f"{path}.steps[{i}].at", message)
        if self.period is None and self.steps[-1].rate == 0:
            yield Problem(f"{path}.steps", "the last rate is 0 and stays: give it, or a period")
        if self.period is not None:
            if self.steps[-1].at >= self.period:
                yield Problem(f"{path}.period", f"{self.period} is not after the last step")
            if not any(step.rate for step in self.steps):
                yield Problem(f"{path}.steps", "all rates are 0: nothing ever arrives")

    def times(self, rng: np.random.Generator, count: int, unit: str) -> Ints:
        """The first `count` arrivals in ticks of `unit`."""
        per_second = ticks_per_second(unit)
        marks = np.cumsum(rng.exponential(1.0, count))
        at = np.array([step.at for step in self.steps], dtype=np.float64)
        rates = np.array([step.rate for step in self.steps]) / per_second
        if self.period is None:
            return _inverted(marks, at, rates)
        widths = np.diff([*at, self.period])
        each = np.cumsum(widths * rates)[-1]  # arrivals expected in one period
        turns, rest = np.divmod(marks, each)
        return _rounded(turns * self.period + _placed(rest, at, rates))


class Bursts(_Process, frozen=True, kw_only=True, tag="bursts"):
    """Poisson arrivals that switch between two rates: a Markov-modulated Poisson process.

    `rate` requests per second for an exponential time of mean `quiet` ticks, then `peak` per second
    for one of mean `burst`, and so on. It starts quiet.
    """

    rate: Annotated[float, msgspec.Meta(ge=0, le=1e9)]
    peak: PerSecond
    quiet: Ticks
    burst: Ticks

    def problems(self, path: str) -> Iterator[Problem]:
        """See _Process.problems."""
        for name, stay in (("quiet", self.quiet), ("burst", self.burst)):
            if stay < 1:
                yield Problem(f"{path}.{name}", "must last at least 1 tick")

    @property
    def mean_rate(self) -> float:
        """Requests per second in the long run."""
        both = self.quiet + self.burst
        return (self.rate * self.quiet + self.peak * self.burst) / both

    def times(self, rng: np.random.Generator, count: int, unit: str) -> Ints:
        """The first `count` arrivals in ticks of `unit`."""
        per_second = ticks_per_second(unit)
        marks = np.cumsum(rng.exponential(1.0, count))
        pair = np.array([self.rate, self.peak]) / per_second
        stays = np.array([self.quiet, self.burst], dtype=np.float64)
        widths: list[Floats] = []
        expected = 0.0
        while expected <= marks[-1]:
            drawn = rng.exponential(1.0, (256, 2)) * stays
            widths.append(drawn.reshape(-1))
            expected += float((drawn * pair).sum())
        all_widths = np.concatenate(widths)
        at = np.concatenate([[0.0], np.cumsum(all_widths)[:-1]])
        return _inverted(marks, at, np.tile(pair, len(at) // 2))


Arrivals: TypeAlias = (
    Rate | Profile | Bursts | Poisson | GammaArrivals | Deterministic | TraceArrivals
)
"""Any arrival process; those of `hocket.core.disturb` have their rates per tick."""


def arrival_times(process: Arrivals, rng: np.random.Generator, count: int, unit: str) -> Ints:
    """The first `count` arrivals of any process, in ticks of `unit`, shape ``(count,)``.

    Raises UserError where a recorded process has fewer, or times grow too large.
    """
    try:
        if isinstance(process, Rate | Profile | Bursts):
            return process.times(rng, count, unit)
        found = process.times(rng, count=count)
    except ValueError as error:
        raise UserError(str(error)) from error
    if len(found) < count:
        raise UserError(f"{len(found)} arrivals are recorded, but {count} requests are to come")
    return found


def arrival_problems(process: Arrivals, count: int, path: str) -> Iterator[Problem]:
    """What is wrong with a process that is to yield `count` arrivals."""
    if isinstance(process, Rate | Profile | Bursts):
        yield from process.problems(path)
    elif isinstance(process, TraceArrivals) and len(process.at) < count:
        yield Problem(f"{path}.at", f"{len(process.at)} arrivals for {count} requests")


def _inverted(marks: Floats, at: Floats, rates: Floats) -> Ints:
    return _rounded(_placed(marks, at, rates))


def _placed(marks: Floats, at: Floats, rates: Floats) -> Floats:
    """The times at which the integral of a step function of rates reaches the marks.

    A Poisson process of rate 1 seen through this clock has the given rates (Cinlar, Introduction to
    Stochastic Processes, 1975, section 4.7).
    """
    reached = np.concatenate([[0.0], np.cumsum(np.diff(at) * rates[:-1])])
    # The last step that begins below the mark: it has a rate above 0 where it is needed.
    step = np.maximum(np.searchsorted(reached, marks, side="left") - 1, 0)
    running = np.where(rates > 0, rates, 1.0)  # a mark at 0 exactly lies in the first step
    placed: Floats = at[step] + (marks - reached[step]) / running[step]
    return placed


def _rounded(times: Floats) -> Ints:
    if len(times) and not times[-1] < 2.0**62:
        raise ValueError("arrivals reach beyond 2^62 ticks: the rate is too low")
    whole: Floats = np.rint(times)
    return whole.astype(np.int64)
