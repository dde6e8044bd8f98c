"""The same requests in less time, or more: how a rate is varied without another trace."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from msgspec.structs import replace

from hocket.core.disturb.arrivals import Deterministic, GammaArrivals, Poisson, TraceArrivals
from hocket.core.errors import UserError
from hocket.core.scenario import LONGEST
from hocket.serving.workload.arrivals import Arrivals, Bursts, Profile, Rate
from hocket.serving.workload.llumnix import Llumnix
from hocket.serving.workload.synthetic import ClosedLoop
from hocket.serving.workload.trace import Trace

W = TypeVar("W")


def faster(workload: W, factor: float) -> W:
    """The workload with `factor` times as many arrivals per second, everything else the same.

    Arrivals are moved closer together; lengths, order, think times stay. Raises UserError for a
    closed loop, which has clients instead of a rate, and for a factor that is not positive.
    """
    if not (math.isfinite(factor) and factor > 0):
        raise UserError(f"a factor of the rate is a positive number, not {factor!r}")
    if isinstance(workload, ClosedLoop) or (isinstance(workload, Trace) and workload.clients):
        raise UserError("a closed loop has no rate to change: vary its number of clients")
    if isinstance(workload, Trace):
        return replace(workload, arrival=_sooner(workload.arrival, factor))
    if isinstance(workload, Llumnix):
        return replace(workload, rate=workload.rate * factor)
    changed: Any = workload
    found: W = replace(changed, arrivals=_faster(changed.arrivals, factor))
    return found


def _faster(process: Arrivals, factor: float) -> Arrivals:
    if isinstance(process, Rate | Poisson | GammaArrivals):
        return replace(process, rate=process.rate * factor)
    if isinstance(process, Bursts):
        return replace(process, rate=process.rate * factor, peak=process.peak * factor)
    if isinstance(process, Profile):
        steps = tuple(replace(step, rate=step.rate * factor) for step in process.steps)
        return replace(process, steps=steps)
    if isinstance(process, Deterministic):
        interval = max(1, round(process.interval / factor))
        return replace(process, interval=interval, offset=round(process.offset / factor))
    return TraceArrivals(at=_sooner(process.at, factor))


def _sooner(ticks: tuple[int, ...], factor: float) -> tuple[int, ...]:
    """Rounded, so that none passes another. Raises UserError for times beyond a scenario's."""
    found = tuple(round(at / factor) for at in ticks)
    if found and found[-1] > LONGEST:
        raise UserError(f"{factor:g} times the rate spreads the log over more than 2^40 ticks")
    return found
