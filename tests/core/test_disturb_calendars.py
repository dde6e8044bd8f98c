"""Calendars against a loop over the ticks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.disturb import Calendar

SHIFTS = Calendar(period=1440, open=((360, 840), (840, 1320)), closed=((4320, 5760),))
SPAN = 120


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    period = draw(st.integers(1, 14))
    bounds = st.lists(st.integers(0, period), min_size=2, max_size=6).map(sorted)
    pairs = draw(
        bounds.map(lambda b: [(s, e) for s, e in list(pairwise(b))[::2] if s < e]).filter(bool)
    )
    closed = st.tuples(st.integers(-5, 60), st.integers(1, 30)).map(lambda c: (c[0], c[0] + c[1]))
    return Calendar(
        period=period, open=tuple(pairs), closed=tuple(draw(st.lists(closed, max_size=4)))
    )


def opened(calendar: Calendar, tick: int) -> bool:
    """The definition."""
    regular = any(start <= tick % calendar.period < end for start, end in calendar.open)
    return regular and not any(start <= tick < end for start, end in calendar.closed)


@settings(max_examples=200, deadline=None)
@given(calendars(), st.integers(-20, SPAN), st.integers(0, SPAN))
def test_queries_agree_with_a_loop_over_ticks(calendar: Calendar, time: int, other: int) -> None:
    assert calendar.is_open(time) == opened(calendar, time)
    assert calendar.work_between(time, time + other) == sum(
        opened(calendar, tick) for tick in range(time, time + other)
    )
    tick = time
    while not opened(calendar, tick):
        tick += 1
    assert calendar.next_open(time) == tick
    closing = [tick for tick in range(time, 400) if not opened(calendar, tick)]
    assert calendar.next_close(time) == (closing[0] if closing else None)


@settings(max_examples=200, deadline=None)
@given(calendars(), st.integers(-20, SPAN), st.integers(0, 40))
def test_finish_agrees_with_working_tick_by_tick(calendar: Calendar, start: int, work: int) -> None:
    tick, left = start, work
    while left:
        left -= opened(calendar, tick)
        tick += 1
    assert calendar.finish(start, work) == tick
    assert calendar.work_between(start, tick) == work


@settings(max_examples=200, deadline=None)
@given(calendars(), st.integers(0, SPAN))
def test_closures_are_exactly_the_closed_ticks(calendar: Calendar, until: int) -> None:
    closures = list(calendar.closures(until))
    ticks = {tick for start, end in closures for tick in range(start, end)}
    assert {t for t in ticks if t < until} == {t for t in range(until) if not opened(calendar, t)}
    assert all(0 <= start < until for start, _ in closures)
    assert all(end < start for (_, end), (start, _) in pairwise(closures))
    assert all(opened(calendar, end) for _, end in closures)


def test_two_shifts_and_a_day_off() -> None:
    assert not SHIFTS.is_open(359)
    assert SHIFTS.is_open(360)
    assert SHIFTS.next_close(400) == 1320
    assert SHIFTS.finish(1300, 30) == 1440 + 360 + 10
    assert SHIFTS.finish(1300, 20) == 1320
    assert SHIFTS.next_open(2 * 1440 + 1320) == 4 * 1440 + 360
    assert SHIFTS.work_between(0, 7 * 1440) == 6 * 960
    assert list(SHIFTS.closures(1440)) == [(0, 360), (1320, 1800)]


def test_a_year_of_work_takes_no_walk_along_the_ticks() -> None:
    """A microsecond calendar over 10^12 shifts: only arithmetic can answer."""
    day = 86_400_000_000
    calendar = Calendar(period=day, open=((day // 4, day // 2),))
    assert calendar.finish(0, 10**12 * (day // 4)) == (10**12 - 1) * day + day // 2


def test_always_open_never_closes() -> None:
    calendar = Calendar(period=5, open=((0, 2), (2, 5)), closed=((7, 9),))
    assert calendar.next_close(0) == 7
    assert calendar.next_close(8) == 8
    assert calendar.next_close(9) is None
    assert list(calendar.closures(1000)) == [(7, 9)]


def test_read_from_a_file_compared_and_hashed() -> None:
    text = (
        '{"kind": "calendar", "period": 1440, "open": [[360, 840], [840, 1320]],'
        ' "closed": [[4320, 5760]]}'
    )
    calendar = msgspec.json.decode(text, type=Calendar)
    calendar.finish(0, 5)
    assert calendar == SHIFTS
    assert hash(calendar) == hash(SHIFTS)
    assert msgspec.json.decode(msgspec.json.encode(calendar), type=Calendar) == SHIFTS


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"period": 0, "open": ((0, 1),)}, "period must be at least 1"),
        ({"period": 9, "open": ()}, "at least one interval"),
        ({"period": 9, "open": ((2, 2),)}, r"open\[0\] = \(2, 2\)"),
        ({"period": 9, "open": ((0, 10),)}, r"open\[0\] .* end by the period, 9"),
        ({"period": 9, "open": ((0, 4), (3, 6))}, r"open\[1\] .* start at 4 or later"),
        ({"period": 9, "open": ((0, 4),), "closed": ((5, 5),)}, r"closed\[0\] .* is empty"),
    ],
)
def test_bad_calendars_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Calendar(**fields)


def test_negative_work_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0 ticks"):
        SHIFTS.finish(0, -1)
