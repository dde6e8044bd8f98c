"""The order of questions about a grid of fleets, against looking at all of it."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.capacity.fleet import Counts
from hocket.serving.capacity.grid import Grid
from hocket.serving.capacity.probe import Limit

LIMITS: tuple[Limit, ...] = ("ttft", "tpot", "e2e", "all together")


def play(grid: Grid, meets: dict[Counts, bool], limit: Limit = "ttft") -> list[Counts]:
    """Ask until nothing is open; no question may be asked twice, or be known already."""
    asked: list[Counts] = []
    while (counts := grid.ask()) is not None:
        for before in asked:
            more = all(map(int.__ge__, counts, before))
            fewer = all(map(int.__le__, counts, before))
            assert not (more and meets[before]) and not (fewer and not meets[before])
        asked.append(counts)
        grid.tell(counts, meets[counts], limit)
    return asked


@st.composite
def monotone_sets(draw: st.DrawFn) -> tuple[int, dict[Counts, bool], tuple[int, ...]]:
    """Fleets that meet the SLO: all that have at least as many as one of a few."""
    axes, most = draw(st.integers(1, 2)), draw(st.integers(1, 8))
    point = st.tuples(*[st.integers(1, most + 1)] * axes)
    corners = draw(st.lists(point, max_size=4))
    points = itertools.product(range(1, most + 1), repeat=axes)
    meets = {p: any(all(map(int.__ge__, p, c)) for c in corners) for p in points}
    prices = draw(st.tuples(*[st.integers(1, 4)] * axes))
    return most, meets, prices


@given(
    monotone_sets(),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.one_of(st.just(math.inf), st.integers(1, 40).map(float)),
    st.sampled_from(LIMITS),
)
def test_the_cheapest_is_found_whatever_the_hint(
    case: tuple[int, dict[Counts, bool], tuple[int, ...]],
    hint: tuple[int, int],
    limit: float,
    told: Limit,
) -> None:
    most, meets, each = case

    def price(counts: Counts) -> float:
        return float(sum(map(int.__mul__, counts, each)))

    grid = Grid(price, len(each), most, hint[: len(each)], limit)
    play(grid, meets, told)
    good = [price(counts) for counts, met in meets.items() if met]
    affordable = [p for p in good if p <= limit]
    assert (grid.best is None) == (not affordable)
    if grid.best is not None:
        assert meets[grid.best] and price(grid.best) == min(affordable)
    assert grid.floor() <= min(good, default=math.inf)
    if not affordable:  # what is left open costs more than the limit
        assert grid.floor() > limit or (math.isinf(limit) and math.isinf(grid.floor()))


@pytest.mark.parametrize("needed", [1, 2, 7, 63, 64])
def test_a_right_hint_takes_two_questions(needed: int) -> None:
    grid = Grid(lambda counts: float(counts[0]), 1, 64, (needed,), math.inf)
    asked = play(grid, {(n,): n >= needed for n in range(1, 65)})
    assert grid.best == (needed,)
    assert sorted(asked) == ([(1,)] if needed == 1 else [(needed - 1,), (needed,)])


def test_a_losing_configuration_takes_one_question() -> None:
    """Up to the price to beat, the largest fleet decides if more is expected to be needed."""
    grid = Grid(lambda counts: 2.0 * counts[0], 1, 16, (9,), 10.0)
    assert play(grid, {(n,): n >= 9 for n in range(1, 17)}) == [(5,)]
    assert (grid.best, grid.floor()) == (None, 12.0)


def test_a_fleet_of_the_price_to_beat_is_looked_at() -> None:
    """1 x 0.3 + 3 x 0.1 are 0.6, though not in binary."""
    each = (0.3, 0.1)

    def price(counts: Counts) -> float:
        return round(sum(count * one for count, one in zip(counts, each, strict=True)), 9)

    grid = Grid(price, 2, 3, (1, 3), 0.6)
    play(grid, {p: p[1] == 3 for p in itertools.product((1, 2, 3), repeat=2)})
    assert grid.best == (1, 3)


@pytest.mark.parametrize("most", [16, 64])
def test_few_questions_even_without_a_hint(most: int) -> None:
    for needed in itertools.product((1, most // 3, most), repeat=2):
        grid = Grid(lambda counts: float(sum(counts)), 2, most, (1, 1), math.inf)
        points = itertools.product(range(1, most + 1), repeat=2)
        meets = {p: all(map(int.__ge__, p, needed)) for p in points}
        assert len(play(grid, meets)) <= 5 * math.log2(most)
        assert grid.best == needed
