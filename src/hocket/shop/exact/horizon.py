"""How late a best schedule can end: the end of the time line that the model has to cover.

All objectives are regular (later completions never help), so there is a best schedule in which
nothing can start earlier with the same sequences. In it, take the operations by their starts: each
begins at the latest when all before it are done, plus its setup and the wait for opening hours. The
sum of these steps, each at its worst, bounds the end.

In a no-wait shop take the spells in which no job runs: in some best schedule none is so long that
the next job could be moved into it, setups included. So there is at most one spell per job, no
longer than the job's worst wait for hours in which it fits, plus the job itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import merge
from itertools import pairwise
from math import lcm

import msgspec

from hocket.core.disturb.calendars import Calendar, union
from hocket.core.errors import NotApplicable
from hocket.shop.exact.openings import Windows, windows
from hocket.shop.exact.plan import Placed
from hocket.shop.model.arrays import Setups, ShopArrays
from hocket.shop.model.jobshop import Job, JobShop

_MOST_PERIODS = 10_000
"""Calendars whose common period is longer than so many of their periods are refused."""


def horizon(
    shop: JobShop,
    data: ShopArrays,
    setups: Setups,
    jobs: Sequence[int],
    past: dict[int, Placed],
    now: int,
) -> int:
    """A tick by which a best schedule of `jobs` from `now` on is done, if there is a schedule."""
    begin = max([now, *(shop.jobs[j].release for j in jobs), *(p.finish for p in past.values())])
    calendars = [m.calendar for m in shop.machines]
    left = [o for j in jobs for o in range(data.first[j], data.first[j + 1]) if o not in past]
    setup = [max(table.values(), default=0) for table in setups]
    # One tick at least, because even work of no length waits for the machine to open.
    work = sum(max(max(d, 1) + setup[m] for m, d in data.choices[o]) for o in left)
    if all(calendar is None for calendar in calendars):
        return begin + work
    if shop.no_wait:
        waiting = [j for j in jobs if data.first[j] not in past]
        return begin + sum(_turnaround(data, calendars, j, begin, max(setup)) for j in waiting)
    steps = sum(max(setup[m] + _worst(calendars[m], d) for m, d in data.choices[o]) for o in left)
    end = _with_holidays(begin, steps, calendars)
    return _all_open(begin, work, calendars, end)


def _worst(calendar: Calendar | None, work: int) -> int:
    """The longest that `work` can take from any moment, without regard to holidays.

    The worst moment is a closing time: the wait comes first, and pauses as early as they can.
    """
    if calendar is None:
        return work
    regular = msgspec.structs.replace(calendar, closed=())
    return max(regular.finish(end, max(work, 1)) - end for _, end in calendar.open)


def _with_holidays(begin: int, steps: int, calendars: list[Calendar | None]) -> int:
    """Add the time to make up for what holidays take, as long as they begin before the end."""
    lost = sorted(
        (
            start,
            _worst(c, msgspec.structs.replace(c, closed=()).work_between(max(start, begin), end)),
        )
        for c in calendars
        if c is not None
        for start, end in c.closed
        if end > begin
    )
    last = begin + steps
    for start, ticks in lost:
        if start < last:
            last += ticks
    return last


def _all_open(begin: int, work: int, calendars: list[Calendar | None], latest: int) -> int:
    """When all machines have been open together for `work` ticks, or `latest` if that is earlier.

    Whenever all are open, some operation is at work or some machine is set up.
    """
    at, left = begin, work
    for start, end in merge(*(c.closures(latest) for c in calendars if c is not None)):
        if start - at >= left:
            break
        left -= max(0, start - at)
        at = max(at, end)
    return min(at + left, latest)


def _turnaround(
    data: ShopArrays, calendars: list[Calendar | None], job: int, begin: int, setup: int
) -> int:
    """The most that an uninterrupted job adds: the spell without work before it, and itself.

    If it fits nowhere, the model is infeasible whatever the horizon; the answer then leaves room
    for the reason, which is not a lack of time. Raises NotApplicable.
    """
    line = range(data.first[job], data.first[job + 1])
    used = [calendars[m] for m in sorted({m for o in line for m, _ in data.choices[o]})]
    length = sum(max(d for _, d in data.choices[o]) for o in line)
    known = [c for c in used if c is not None]
    if not known:
        return 2 * (setup + length)
    period = lcm(*(c.period for c in known))
    if period > _MOST_PERIODS * max(c.period for c in known):
        raise NotApplicable(
            f"the calendars of job {data.jobs[job]!r} repeat together only every {period} ticks; "
            "choose periods with a smaller common multiple"
        )
    regular_from = max([begin, *(end for c in known for _, end in c.closed)])
    until = regular_from + 2 * period + length
    starts = [(a, b) for a, b in _starts(data, calendars, line, until) if b > begin]
    if not starts:
        return until - begin
    gaps = [starts[0][0] - begin, *(after[0] - before[1] for before, after in pairwise(starts))]
    return max(0, *gaps) + 2 * (setup + length)


def _starts(
    data: ShopArrays, calendars: list[Calendar | None], line: Iterable[int], until: int
) -> Windows:
    """When the operations of `line` can begin so that all run through without a pause."""
    opened = [[(0, until)] if c is None else windows(c.closures(until), until) for c in calendars]
    following: Windows = [(0, until + 1)]
    for o in reversed(list(line)):
        fitting: Windows = []
        for m, d in data.choices[o]:
            fits = [(a, b - max(d - 1, 0)) for a, b in opened[m] if b - a >= max(d, 1)]
            fitting += _both(fits, [(a - d, b - d) for a, b in following])
        following = union(fitting)
    return following


def _both(one: Windows, other: Windows) -> Windows:
    """The intersection of two sets of ticks."""
    found, i, j = [], 0, 0
    while i < len(one) and j < len(other):
        start, end = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if start < end:
            found.append((start, end))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return found


def useful_end(
    objective: str, jobs: Sequence[Job], lengths: Sequence[int], value: int
) -> int | None:
    """The latest end in any schedule at least as good as `value`; None where that has no limit.

    `lengths` are lower bounds of the jobs' flow times.
    """
    if objective == "makespan":
        return value
    if objective in ("total_flow_time", "weighted_flow_time"):
        weights = [1 if objective == "total_flow_time" else job.weight for job in jobs]
        if not all(weights):
            return None
        spare = value - sum(w * n for w, n in zip(weights, lengths, strict=True))
        rows = zip(jobs, lengths, weights, strict=True)
        return max(job.release + n + spare // w for job, n, w in rows)
    if objective == "late_jobs" or any(job.due is None for job in jobs):
        return None
    if objective == "weighted_tardiness":
        if not all(job.weight for job in jobs):
            return None
        return max((job.due or 0) + value // job.weight for job in jobs)
    return max((job.due or 0) + value for job in jobs)
