"""When a resource is open: shifts that repeat, and holidays or maintenance that do not."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate

import msgspec

from hocket.core.scenario import Ticks

Interval = tuple[int, int]
"""Ticks ``[start, end)``: open at start, over at end."""


class Calendar(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="calendar",
    dict=True,
):
    """Open during `open` of every `period`, except during `closed`.

    `open` holds intervals within ``[0, period)``, sorted and apart from each other or touching, at
    least one; `closed` holds intervals in absolute ticks, in any order, overlapping if they like.
    All are ``[start, end)``. Two shifts of a day in minutes, and a day off::

        Calendar(period=1440, open=((360, 840), (840, 1320)), closed=((4320, 5760),))

    Every query costs a logarithm of the number of intervals and of the time spanned: nothing walks
    along the ticks or the shifts.
    """

    period: Ticks
    open: tuple[tuple[Ticks, Ticks], ...]
    closed: tuple[tuple[Ticks, Ticks], ...] = ()

    def __post_init__(self) -> None:
        if self.period < 1:
            raise ValueError(f"period must be at least 1 tick, not {self.period}")
        if not self.open:
            raise ValueError("open must hold at least one interval, or work could never be done")
        before = 0
        for i, (start, end) in enumerate(self.open):
            if not before <= start < end <= self.period:
                raise ValueError(
                    f"open[{i}] = ({start}, {end}) must not be empty, must start at {before} or "
                    f"later, and must end by the period, {self.period}"
                )
            before = end
        for i, (start, end) in enumerate(self.closed):
            if start >= end:
                raise ValueError(f"closed[{i}] = ({start}, {end}) is empty: end must exceed start")

    def is_open(self, time: int) -> bool:
        """Whether work can be done during the tick that begins at `time`."""
        return self._worked(time + 1) > self._worked(time)

    def next_open(self, time: int) -> int:
        """The first tick at or after `time` that is open."""
        return self.finish(time, 1) - 1

    def next_close(self, time: int) -> int | None:
        """The first tick at or after `time` that is not open; None if there is none."""
        always = self._worked_in_period == self.period
        if always and not any(end > time for _, end in self._holidays):
            return None
        return _first(lambda t: t + 1 - self._worked(t + 1) > time - self._worked(time), time)

    def finish(self, start: int, work: int) -> int:
        """The tick at which `work` ticks of work, begun at `start`, are done.

        Work waits while closed and resumes afterwards. It ends at the end of an open tick, so the
        answer may be a closing time; without work it is `start` itself.
        """
        if work < 0:
            raise ValueError(f"work must be at least 0 ticks, not {work}")
        goal = self._worked(start) + work
        return _first(lambda t: self._worked(t) >= goal, start)

    def work_between(self, start: int, end: int) -> int:
        """How many ticks of ``[start, end)`` are open; negative if end is before start."""
        return self._worked(end) - self._worked(start)

    def closures(self, until: int) -> Iterator[Interval]:
        """Yield the closed intervals that begin in ``[0, until)``, each as long as it gets."""
        time = self.next_close(0)
        while time is not None and time < until:
            end = self.next_open(time)
            yield time, end
            time = self.next_close(end)

    # Everything above follows from one function: the open ticks of [0, time), negated for negative
    # times. It never decreases, so its inverse is found by bisection.

    def _worked(self, time: int) -> int:
        """The open ticks of ``[0, time)``, up to a constant: what matters is the difference."""
        i = bisect_right(self._holiday_starts, time) - 1
        if i < 0:
            return self._regular(time)
        start, end = self._holidays[i]
        missed = self._regular(min(time, end)) - self._regular(start)
        return self._regular(time) - self._missed_before[i] - missed

    def _regular(self, time: int) -> int:
        """The open ticks of ``[0, time)`` if there were no closed intervals."""
        periods, rest = divmod(time, self.period)
        i = bisect_right(self.open, (rest, self.period)) - 1
        worked = periods * self._worked_in_period
        if i < 0:
            return worked
        start, end = self.open[i]
        return worked + self._open_before[i] + min(rest, end) - start

    @cached_property
    def _open_before(self) -> tuple[int, ...]:
        """The open ticks of a period before each open interval."""
        return tuple(accumulate((end - start for start, end in self.open), initial=0))

    @property
    def _worked_in_period(self) -> int:
        return self._open_before[-1]

    @cached_property
    def _holidays(self) -> tuple[Interval, ...]:
        return tuple(union(self.closed))

    @cached_property
    def _holiday_starts(self) -> tuple[int, ...]:
        return tuple(start for start, _ in self._holidays)

    @cached_property
    def _missed_before(self) -> tuple[int, ...]:
        """The regularly open ticks lost to the closed intervals before each."""
        lost = (self._regular(end) - self._regular(start) for start, end in self._holidays)
        return tuple(accumulate(lost, initial=0))


def union(intervals: Sequence[Interval]) -> list[Interval]:
    """The union of intervals in any order, sorted and apart."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _first(holds: Callable[[int], bool], start: int) -> int:
    """The first integer from `start` on at which `holds`; once true, it must stay true."""
    if holds(start):
        return start
    low, step = start, 1
    while not holds(low + step):
        low, step = low + step, 2 * step
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
