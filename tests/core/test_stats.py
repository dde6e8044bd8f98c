"""Statistics against SciPy, closed forms, and the properties that define them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from hocket.core import stats
from hocket.core.stats import Estimate
from hocket.core.streams import Streams

NUMBERS = st.floats(-1e6, 1e6)
SAMPLES = st.lists(NUMBERS, min_size=2, max_size=30)
SHARES = st.lists(st.just(0.0) | st.floats(1e-6, 1e6), min_size=1, max_size=20)


def rng(seed: int = 1) -> np.random.Generator:
    return Streams(seed)["test"]


# Estimates


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 99, 200, 201, 1000, 10**6])
@pytest.mark.parametrize("probability", [1e-4, 0.025, 0.3, 0.5, 0.9, 0.975, 0.995, 0.9999])
def test_t_quantile_agrees_with_scipy(probability: float, freedom: int) -> None:
    exact = scipy_stats.t.ppf(probability, freedom)
    assert stats.t_quantile(probability, freedom) == pytest.approx(exact, rel=1e-9, abs=1e-12)


@given(SAMPLES, st.floats(0.5, 0.999))
def test_mean_agrees_with_scipy(values: list[float], confidence: float) -> None:
    got = stats.mean(values, confidence)
    error = scipy_stats.sem(values)
    assert got.mean == pytest.approx(np.mean(values))
    assert got.n == len(values)
    reach = scipy_stats.t.ppf((1 + confidence) / 2, len(values) - 1) * error
    assert got.high - got.mean == pytest.approx(reach, rel=1e-6, abs=1e-6)
    assert got.mean - got.low == pytest.approx(reach, rel=1e-6, abs=1e-6)
    normal = stats.mean(values, confidence, method="normal")
    exact = scipy_stats.norm.ppf((1 + confidence) / 2) * error
    assert normal.high - normal.mean == pytest.approx(exact, rel=1e-6, abs=1e-6)


def test_intervals_cover_as_often_as_they_claim() -> None:
    """2,000 samples of 5 normal numbers: 90% of the t intervals hold the mean, within chance."""
    samples = rng().normal(3, 2, (2000, 5))
    estimates = [stats.mean(sample, 0.9) for sample in samples]
    hits = sum(estimate.low <= 3 <= estimate.high for estimate in estimates)
    assert scipy_stats.binomtest(hits, 2000, 0.9).pvalue > 0.01


def test_paired_sees_what_two_means_do_not() -> None:
    generator = rng()
    luck = generator.normal(100, 20, 30)
    a, b = luck + generator.normal(1, 0.5, 30), luck + generator.normal(0, 0.5, 30)
    difference = stats.paired(a, b)
    assert 0 < difference.low < 1 < difference.high
    assert stats.mean(a).low < stats.mean(b).high
    exact = scipy_stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (difference.low, difference.high) == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize("method", ["bca", "percentile"])
@pytest.mark.parametrize("statistic", [np.mean, np.std, scipy_stats.skew])
def test_bootstrap_agrees_with_scipy(method: Any, statistic: Callable[..., Any]) -> None:
    values = rng().exponential(10, 60)
    got = stats.bootstrap(values, statistic, rng(2), method=method, resamples=6000)
    # The two draw different resamples, so the ends differ by their own sampling error.
    exact = scipy_stats.bootstrap(
        (values,), statistic, method=method.replace("bca", "BCa"), n_resamples=6000, rng=rng(3)
    )
    assert got.mean == pytest.approx(statistic(values))
    tolerance = 0.3 * exact.standard_error
    assert got.low == pytest.approx(exact.confidence_interval.low, abs=tolerance)
    assert got.high == pytest.approx(exact.confidence_interval.high, abs=tolerance)


def test_bca_moves_the_percentiles_of_a_skewed_statistic() -> None:
    """For the variance of few exponentials both ends have to move up."""
    values = rng().exponential(10, 25)
    percentile = stats.bootstrap(values, np.var, rng(2), method="percentile")
    corrected = stats.bootstrap(values, np.var, rng(2), method="bca")
    assert corrected.low > percentile.low
    assert corrected.high > percentile.high


def test_bootstrap_is_repeatable_and_survives_equal_values() -> None:
    values = rng().normal(size=20)
    one, two = (stats.bootstrap(values, np.median, rng(5)) for _ in range(2))
    assert one == two
    same = stats.bootstrap([4.0] * 10, np.mean, rng())
    assert same == Estimate(4.0, 4.0, 4.0, 10)


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(12.345, 11.945, 12.745, 9), "12.3 ± 0.4"),
        (Estimate(12.345, 12.205, 12.485, 9), "12.35 ± 0.14"),
        (Estimate(123456.0, 120456.0, 126456.0, 9), "123000 ± 3000"),
        (Estimate(-0.00123, -0.00143, -0.00103, 9), "-0.0012 ± 0.0002"),
        (Estimate(0.0, -50.0, 50.0, 9), "0 ± 50"),
        (Estimate(1.0, 0.9, 3.0, 9), "1.0 [0.9, 3.0]"),
        (Estimate(7.5, 7.5, 7.5, 9), "7.5 ± 0"),
        (Estimate(7.5, -math.inf, math.inf, 1), "7.5 (n = 1)"),
    ],
)
def test_an_estimate_prints_itself(estimate: Estimate, text: str) -> None:
    assert str(estimate) == text


def test_an_estimate_is_frozen_and_serialises() -> None:
    estimate = stats.mean([1, 2, 4])
    assert msgspec.json.decode(msgspec.json.encode(estimate), type=Estimate) == estimate
    with pytest.raises(AttributeError):
        estimate.mean = 3.0  # type: ignore[misc]


def test_one_observation_says_nothing_about_its_spread() -> None:
    for one in (stats.mean([3]), stats.bootstrap([3], np.mean, rng())):
        assert one == Estimate(3.0, -math.inf, math.inf, 1)


@given(SAMPLES, st.lists(st.floats(0, 1), max_size=5))
def test_quantiles_are_type_7(values: list[float], at: list[float]) -> None:
    """Hyndman & Fan: h = (n - 1) q, interpolated between the order statistics around it."""
    ordered = sorted(values)
    for q, got in zip(at, stats.quantiles(values, at), strict=True):
        h = (len(values) - 1) * q
        below = ordered[math.floor(h)]
        exact = below + (h - math.floor(h)) * (ordered[math.ceil(h)] - below)
        assert got == pytest.approx(exact, rel=1e-9, abs=1e-6)
    assert stats.quantile(values, 1) == ordered[-1]


# Objectives of schedules


def test_objectives_of_a_schedule_by_hand() -> None:
    completion, release, due = [4, 9, 10, 3], [0, 2, 5, 1], [5, 6, math.inf, 3]
    assert stats.flow_time(completion, release).tolist() == [4, 7, 5, 2]
    assert stats.lateness(completion, due).tolist() == [-1, 3, -math.inf, 0]
    assert stats.tardiness(completion, due).tolist() == [0, 3, 0, 0]
    assert stats.weighted_tardiness(completion, due, [9, 2, 1, 1]) == 6
    assert stats.max_lateness(completion, due) == 3
    assert stats.number_late(completion, due) == 1
    assert stats.max_lateness([1, 2], [5, 5]) == -3
    assert stats.slowdown([4, 8, 5], [4, 2, 1]).tolist() == [1, 4, 5]
    assert stats.slowdown([4, 8, 5], [4, 2, 1], bound=10).tolist() == [1, 1, 1]
    assert stats.utilisation([5, 20], 10, [1, 4]).tolist() == [0.5, 0.5]
    assert stats.utilisation([5, 10], 10).tolist() == [0.5, 1.0]


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 9)),
        min_size=1,
        max_size=20,
    )
)
def test_objectives_agree_with_loops(jobs: list[tuple[int, int, int]]) -> None:
    completion, due, weight = zip(*jobs, strict=True)
    assert stats.weighted_tardiness(completion, due, weight) == sum(
        w * max(0, c - d) for c, d, w in jobs
    )
    assert stats.max_lateness(completion, due) == max(c - d for c, d, _ in jobs)
    assert stats.number_late(completion, due) == sum(c > d for c, d, _ in jobs)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.flow_time([1], [2]), r"flow time\[0\] = -1 is below 0"),
        (lambda: stats.flow_time([1, 2], [0]), "completion 2, release 1"),
        (lambda: stats.weighted_tardiness([1], [2], [-1]), r"weight\[0\] = -1"),
        (lambda: stats.slowdown([1], [0]), "without processing time"),
        (lambda: stats.utilisation([11], 10), "resource 0 was busy 1.1 of the time"),
        (lambda: stats.utilisation([1], 0), "must be positive"),
        (lambda: stats.utilisation([1], 5, 0), "must be positive"),
        (lambda: stats.jain([1, -1]), r"shares\[1\] = -1 is below 0"),
        (lambda: stats.mean([[1, 2]]), "one dimension"),
        (lambda: stats.mean([1, math.inf]), r"values\[1\] is inf"),
        (lambda: stats.mean([1, 2], 1.0), "confidence must be between 0 and 1"),
        (lambda: stats.mean([1, 2], method="z"), "method must be 't' or 'normal'"),  # type: ignore[arg-type]
        (lambda: stats.bootstrap([1, 2], np.mean, rng(), method="t"), "method must be"),  # type: ignore[arg-type]
        (lambda: stats.bootstrap([1, 2], np.mean, rng(), resamples=0), "resamples must be"),
        (lambda: stats.quantile([1, 2], 1.5), r"in \[0, 1\]"),
        (lambda: stats.t_quantile(1.0, 3), "probability must be"),
        (lambda: stats.t_quantile(0.9, 0), "freedom must be at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "function",
    [
        stats.mean,
        lambda x: stats.paired(x, x),
        lambda x: stats.bootstrap(x, np.mean, rng()),
        lambda x: stats.quantiles(x, [0.5]),
        lambda x: stats.flow_time(x, x),
        lambda x: stats.lateness(x, x),
        lambda x: stats.weighted_tardiness(x, x, x),
        lambda x: stats.slowdown(x, x),
        lambda x: stats.utilisation(x, 10),
        stats.jain,
        stats.max_min_ratio,
        stats.gini,
    ],
)
def test_empty_input_and_nan_are_refused(function: Callable[[Any], object]) -> None:
    with pytest.raises(ValueError, match="is empty"):
        function([])
    with pytest.raises(ValueError, match=r"\[1\] is nan"):
        function([1.0, math.nan, 2.0])


# Fairness


@given(SHARES, st.floats(1e-3, 1e3))
def test_fairness_does_not_depend_on_scale_or_order(shares: list[float], scale: float) -> None:
    scaled = [share * scale for share in shares]
    for index in (stats.jain, stats.gini):
        assert index(scaled[::-1]) == pytest.approx(index(shares), abs=1e-9)
    n = len(shares)
    assert 1 / n - 1e-12 <= stats.jain(shares) <= 1 + 1e-12
    assert 0 <= stats.gini(shares) <= 1 - 1 / n + 1e-12
    assert stats.max_min_ratio(shares) >= 1


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=15).filter(any))
def test_fairness_agrees_with_the_definitions(shares: list[int]) -> None:
    n, total = len(shares), sum(shares)
    assert stats.jain(shares) == pytest.approx(total**2 / (n * sum(x * x for x in shares)))
    differences = sum(abs(x - y) for x in shares for y in shares)
    assert stats.gini(shares) == pytest.approx(differences / (2 * n * total), abs=1e-12)


def test_fairness_at_its_ends() -> None:
    for equal in ([5, 5, 5], [0, 0], [7], [1e-300, 1e-300], [1e300, 1e300]):
        assert stats.jain(equal) == pytest.approx(1)
        assert stats.max_min_ratio(equal) == 1
        assert stats.gini(equal) == pytest.approx(0)
    assert stats.jain([0, 0, 0, 9]) == 0.25
    assert stats.gini([0, 0, 0, 9]) == 0.75
    assert stats.max_min_ratio([0, 9]) == math.inf
    assert stats.max_min_ratio([2, 3, 8]) == 4
