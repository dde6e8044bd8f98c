"""A schedule with its objective, a proven bound, a status, and a checker's verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from hocket.core.scenario import Scenario
from hocket.core.timeline import Timeline

Status = Literal["optimal", "feasible", "infeasible", "unknown"]

OnImprovement = Callable[[float, float | None, float | None], None]
"""Called as ``progress(seconds, objective or None, bound or None)`` while a solver works."""


Row = dict[str, Any]
"""One row of evidence: what was looked at, and what came of it; numbers, texts or None."""


class Violation(msgspec.Struct, frozen=True):
    """A constraint that a schedule breaks: the rule's short name, and what happened where."""

    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.message}"


class Step(msgspec.Struct, frozen=True):
    """One improvement of a solver: when (seconds), the objective and the bound then known."""

    seconds: float
    value: float | None
    bound: float | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen, where a solver chooses more than a schedule.

    `policy`, as plain data, is to run on `scenario`; None: on the scenario that was solved.
    `steps` are what to do to the real system, in order; `advice` is told to people, in lines.
    """

    policy: dict[str, Any]
    scenario: Scenario | None = None
    steps: tuple[Row, ...] = ()
    advice: tuple[str, ...] = ()


class Solution(msgspec.Struct, frozen=True, kw_only=True):
    """What a solver found and proved.

    `value` is None when there is no schedule; `bound` never exceeds the optimum, or never falls
    short of it where the objective is `maximised`; `violations` is what the independent checker
    found, so a sound solution has none. `reason` explains an infeasible or empty-handed outcome;
    `interrupted` says that Ctrl-C ended the search before the time limit. `evidence` has a row for
    everything that was looked at, where that is told, `shown` are the columns of it that a table
    has room for; `plan` is what was chosen.
    """

    scenario: str
    objective: str
    status: Status
    value: float | None = None
    bound: float | None = None
    timeline: Timeline | None = None
    violations: tuple[Violation, ...] = ()
    solver: str = ""
    seconds: float = 0.0
    log: tuple[Step, ...] = ()
    reason: str = ""
    interrupted: bool = False
    maximised: bool = False
    evidence: tuple[Row, ...] = ()
    shown: tuple[str, ...] = ()
    plan: Plan | None = None

    @property
    def feasible(self) -> bool:
        """Whether there is a schedule and the independent checker accepts it."""
        return self.timeline is not None and not self.violations

    @property
    def gap(self) -> float | None:
        """How far value and bound are apart, as a share of the value; None if either is unknown."""
        if self.value is None or self.bound is None:
            return None
        if self.value == self.bound:
            return 0.0
        apart = self.bound - self.value if self.maximised else self.value - self.bound
        return apart / max(abs(self.value), 1e-9)
