"""What chance decides in a shop, drawn from named streams; and how long to bear with it."""

from __future__ import annotations

import math

import numpy as np

from hocket.core.errors import InputError, Problem
from hocket.core.streams import Streams
from hocket.shop.model.arrays import ShopArrays
from hocket.shop.model.jobshop import JobShop


def releases(shop: JobShop, streams: Streams) -> list[int]:
    """When each job arrives (ticks): as given, or drawn from the scenario's arrival process.

    Raises InputError where recorded arrivals are fewer than the jobs.
    """
    if shop.arrivals is None:
        return [job.release for job in shop.jobs]
    times = shop.arrivals.times(streams["arrivals"], count=len(shop.jobs))
    if len(times) < len(shop.jobs):
        told = f"{len(times)} arrivals are too few for {len(shop.jobs)} jobs"
        raise InputError(shop.name or "job shop", [Problem("arrivals", told)])
    return [int(time) for time in times]


def durations(shop: JobShop, data: ShopArrays, streams: Streams) -> list[dict[int, int]]:
    """The real duration of each operation on each of its machines (ticks)."""
    if shop.noise is None:
        return [dict(pairs) for pairs in data.choices]
    real: list[dict[int, int]] = []
    for j, name in enumerate(data.jobs):
        pairs = data.choices[data.first[j] : data.first[j + 1]]
        nominal = np.array([d for choice in pairs for _, d in choice], np.int64)
        drawn = iter(shop.noise.sample(streams[f"job.{name}.durations"], nominal).tolist())
        real += [{m: next(drawn) for m, _ in choice} for choice in pairs]
    return real


def patience(shop: JobShop) -> int:
    """After so many ticks without work, what has not moved never will.

    Opening hours repeat after the common period of all calendars, once their dated closures are
    over; a thousand of the longest period are granted at most. Breakdowns follow no period: a
    thousand mean cycles of the slowest machine are granted.
    """
    calendars = [m.calendar for m in shop.machines if m.calendar is not None]
    periods = [c.period for c in calendars] or [0]
    hours = min(2 * math.lcm(*periods), 1000 * max(periods))
    dated = max((end for c in calendars for _, end in c.closed), default=0)
    cycles = [b.mean_up + b.mean_down for m in shop.machines if (b := m.breakdowns) is not None]
    return hours + dated + 1000 * math.ceil(max(cycles, default=0))
