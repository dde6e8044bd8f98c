"""The time of a search: by the clock on the wall, or by the solver's measure of work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from hocket.cluster.packing.case import NOWHERE, At
from hocket.cluster.packing.options import Options
from hocket.core.solution import OnImprovement, Step
from hocket.solvers.cpsat import Outcome, minimize

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel, IntVar

CALL, VARIABLE = 0.004, 5e-6
"""Seconds that a call of the solver takes beside its search, and for every variable."""


class Clock:
    """Runs from its making. Of two clocks that measure work, equal searches are equally long."""

    def __init__(
        self,
        options: Options,
        stop: Callable[[], bool] | None = None,
        progress: OnImprovement | None = None,
    ) -> None:
        """`stop` is asked about ten times a second; `progress` is told of improvements."""
        self.options = options
        self.stop, self.progress = stop, progress
        self.interrupted = False
        self.log: list[Step] = []
        self.best: At | None = None
        """The last assignment that was told."""
        self._began = time.perf_counter()
        self._work = 0.0

    @property
    def spent(self) -> float:
        """Seconds since it was made."""
        if self.options.clock == "work":
            return self._work
        return time.perf_counter() - self._began

    @property
    def left(self) -> float:
        """Seconds until the limit; 0 once the search is interrupted."""
        if not self.interrupted and self.stop is not None and self.stop():
            self.interrupted = True
        return 0.0 if self.interrupted else max(self.options.time_limit - self.spent, 0.0)

    @property
    def over(self) -> bool:
        """Whether even what is quick must end: at an interrupt, or when the wall clock is past.

        A limit of work does not end it, so that heuristics give the same on every machine.
        """
        return self.left <= 0 and (self.interrupted or self.options.clock == "wall")

    def work(self, seconds: float) -> None:
        """Count work that is done outside the solver; the clock on the wall sees it anyway."""
        self._work += seconds

    def told(self, at: At) -> None:
        """Note the best assignment now, and how many pods wait in it."""
        self.best, waiting = at, int((at == NOWHERE).sum())
        if not self.log or self.log[-1].value != waiting:
            self.log.append(Step(self.spent, waiting, None))
            if self.progress is not None:
                self.progress(self.spent, waiting, None)

    def solve(
        self,
        model: CpModel,
        seconds: float,
        hint: list[tuple[IntVar, int]],
        workers: int | None = None,
    ) -> Outcome:
        """Minimise within so many seconds, or what is left of all."""
        options = self.options
        limit = min(seconds, self.left)
        wall = options.clock == "wall"
        outcome = minimize(
            model,
            time_limit=limit if wall or limit <= 0 else None,
            deterministic_limit=None if wall else limit,
            workers=workers or options.workers,
            seed=options.seed,
            stop=self.stop,
            hint=hint,
        )
        self._work += outcome.work + CALL + VARIABLE * len(model.proto.variables)
        self.interrupted = self.interrupted or outcome.interrupted
        return outcome
