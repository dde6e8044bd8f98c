"""Cutting a stage anew: the numbers, and what every part has to do."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.cluster.sharing.partition import advised, cut

TICKS = st.lists(st.integers(0, 50), min_size=1, max_size=12)


def work_up_to(tasks: list[int], share: Fraction) -> Fraction:
    """The work in the first `share` of the data, task by task."""
    done = Fraction(0)
    for k, ticks in enumerate(tasks):
        begin, end = Fraction(k, len(tasks)), Fraction(k + 1, len(tasks))
        inside = max(min(share, end) - begin, Fraction(0))
        done += ticks * inside / (end - begin)
    return done


@given(tasks=TICKS, parts=st.integers(1, 40))
def test_sums_of_the_first_parts_are_off_by_half_a_tick_at_most(
    tasks: list[int], parts: int
) -> None:
    pieces = cut(tasks, parts)
    assert len(pieces) == parts
    assert sum(pieces) == sum(tasks)
    assert min(pieces) >= 0
    for k, done in enumerate(accumulate(pieces), 1):
        off = done - work_up_to(tasks, Fraction(k, parts))
        assert Fraction(-1, 2) < off <= Fraction(1, 2)


@given(tasks=TICKS, parts=st.integers(1, 5))
def test_as_many_parts_as_before_or_a_divisor_only_join(tasks: list[int], parts: int) -> None:
    assert cut(tasks, len(tasks)) == tuple(tasks)
    joined = cut(tasks * parts, len(tasks))
    many = tasks * parts
    assert joined == tuple(sum(many[k * parts : (k + 1) * parts]) for k in range(len(tasks)))


def test_skew_stays_where_it_was() -> None:
    assert cut([10, 10, 40], 6) == (5, 5, 5, 5, 20, 20)
    assert cut([5], 2) == (3, 2)  # halves up
    assert cut([1], 3) == (0, 1, 0)


@pytest.mark.parametrize(
    ("work", "tasks", "cores", "parts"),
    [
        (111_115, 32, 32, 222),  # Loop1000 of the published experiments: 222 tasks of 500 ms
        (111_115, 500, 32, 222),
        (1_523, 16, 32, 16),  # Loop20: no fewer than it has
        (1_523, 40, 32, 32),  # but no more than there are cores
        (499, 1, 32, 1),
        (0, 1, 4, 1),
        (10**12, 1, 4, 1_000_000),
    ],
)
def test_how_many_parts_are_advised(work: int, tasks: int, cores: int, parts: int) -> None:
    assert advised(work, Fraction(500), tasks, cores) == parts
