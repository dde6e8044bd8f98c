"""Arrivals, noise and breakdowns: moments and distributions against closed forms, and bad input."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from hocket.core.disturb import (
    Arrivals,
    Breakdowns,
    Deterministic,
    Empirical,
    GammaArrivals,
    GammaNoise,
    LogNormal,
    Noise,
    Normal,
    Poisson,
    TraceArrivals,
    Uniform,
)
from hocket.core.streams import Streams


def rng(name: str = "test") -> np.random.Generator:
    return Streams(12)[name]


# Files


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ('{"kind": "poisson", "rate": 0.5}', Arrivals, Poisson(rate=0.5)),
        ('{"kind": "gamma", "rate": 2, "cv": 3}', Arrivals, GammaArrivals(rate=2, cv=3)),
        ('{"kind": "deterministic", "interval": 5}', Arrivals, Deterministic(interval=5)),
        ('{"kind": "trace", "at": [0, 4, 4]}', Arrivals, TraceArrivals(at=(0, 4, 4))),
        ('{"kind": "normal", "cv": 0.1}', Noise, Normal(cv=0.1)),
        ('{"kind": "lognormal", "cv": 0.1}', Noise, LogNormal(cv=0.1)),
        ('{"kind": "gamma", "cv": 0.1}', Noise, GammaNoise(cv=0.1)),
        ('{"kind": "uniform", "low": 0.5, "high": 1.5}', Noise, Uniform(low=0.5, high=1.5)),
        ('{"kind": "empirical", "factors": [1, 2]}', Noise, Empirical(factors=(1, 2))),
        (
            '{"kind": "breakdowns", "mean_up": 90, "mean_down": 10, "down": "fixed"}',
            Breakdowns,
            Breakdowns(mean_up=90, mean_down=10, down="fixed"),
        ),
    ],
)
def test_written_and_read_back(text: str, kind: Any, value: Any) -> None:
    assert msgspec.json.decode(text, type=kind) == value
    assert msgspec.json.decode(msgspec.json.encode(value), type=kind) == value


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ('{"kind": "poisson", "rate": 0}', Arrivals, "rate must be a positive finite number"),
        ('{"kind": "poisson", "rate": 1, "cv": 2}', Arrivals, "unknown field `cv`"),
        ('{"kind": "poison", "rate": 1}', Arrivals, "Invalid value 'poison' - at `\\$.kind`"),
        ('{"kind": "gamma", "rate": 1, "cv": -1}', Arrivals, "cv must be a positive"),
        ('{"kind": "deterministic", "interval": 0}', Arrivals, "interval must be a positive"),
        ('{"kind": "deterministic", "interval": 1, "offset": -1}', Arrivals, "offset must be"),
        ('{"kind": "trace", "at": [3, 5, 4]}', Arrivals, r"at\[2\] = 4 is before at\[1\] = 5"),
        ('{"kind": "trace", "at": [-3]}', Arrivals, r"`int` >= 0"),
        ('{"kind": "trace", "at": [5000000000000000000]}', Arrivals, "`int` <= 1099511627776"),
        ('{"kind": "normal", "cv": -0.1}', Noise, "cv must be a finite number of at least 0"),
        ('{"kind": "uniform", "low": 2, "high": 1}', Noise, "low = 2.0 is above high = 1.0"),
        ('{"kind": "empirical", "factors": []}', Noise, "at least one factor"),
        ('{"kind": "empirical", "factors": [1, -2]}', Noise, r"factors\[1\] must be"),
        ('{"mean_up": 1, "mean_down": 1, "up": "normal"}', Breakdowns, "Invalid enum value"),
        ('{"mean_up": 1, "mean_down": 0}', Breakdowns, "mean_down must be a positive"),
        ('{"mean_up": 1, "mean_down": 1, "up_shape": 2}', Breakdowns, "has no meaning"),
        (
            '{"mean_up": 1, "mean_down": 1, "up": "weibull", "up_shape": 0.001}',
            Breakdowns,
            "at least 0.01",
        ),
    ],
)
def test_bad_input_is_refused(text: str, kind: Any, message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.json.decode(text, type=kind)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_parameters_from_python_are_checked_too(value: float) -> None:
    for make in (
        lambda: Poisson(rate=value),
        lambda: GammaArrivals(rate=1, cv=value),
        lambda: LogNormal(cv=value),
        lambda: Uniform(low=0, high=value),
        lambda: Breakdowns(mean_up=value, mean_down=1),
    ):
        with pytest.raises(ValueError, match="must be"):
            make()
    with pytest.raises(ValueError, match="up must be exponential, gamma, weibull or fixed"):
        Breakdowns(mean_up=1, mean_down=1, up="normal")  # type: ignore[arg-type]


# Arrivals


def test_poisson_gaps_are_exponential_and_counts_poisson() -> None:
    times = Poisson(rate=1e-4).times(rng(), count=20_000)
    gaps = np.diff(times, prepend=0)
    assert scipy_stats.kstest(gaps, "expon", args=(0, 1e4)).pvalue > 0.01
    counts = np.histogram(times, bins=np.arange(0, times[-1], 50_000))[0]
    # Mean equals variance: the index of dispersion is chi-squared.
    dispersion = counts.var(ddof=1) / counts.mean() * (len(counts) - 1)
    assert 0.005 < scipy_stats.chi2.cdf(dispersion, len(counts) - 1) < 0.995


@pytest.mark.parametrize("cv", [0.3, 1.0, 1.8])
def test_gamma_gaps_have_the_stated_distribution(cv: float) -> None:
    times = GammaArrivals(rate=1e-10, cv=cv).times(rng(), count=20_000)
    gaps = np.diff(times, prepend=0)
    assert scipy_stats.kstest(gaps, "gamma", args=(cv**-2, 0, 1e10 * cv**2)).pvalue > 0.01


def test_rounding_to_ticks_does_not_change_the_rate() -> None:
    times = Poisson(rate=7.3).times(rng(), until=20_000)
    assert len(times) == pytest.approx(7.3 * 20_000, rel=4 / (7.3 * 20_000) ** 0.5)


@given(
    st.sampled_from(
        [
            Poisson(rate=0.3),
            GammaArrivals(rate=2.0, cv=1.7),
            Deterministic(interval=3, offset=2),
            TraceArrivals(at=(0, 1, 1, 8, 90)),
        ]
    ),
    st.integers(0, 3000),
    st.integers(0, 3000),
)
def test_requests_agree_with_each_other(process: Arrivals, count: int, until: int) -> None:
    first = process.times(rng(), count=count)
    early = process.times(rng(), until=until)
    both = process.times(rng(), count=count, until=until)
    assert first.dtype == early.dtype == np.int64
    assert len(first) <= count
    assert np.all(early <= until)
    assert np.all(np.diff(first) >= 0)
    shorter = min(len(first), len(early))
    assert first[:shorter].tolist() == early[:shorter].tolist()
    assert both.tolist() == first[first <= until].tolist()


def test_deterministic_and_trace_are_what_they_say() -> None:
    assert Deterministic(interval=4, offset=1).times(rng(), until=9).tolist() == [1, 5, 9]
    assert Deterministic(interval=4, offset=9).times(rng(), until=8).tolist() == []
    assert Deterministic(interval=4).times(rng(), count=3).tolist() == [0, 4, 8]
    assert TraceArrivals(at=(2, 2, 7)).times(rng(), until=6).tolist() == [2, 2]
    assert TraceArrivals(at=()).times(rng(), count=5).tolist() == []


@pytest.mark.parametrize("process", [Poisson(rate=1), Deterministic(interval=1)])
def test_impossible_requests_are_refused(process: Arrivals) -> None:
    with pytest.raises(ValueError, match="give count, until, or both"):
        process.times(rng())
    with pytest.raises(ValueError, match="count must be at least 0"):
        process.times(rng(), count=-1)
    with pytest.raises(ValueError, match="until must be at least 0"):
        process.times(rng(), until=-1)
    with pytest.raises(ValueError, match="more than 10\\^9"):
        process.times(rng(), until=10**12)


def test_times_beyond_the_range_of_ticks_are_refused() -> None:
    with pytest.raises(ValueError, match="beyond 2\\^62"):
        Poisson(rate=1e-300).times(rng(), count=3)
    with pytest.raises(ValueError, match="beyond 2\\^62"):
        Deterministic(interval=2**61).times(rng(), count=4)
    assert Poisson(rate=1e-300).times(rng(), until=1000).tolist() == []


# Noise


@pytest.mark.parametrize(
    ("noise", "law"),
    [
        (Normal(cv=0.2), scipy_stats.norm(1, 0.2)),
        (LogNormal(cv=0.8), scipy_stats.lognorm(np.log(1.64) ** 0.5, scale=1.64**-0.5)),
        (GammaNoise(cv=0.5), scipy_stats.gamma(4, scale=0.25)),
        (Uniform(low=0.5, high=1.5), scipy_stats.uniform(0.5, 1)),
    ],
)
def test_factors_have_mean_one_and_the_stated_distribution(noise: Noise, law: Any) -> None:
    assert law.mean() == pytest.approx(1)
    if not isinstance(noise, Uniform):
        assert law.std() == pytest.approx(noise.cv)
    sample = noise.sample(rng(), np.full(20_000, 10**9)) / 1e9
    assert scipy_stats.kstest(sample, law.cdf).pvalue > 0.01


@pytest.mark.parametrize("cv", [0.5, 1.0])
def test_truncated_normal_mean_is_what_the_docstring_says(cv: float) -> None:
    exact = scipy_stats.norm.cdf(1 / cv) + cv * scipy_stats.norm.pdf(1 / cv)
    assert exact == pytest.approx({0.5: 1.0042, 1.0: 1.0833}[cv], abs=1e-4)
    sample = Normal(cv=cv).sample(rng(), np.full(200_000, 10**6)) / 1e6
    assert sample.min() == 0
    assert sample.mean() == pytest.approx(exact, abs=4 * cv / 200_000**0.5)


def test_empirical_draws_each_factor_equally_often() -> None:
    sample = Empirical(factors=(0.5, 1.0, 1.0, 3.0)).sample(rng(), np.full(8000, 100))
    values, counts = np.unique(sample, return_counts=True)
    assert values.tolist() == [50, 100, 300]
    assert scipy_stats.chisquare(counts, [2000, 4000, 2000]).pvalue > 0.01


NOISES = st.sampled_from(
    [Normal(cv=2.0), LogNormal(cv=3.0), GammaNoise(cv=3.0), Uniform(low=0, high=4)]
)


@given(NOISES, st.lists(st.integers(0, 10**6), max_size=20), st.integers(0, 2**32))
def test_samples_are_never_negative_whole_ticks(noise: Noise, nominal: list[int], s: int) -> None:
    sample = noise.sample(Streams(s)["noise"], nominal)
    assert sample.dtype == np.int64
    assert sample.shape == (len(nominal),)
    assert np.all(sample >= 0)
    assert np.all(sample[np.array(nominal, dtype=int) == 0] == 0)


@pytest.mark.parametrize(
    "noise",
    [Normal(cv=0), LogNormal(cv=0), GammaNoise(cv=0), Uniform(low=1, high=1)],
)
def test_no_noise_changes_nothing_and_shapes_are_kept(noise: Noise) -> None:
    assert noise.sample(rng(), [[1, 2, 3], [4, 5, 6]]).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert int(noise.sample(rng(), 17)) == 17
    assert noise.sample(rng(), 17).shape == ()


def test_durations_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 0, not -3"):
        Normal(cv=0.1).sample(rng(), [4, -3])
    with pytest.raises(ValueError, match="integer ticks, not float64"):
        Normal(cv=0.1).sample(rng(), [1.5])
    with pytest.raises(ValueError, match="beyond 2\\^62"):
        Uniform(low=8, high=8).sample(rng(), 2**60)


# Breakdowns

BREAKDOWNS = [
    Breakdowns(mean_up=900, mean_down=100),
    Breakdowns(mean_up=500, mean_down=80, up="weibull", up_shape=2.5, down="gamma", down_shape=3),
    Breakdowns(mean_up=500, mean_down=200, up="gamma", up_shape=0.5, down="weibull", down_shape=1),
    Breakdowns(mean_up=70, mean_down=30, up="fixed"),
]


@pytest.mark.parametrize("breakdowns", BREAKDOWNS)
def test_long_run_availability_is_the_closed_form(breakdowns: Breakdowns) -> None:
    """Over many cycles, in units of the standard error of a ratio of sums."""
    windows = np.array(list(islice(breakdowns.windows(rng()), 20_000)))
    down = windows[:, 1] - windows[:, 0]
    cycle = np.diff(windows[:, 1], prepend=0)
    ratio = 1 - breakdowns.availability
    error = (down - ratio * cycle).std() / cycle.mean() / len(windows) ** 0.5
    assert abs(down.sum() / cycle.sum() - ratio) < 4 * error
    assert error < 0.005


@pytest.mark.parametrize(
    ("law", "shape", "exact"),
    [
        ("exponential", 1.0, scipy_stats.expon(scale=1e6)),
        ("gamma", 3.0, scipy_stats.gamma(3, scale=1e6 / 3)),
        ("weibull", 2.0, scipy_stats.weibull_min(2, scale=1e6 / (np.pi**0.5 / 2))),
    ],
)
def test_stays_have_the_stated_distribution(law: Any, shape: float, exact: Any) -> None:
    assert exact.mean() == pytest.approx(1e6)
    breakdowns = Breakdowns(mean_up=1e6, mean_down=1, up=law, up_shape=shape, down="fixed")
    windows = np.array(list(islice(breakdowns.windows(rng()), 5000)))
    stays = windows[:, 0] - np.concatenate([[0], windows[:-1, 1]])
    assert scipy_stats.kstest(stays, exact.cdf).pvalue > 0.01


@pytest.mark.parametrize("breakdowns", [*BREAKDOWNS, Breakdowns(mean_up=0.1, mean_down=0.1)])
def test_windows_are_apart_and_end_at_the_horizon(breakdowns: Breakdowns) -> None:
    windows = list(breakdowns.windows(rng(), 5000))
    assert all(down < up for down, up in windows)
    assert all(up < next_down for (_, up), (next_down, _) in pairwise(windows))
    assert all(0 < down < 5000 for down, _ in windows)
    assert list(islice(breakdowns.windows(rng()), len(windows))) == windows


def test_windows_are_drawn_only_when_asked_for() -> None:
    generator = rng()
    next(Breakdowns(mean_up=100, mean_down=10).windows(generator))
    two = rng()
    two.exponential(100), two.exponential(10)
    assert generator.random() == two.random()
