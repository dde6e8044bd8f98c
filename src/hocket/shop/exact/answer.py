"""What every method of this package is given, and what it gives back."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from hocket.core.solution import OnImprovement, Status, Step
from hocket.core.timeline import Timeline

Stop = Callable[[], bool]
"""Asked now and then; True ends the search."""


ENDED = {False: "the limit was reached", True: "interrupted"}
"""Why a search ended without a proof, by whether it was interrupted."""


class Limits(msgspec.Struct, frozen=True):
    """Begin of the solve (`time.perf_counter`), limits in seconds and cores, listeners."""

    begun: float
    time_limit: float
    seed: int
    workers: int
    progress: OnImprovement | None = None
    stop: Stop | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the solve began."""
        return time.perf_counter() - self.begun

    @property
    def left(self) -> float:
        """Seconds left."""
        return max(0.0, self.time_limit - self.elapsed)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a method found and proved; see `Solution` for the fields."""

    status: Status
    solver: str
    timeline: Timeline | None = None
    bound: float | None = None
    log: tuple[Step, ...] = ()
    reason: str = ""
    interrupted: bool = False


class Journal:
    """The improvements of all methods that take part in a solve, on one clock."""

    def __init__(self, limits: Limits) -> None:
        """Times count from the begin of the solve."""
        self.limits = limits
        self.value: float | None = None
        self.bound: float | None = None
        self.log: list[Step] = []

    def note(self, value: float | None, bound: float | None) -> None:
        """Keep what is better than before, and tell the listener if anything is."""
        better = value is not None and (self.value is None or value < self.value)
        tighter = bound is not None and (self.bound is None or bound > self.bound)
        if not better and not tighter:
            return
        self.value = value if better else self.value
        self.bound = bound if tighter else self.bound
        step = Step(self.limits.elapsed, self.value, self.bound)
        self.log.append(step)
        if self.limits.progress is not None:
            self.limits.progress(step.seconds, step.value, step.bound)
