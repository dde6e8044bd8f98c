"""Opening hours as the model sees them, against the calendar's own arithmetic."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hocket.core.disturb.calendars import Calendar
from hocket.shop.exact.openings import pauses, pieces, windows

HORIZON = 120


@st.composite
def calendars(draw):
    period = draw(st.integers(4, 30))
    cuts = sorted(draw(st.sets(st.integers(0, period), min_size=2, max_size=6)))
    opens = tuple(zip(cuts[::2], cuts[1::2], strict=False))
    starts = draw(st.lists(st.integers(0, HORIZON), max_size=2))
    closed = tuple((a, a + draw(st.integers(1, 15))) for a in starts)
    return Calendar(period=period, open=opens, closed=closed)


@given(calendars())
def test_windows_are_the_open_ticks(calendar):
    opened = windows(calendar.closures(HORIZON), HORIZON)
    ticks = {t for a, b in opened for t in range(a, b)}
    assert ticks == {t for t in range(HORIZON) if calendar.is_open(t)}
    assert all(a < b for a, b in opened)
    assert all(b < c for (_, b), (c, _) in pairwise(opened))


@given(calendars(), st.integers(0, 25))
def test_pauses_say_when_work_ends(calendar, work):
    """Every open start whose end the windows hold, once, with the interruption it brings."""
    opened = windows(calendar.closures(HORIZON), HORIZON)
    found = {
        t: pause
        for pause, spans in pauses(opened, work).items()
        for a, b in spans
        for t in range(a, b)
    }
    assert sum(b - a for spans in pauses(opened, work).values() for a, b in spans) == len(found)
    last = max((b for _, b in opened), default=0)
    want = {
        t: calendar.finish(t, work) - t - work
        for t in range(HORIZON)
        if calendar.is_open(t) and calendar.finish(t, work) <= last
    }
    assert found == want


@given(calendars(), st.integers(0, 60), st.integers(0, 60))
def test_pieces_are_the_open_parts(calendar, start, length):
    opened = windows(calendar.closures(HORIZON), HORIZON)
    parts = pieces(opened, start, start + length)
    ticks = [t for a, b in parts for t in range(a, b)]
    assert ticks == [t for t in range(start, start + length) if calendar.is_open(t)]


def test_always_open():
    assert pieces(None, 3, 7) == [(3, 7)]
    assert windows(iter(()), 9) == [(0, 9)]
