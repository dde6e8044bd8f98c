"""One solve after the other on the same model, each result binding those that follow."""

from __future__ import annotations

from hocket.cluster.packing.case import At
from hocket.cluster.packing.clock import Clock
from hocket.cluster.packing.model import Model, Sum
from hocket.cluster.packing.score import ANY, Bounds, score
from hocket.solvers.cpsat import Outcome


class Stages:
    """The parts of the score in turn: places of the first tier, its disruption, and so on.

    - `best`: the last assignment found, None before the first; a stage without a solution leaves it
    - `given`: what the parts so far are bound to be at least, `ANY` for one that was left out
    """

    def __init__(self, model: Model, clock: Clock, bounds: Bounds, best: At | None = None) -> None:
        """Starting, if there is one, from an assignment that meets all constraints."""
        self.model, self.clock, self.bounds = model, clock, bounds
        self.best = best
        self.given: tuple[int, ...] = ()

    def solve(self, goal: Sum, *, maximise: bool, seconds: float) -> bool:
        """Whether a solution was found, which then is the best and binds the next stages."""
        cp, sign = self.model.cp, 1 if maximise else -1
        if goal.variables:
            cp.minimize(-sign * goal.expression)
        else:
            cp.clear_objective()
        hint = self.model.stays() if self.best is None else self.model.hint(self.best)
        outcome = self.clock.solve(cp, seconds, hint)
        self._learn(goal, sign, outcome)
        if not outcome.found:
            return False
        self.best = self.model.assignment(outcome)
        self.bind(goal, maximise=maximise, exactly=outcome.status == "optimal")
        return True

    def bind(self, goal: Sum, *, maximise: bool, exactly: bool) -> None:
        """The part is to stay as it is in the best assignment, or may get better."""
        assert self.best is not None
        value = score(self.model.case, self.best).parts[len(self.given)]
        expression = goal.expression if maximise else -goal.expression
        self.model.cp.add(expression == value if exactly else expression >= value)
        self.given = (*self.given, value)
        self.clock.told(self.best)

    def skip(self, least: int = ANY) -> None:
        """Leave a part out. It binds nothing, unless it cannot be less than `least`."""
        self.given = (*self.given, least)

    def _learn(self, goal: Sum, sign: int, outcome: Outcome) -> None:
        part = len(self.given)
        if outcome.status == "infeasible" and not self.given:
            self.bounds.hopeless = True
        elif not goal.variables:
            self.bounds.prove(part, sign * goal.constant, self.given)
        elif outcome.bound is not None:
            self.bounds.prove(part, -round(outcome.bound), self.given)
