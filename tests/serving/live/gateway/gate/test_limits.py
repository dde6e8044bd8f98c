"""Token buckets, on a clock that the tests turn."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.live.gateway.limits import SECOND, TokenBucket

rates = st.fractions(Fraction(1, 60), 1000, max_denominator=60)
bursts = st.fractions(1, 500, max_denominator=60)


def test_closed_forms() -> None:
    """2 a second, 5 at once: 5 at tick 0, then one every half second."""
    bucket = TokenBucket(2, 5)
    assert [bucket.take(1, 0) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.wait(1, 0) == SECOND // 2
    assert not bucket.take(1, SECOND // 2 - 1)
    assert bucket.take(1, SECOND // 2)
    assert bucket.wait(3, SECOND) == SECOND  # one is there, two are missing
    assert bucket.level(60 * SECOND) == 5
    assert bucket.full(60 * SECOND)


def test_a_third_of_a_request_per_second_is_three_seconds_to_the_tick() -> None:
    bucket = TokenBucket(Fraction(1, 3), 1)
    for place in range(1000):
        now = place * 3 * SECOND
        assert bucket.take(1, now)
        assert bucket.wait(1, now) == 3 * SECOND
        assert bucket.wait(1, now + 3 * SECOND - 1) == 1


def test_what_is_spent_afterwards_leaves_a_debt() -> None:
    bucket = TokenBucket(10, 100)
    bucket.spend(150, 0)
    assert bucket.level(0) == -50
    assert bucket.wait(1, 0) == 5.1 * SECOND
    bucket.spend(-51, 0)
    assert bucket.take(1, 0)
    bucket.spend(-10_000, 0)
    assert bucket.level(0) == 100


def test_more_than_the_burst_needs_a_full_bucket() -> None:
    bucket = TokenBucket(10, 100)
    assert bucket.take(300, 0)
    assert bucket.wait(300, 0) == 30 * SECOND
    assert not bucket.take(300, 30 * SECOND - 1)
    assert bucket.take(300, 30 * SECOND)


def test_very_slow_rates_are_rates() -> None:
    """One a year, as a float."""
    year = 365 * 86400
    bucket = TokenBucket(1 / year, 1)
    assert bucket.take(1, 0)
    assert bucket.wait(1, 0) == pytest.approx(year * SECOND)


def test_a_clock_that_steps_back_gives_nothing_twice() -> None:
    bucket = TokenBucket(1, 1)
    assert bucket.take(1, 10 * SECOND)
    assert not bucket.take(1, 9 * SECOND)
    assert not bucket.take(1, 10 * SECOND + SECOND // 2)
    assert bucket.take(1, 11 * SECOND)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0), (-1, 1), (1, -2.5)])
def test_rates_are_positive(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        TokenBucket(rate, burst)


asked = st.lists(
    st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 400), st.booleans()), max_size=60
)


@given(rates, bursts, asked)
def test_never_more_than_burst_and_rate_allow(
    rate: Fraction, burst: Fraction, asked: list[tuple[int, int, bool]]
) -> None:
    """Also what was spent afterwards counts, by the time anything is taken again."""
    bucket = TokenBucket(rate, burst)
    exact_rate, exact_burst = Fraction(rate), Fraction(burst)
    now = taken = 0
    for gap, amount, spend in asked:
        now += gap
        if spend:
            bucket.spend(amount, now)
            taken += amount
        elif bucket.take(min(amount, int(exact_burst)), now):
            taken += min(amount, int(exact_burst))
            assert taken <= exact_burst + exact_rate * Fraction(now, SECOND)


@given(rates, bursts, asked)
def test_the_wait_is_exact(
    rate: Fraction, burst: Fraction, asked: list[tuple[int, int, bool]]
) -> None:
    bucket = TokenBucket(rate, burst)
    now = 0
    for gap, amount, spend in asked:
        now += gap
        if spend:
            bucket.spend(amount, now)
            continue
        wait = bucket.wait(amount, now)
        if wait:
            assert bucket.wait(amount, now + wait - 1) == 1
            now += wait
        assert bucket.take(amount, now)
