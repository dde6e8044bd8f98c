"""What the network is told of each rival for a machine.

Times are as in `situation`. "Long" ones, which grow with the instance, are given twice, also as
shares of the bound: the makespan cannot be below it in this state (the longest job, or the Jackson
bound of a machine).
"""

from __future__ import annotations

import numpy as np

from hocket.learn.batch import Bools, Floats, Ints
from hocket.shop.neural.building import TRACE, Building, Conflicts, jackson
from hocket.shop.neural.instances import AHEAD
from hocket.shop.neural.situation import (
    FAR,
    ZERO,
    Lanes,
    Rivals,
    at,
    turned,
)

LIMIT = np.float32(10)
"""No feature is larger, nor below minus this: in shops unlike those of the training, a few extreme
ones would otherwise drown the rest."""

FEATURES = 76


def features(building: Building, conflicts: Conflicts, lanes: Lanes, rivals: Rivals) -> Floats:
    """The features of each rival, lane after lane: shape (C, FEATURES)."""
    columns = [
        *_own(building, lanes, rivals),
        *_waiting(conflicts, lanes, rivals),
        *_coming(building, lanes, rivals),
        *_machine(building, lanes, rivals),
        *_later(building, lanes, rivals),
        *_next(building, lanes, rivals),
        *_context(building, conflicts, lanes, rivals),
    ]
    table = np.stack(columns, dtype=np.float32, casting="same_kind").clip(-LIMIT, LIMIT)
    return np.ascontiguousarray(table.T)


def _own(b: Building, lanes: Lanes, r: Rivals) -> list[Floats]:
    """The operation and its job."""
    return [
        r.work,
        r.start,
        r.end - lanes.first[r.lane],
        r.start - at(lanes.free, r.machine, r.lane),
        r.rest * r.share,
        (r.rest - r.work) * r.share,
        b.instances.follow[r.place] / LIMIT,
        *_long(r.bound - r.start - r.rest, r),
    ]


def _waiting(conflicts: Conflicts, lanes: Lanes, r: Rivals) -> list[Floats]:
    """The other jobs whose next operation is on the machine: how much would this delay them?"""
    here = lanes.here.take(r.lane, 1) & ~r.mine
    delay = np.maximum(r.end - r.their_start, ZERO) * here
    done = (r.their_start + delay + r.their_rest) * here
    late = np.maximum(done - r.bound, ZERO)
    rivals = turned(conflicts.rivals.take(r.lane, 0)) & ~r.mine
    others = np.maximum(rivals.sum(0), 1)
    return [
        *_long(done.max(0) - r.bound, r),
        late.sum(0),
        late.max(0),
        delay.sum(0) * np.float32(0.3),
        delay.max(0),
        _count(delay > TRACE) / _count(lanes.alive)[r.lane],
        _count(rivals & (r.rest < r.their_rest)) / others,
        _count(rivals & (r.work > r.their_work)) / others,
        _count(rivals & (r.start > r.their_start)) / others,
        *_long(r.rest - (r.their_rest * here).max(0), r),
        r.work - (r.their_work + FAR * ~rivals).min(0),
    ]


def _coming(b: Building, lanes: Lanes, r: Rivals) -> list[Floats]:
    """All other jobs that still have work on the machine, if nothing holds them up before."""
    work, arrival, rest = _arrivals(b, r, r.machine)
    coming = work > TRACE
    delay = np.maximum(r.end - arrival, ZERO) * coming
    done = (arrival + delay + rest) * coming
    return [
        *_long(done.max(0) - r.bound, r),
        np.maximum(done - r.bound, ZERO).sum(0),
        delay.sum(0) * np.float32(0.3),
        _count(delay > TRACE) / _count(lanes.alive)[r.lane],
        (arrival + FAR * ~coming).min(0) - r.end,
    ]


def _machine(b: Building, lanes: Lanes, r: Rivals) -> list[Floats]:
    """The machine, if this operation is the next on it."""
    c = b.instances
    row = _row(b.sorted, r.whole, r.machine)
    row[c.rank[r.of, r.machine, r.job], np.arange(len(r.job))] = 0
    over = jackson(row, _row(c.tail, r.of, r.machine))
    done = np.maximum(r.end + over, r.start + r.rest)
    load = at(lanes.load, r.machine, r.lane)
    return [
        *_long(done - r.bound, r),
        *_long(r.bound - r.end - (load - r.work), r),
        load / lanes.most[r.lane],
        *_long(r.bound - at(lanes.by_tail, r.machine, r.lane), r),
    ]


