"""Distributions of lengths: published numbers, closed forms, caps."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats

from hocket.core.streams import Streams
from hocket.serving.workload import (
    DIST_1,
    DIST_2,
    DIST_3,
    Distribution,
    Empirical,
    Fixed,
    Geometric,
    LogNormal,
    Pairs,
    Separate,
    Uniform,
    Zipf,
)
from hocket.serving.workload.llumnix import PUBLISHED_SEED, llumnix_lengths

MANY = 20_000
SURE = 1e-4  # a sound distribution fails a test of this size once in ten thousand seeds


def drawn(distribution: Distribution, size: int = MANY) -> np.ndarray:
    return distribution.draw(np.random.default_rng(7), size)


@pytest.mark.parametrize(
    ("mean", "first", "second"),
    [
        (128, (38, 113, 413, 1464), (35, 103, 411, 1540)),
        (256, (32, 173, 1288, 4208), (30, 175, 1350, 4295)),
        (512, (55, 582, 3113, 5166), (52, 615, 3153, 5054)),
    ],
)
def test_llumnix_lengths_have_the_percentiles_of_its_table(mean, first, second):
    rng = np.random.RandomState(PUBLISHED_SEED)
    for expected in (first, second):
        lengths = llumnix_lengths(rng, mean, 10_000)
        found = np.percentile(lengths, [50, 80, 95, 99])
        assert [int(value) for value in found] == list(expected)
        assert lengths.max() <= 6144
        assert lengths.mean() == pytest.approx(mean, rel=0.01)


def test_past_future_lengths_stay_in_their_bounds_and_reach_them():
    bounds = {
        DIST_1: ((32, 4096), (2048, 4096)),
        DIST_2: ((3000, 5000), (3000, 5000)),
        DIST_3: ((2048, 4096), (32, 4096)),
    }
    for lengths, sides in bounds.items():
        for column, (low, high) in zip(lengths.draw_pairs(Streams(1), 100_000), sides, strict=True):
            assert (column.min(), column.max()) == (low, high)
            sigma = (high - low) / math.sqrt(12 * len(column))
            assert abs(column.mean() - (low + high) / 2) < 5 * sigma


def test_uniform_lengths_are_uniform():
    counts = np.bincount(drawn(Uniform(low=3, high=12)), minlength=13)[3:]
    assert stats.chisquare(counts).pvalue > SURE


def test_zipf_lengths_follow_their_law():
    zipf = Zipf(exponent=1.3, high=20)
    weights = np.arange(1, 21) ** -1.3
    counts = np.bincount(drawn(zipf), minlength=21)[1:]
    assert stats.chisquare(counts, MANY * weights / weights.sum()).pvalue > SURE


def test_lognormal_lengths_have_their_percentiles_and_mean():
    lengths = LogNormal(median=1730, p90=5696)
    found = drawn(lengths, 200_000)
    assert np.median(found) == pytest.approx(1730, rel=0.02)
    assert np.percentile(found, 90) == pytest.approx(5696, rel=0.02)
    assert found.mean() == pytest.approx(1730 * math.exp(lengths.sigma**2 / 2), rel=0.02)
    normal = (np.log(found) - math.log(1730)) / lengths.sigma
    assert stats.kstest(normal[:5000], "norm").pvalue > SURE


def test_geometric_lengths_follow_their_law():
    found = drawn(Geometric(mean=5.5))
    assert stats.kstest(found, stats.geom(1 / 5.5).cdf).statistic < 0.2  # discrete: a coarse bound
    counts = np.bincount(np.minimum(found, 15), minlength=16)[1:]
    law = stats.geom(1 / 5.5)
    expected = [law.pmf(k) for k in range(1, 15)]
    expected.append(1 - sum(expected))
    assert stats.chisquare(counts, MANY * np.array(expected)).pvalue > SURE


def test_pairs_keep_rows_whole():
    pairs = Pairs(prompt=(10, 20, 30), output=(1, 2, 3))
    prompt, output = pairs.draw_pairs(Streams(0), 3000)
    assert np.array_equal(prompt, 10 * output)
    assert stats.chisquare(np.bincount(output)[1:]).pvalue > SURE
    cut, same = Pairs(prompt=(10, 20, 30), output=(1, 2, 3), prompt_cap=15).draw_pairs(
        Streams(0), 3000
    )
    assert np.array_equal(cut, np.minimum(prompt, 15))
    assert np.array_equal(same, output)


DISTRIBUTIONS = st.one_of(
    st.builds(Fixed, tokens=st.integers(1, 10**6)),
    st.builds(Zipf, exponent=st.floats(0, 5), high=st.integers(1, 1000)),
    st.builds(
        lambda low, more, cap: Uniform(low=low, high=low + more, cap=cap),
        st.integers(1, 1000),
        st.integers(0, 1000),
        st.none() | st.integers(1, 500),
    ),
    st.builds(
        lambda median, times, cap: LogNormal(median=median, p90=median * times, cap=cap),
        st.floats(1, 1e5),
        st.floats(1, 100),
        st.none() | st.integers(1, 500),
    ),
    st.builds(
        Empirical,
        values=st.lists(st.integers(1, 10**6), min_size=1).map(tuple),
        cap=st.none() | st.integers(1, 500),
    ),
)


@given(DISTRIBUTIONS, st.integers(0, 200))
@settings(max_examples=150, deadline=None)
def test_every_length_is_at_least_one_and_at_most_the_cap(distribution, size):
    assert not list(distribution.problems("x"))
    found = drawn(distribution, size)
    assert found.dtype == np.int64
    assert found.shape == (size,)
    assert np.all(found >= 1)
    assert np.all(found <= (getattr(distribution, "cap", None) or 2**31))
    again = distribution.draw(np.random.default_rng(7), size)
    assert np.array_equal(found, again)


@pytest.mark.parametrize(
    "wrong",
    [
        Uniform(low=5, high=4),
        LogNormal(median=10, p90=9),
        Empirical(values=()),
        Pairs(prompt=(1,), output=(1, 2)),
        Pairs(prompt=(), output=()),
        Separate(prompt=Uniform(low=5, high=4), output=Fixed(tokens=1)),
    ],
)
def test_contradictions_are_problems(wrong):
    problems = list(wrong.problems("workload.lengths"))
    assert problems
    assert all(problem.path.startswith("workload.lengths") for problem in problems)
