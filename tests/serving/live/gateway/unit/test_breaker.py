"""The circuit breaker, on a virtual clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.live.gateway.health import Breaker


def opened(at: int = 0) -> Breaker:
    breaker = Breaker(failures=3, recovery=100)
    for _ in range(3):
        breaker.failed(at)
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(failures=3, recovery=100)
    for _ in range(10):
        breaker.failed(0)
        breaker.failed(0)
        assert breaker.state(0) == "closed" and breaker.allows(0)
        breaker.succeeded()
    for _ in range(3):
        breaker.failed(5)
    assert breaker.state(5) == "open" and not breaker.allows(5)


def test_after_recovery_it_lets_one_through() -> None:
    breaker = opened(at=50)
    assert not breaker.allows(149)
    assert breaker.state(150) == "half-open" and breaker.allows(150)
    breaker.began(150)
    assert not breaker.allows(150) and not breaker.allows(10_000)


def test_the_trial_closes_it() -> None:
    breaker = opened()
    breaker.began(100)
    breaker.succeeded()
    assert breaker.state(100) == "closed"
    breaker.failed(101)
    breaker.failed(101)
    assert breaker.allows(101)  # it counts from nothing again


def test_the_trial_opens_it_for_another_recovery() -> None:
    breaker = opened()
    breaker.began(100)
    breaker.failed(130)
    assert breaker.state(229) == "open" and breaker.state(230) == "half-open"
    assert breaker.allows(230)


def test_a_trial_without_a_verdict_makes_way_for_another() -> None:
    breaker = opened()
    breaker.began(100)
    breaker.withdrawn()
    assert breaker.state(100) == "half-open" and breaker.allows(100)


def test_what_was_sent_before_does_not_put_recovery_off() -> None:
    breaker = opened(at=0)
    for now in range(0, 100, 10):
        breaker.failed(now)
    assert breaker.state(100) == "half-open"


STEPS = st.lists(
    st.tuples(st.sampled_from(["began", "failed", "succeeded", "withdrawn"]), st.integers(0, 60))
)


@given(STEPS, st.integers(1, 4), st.integers(1, 100))
def test_whatever_happens_it_is_open_only_for_its_recovery(
    steps: list[tuple[str, int]], failures: int, recovery: int
) -> None:
    breaker, now, row = Breaker(failures, recovery), 0, 0
    for what, later in steps:
        now += later
        before = breaker.state(now)
        if what == "began":
            breaker.began(now)
        elif what == "failed":
            breaker.failed(now)
            row = row + 1 if before != "open" else row
        elif what == "succeeded":
            breaker.succeeded()
            row = 0
        else:
            breaker.withdrawn()
        if row < failures:
            assert breaker.state(now) == "closed"
        assert breaker.state(now + recovery) != "open"
        assert (
            breaker.allows(now)
            is (
                breaker.state(now) == "closed"
                or (breaker.state(now) == "half-open" and what != "began")
            )
            or breaker.state(now) == "half-open"
        )


def test_who_begins_every_answer_and_ends_none_is_left_alone_too() -> None:
    breaker = Breaker(failures=3, recovery=100)
    for _ in range(3):
        breaker.began(0)
        breaker.answering()
        breaker.failed(0)
    assert breaker.state(0) == "open"
    breaker.began(100)
    breaker.answering()  # the trial is over as soon as it answers
    assert breaker.state(100) == "closed" and breaker.allows(100)
    breaker.failed(100)
    assert breaker.state(100) == "open"
    breaker.began(200)
    breaker.answering()
    breaker.succeeded()
    breaker.failed(200)
    assert breaker.state(200) == "closed"