def _later(b: Building, lanes: Lanes, r: Rivals) -> list[Floats]:
    """The machines that the job visits afterwards: how loaded are they?"""
    count, n = b.on.shape[1:]
    begin = r.whole * (count * n) + r.job
    later = b.on.reshape(-1).take(begin + np.arange(0, count * n, n)[:, None])
    later[r.machine, np.arange(len(r.job))] -= r.work
    weight = later / np.maximum(r.rest - r.work, np.float32(1e-3))
    by_load = np.where(lanes.busy, np.minimum(lanes.bound - lanes.by_load, 100), np.float32(100))
    by_tail = np.where(lanes.busy, np.minimum(lanes.bound - lanes.by_tail, 100), np.float32(100))
    slack = by_tail.take(r.lane, 1)
    return [
        (weight * lanes.load.take(r.lane, 1)).sum(0) / lanes.most[r.lane],
        (weight * by_load.take(r.lane, 1)).sum(0) * r.share,
        (weight * slack).sum(0) * r.share,
        (slack + 100 * (later <= TRACE)).min(0) * r.share,
    ]


def _next(b: Building, lanes: Lanes, r: Rivals) -> list[Floats]:
    """The job's next operations: does a machine wait for them, or would they have to wait?"""
    c, columns, arrival = b.instances, [], r.end
    for k in range(1, AHEAD + 1):
        machine = c.machine.take(r.place + k)
        exists = machine < c.M
        work, free = c.work.take(r.place + k), at(lanes.free, machine, r.lane)
        begin = np.maximum(arrival, free)
        slack = (r.bound - begin - at(lanes.load, machine, r.lane)) * r.share
        by_tail = (r.bound - at(lanes.by_tail, machine, r.lane)) * r.share
        columns += [
            exists.astype(np.float32),
            work,
            (arrival - free) * exists,
            at(lanes.queue, machine, r.lane) * np.float32(0.3) * exists,
            np.where(exists, slack, np.float32(1)),
            np.where(exists, by_tail, np.float32(1)),
        ]
        if k < AHEAD:
            others, when, _ = _arrivals(b, r, machine)
            before = others * (when < arrival - TRACE)
            soonest = (when + FAR * (others <= TRACE)).min(0)
            columns += [
                before.sum(0) * np.float32(0.3),
                (np.minimum(arrival, soonest) - free) * exists,
                (arrival - soonest) * exists,
            ]
        arrival = np.where(exists, begin, arrival) + work
    return columns


def _context(b: Building, conflicts: Conflicts, lanes: Lanes, r: Rivals) -> list[Floats]:
    """The same for all rivals of a lane: what kind of shop this is, and how far it has come."""
    c, of = b.instances, b.of[conflicts.lanes]
    alive, busy = _count(lanes.alive), np.maximum(_count(lanes.busy), 1)
    share = 1 / lanes.bound
    columns = [
        1 - b.done[conflicts.lanes] / c.count[of],
        np.log(c.jobs[of] / c.machines[of]),
        conflicts.rivals.sum(1) / 5,
        alive / c.jobs[of],
        lanes.by_job.max(0) * share,
        lanes.by_tail.max(0) * share,
        lanes.by_load.max(0) * share,
        _count(lanes.here) / alive,
        lanes.by_tail.sum(0) / busy * share,
        lanes.by_load.sum(0) / busy * share,
        lanes.by_job.sum(0) / alive * share,
        lanes.bound * np.float32(0.05),
        np.log(alive),
    ]
    return [column[r.lane] for column in columns]


def _arrivals(b: Building, r: Rivals, machine: Ints) -> tuple[Floats, Floats, Floats]:
    """By job and rival: work left on a machine (of others), arrival there, work from there on."""
    work = _row(b.on, r.whole, machine) * ~r.mine
    rest = _row(b.instances.from_there, r.of, machine)
    return work, r.their_start + r.their_rest - rest, rest


def _row(values: Floats, lane: Ints, machine: Ints) -> Floats:
    """One row of each of some lanes, of shape (lanes, M + 1, n): shape (n, rows)."""
    count, n = values.shape[1:]
    return turned(values.reshape(-1, n).take(lane * count + machine, 0))


def _count(mask: Bools) -> Floats:
    counted: Floats = mask.sum(0, dtype=np.float32)
    return counted


def _long(time: Floats, r: Rivals) -> tuple[Floats, Floats]:
    """A time as a share of the bound, and in mean durations."""
    return time * r.share, time
