"""Search for the scenario on which one policy loses most to another.

Simulated annealing over scenarios, after PISA (Coleman and Krishnamachari, "Comparing task graph
scheduling algorithms: an adversarial approach", 2024): change a little at random, keep what makes
the ratio of the two policies' objectives larger, and now and then what does not. A mean over a
benchmark hides such scenarios; their ratio is a lower bound of how bad it can get.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import msgspec
import numpy as np

from hocket.core import registry
from hocket.core.domain import ProblemType
from hocket.core.errors import NotApplicable, UnknownName, UserError
from hocket.core.policy import Policy
from hocket.core.run import applicable, require_applicable
from hocket.core.scenario import Scenario
from hocket.core.streams import Streams

CHAIN = 500
"""Moves of one cooling; then the search starts again, from elsewhere if it may choose."""

HOT, COLD = 0.3, 0.003
"""Temperatures, as relative losses of ratio: at HOT one of 30 % is kept every third time or so."""


class Neighbourhood(Protocol):
    """What a domain offers for the search: the room `near` of a problem."""

    def start(self, rng: np.random.Generator) -> Scenario:
        """A small random scenario."""

    def change(self, scenario: Scenario, rng: np.random.Generator) -> Scenario:
        """A sound scenario that differs a little."""


class Worst(msgspec.Struct, frozen=True, kw_only=True):
    """What was found: a scenario, and what the objective is for the policy that loses and wins.

    `ratio` is ``loses / wins``; `log` has (moves, ratio) for every improvement; `moves` counts the
    scenarios that were tried; `interrupted` says that the search was ended early.
    """

    scenario: Scenario
    objective: str
    loses: float
    wins: float
    ratio: float
    moves: int
    log: tuple[tuple[int, float], ...]
    interrupted: bool = False


def search(
    loser: Policy,
    winner: Policy,
    *,
    start: Scenario | None = None,
    objective: str | None = None,
    moves: int = 2000,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Worst:
    """The scenario near `start`, or near random ones, with the largest ``loser / winner``.

    Both policies meet the same random numbers. `progress` is called as ``(moves, of, ratio)``. The
    result depends on nothing but the arguments. Ctrl-C, or `stop`, ends it with the best so far.
    Raises NotApplicable where the problem offers no changes or a policy cannot schedule it.
    """
    if moves < 1:
        raise UserError(f"the search makes at least 1 move, not {moves}")
    problem = _problem(loser, winner, start)
    objective = objective or problem.objectives[0]
    if objective not in problem.objectives:
        raise UnknownName("objective", objective, problem.objectives)
    if start is not None:
        require_applicable(start, loser)
        require_applicable(start, winner)
    hunt = _Hunt(problem, loser, winner, objective, Streams(seed)["adversary"], seed)
    try:
        for done in range(moves):
            if stop is not None and stop() and hunt.best is not None:
                hunt.interrupted = True
                break
            if done % CHAIN == 0:
                hunt.restart(start)
            hunt.move(HOT * (COLD / HOT) ** (done % CHAIN / CHAIN))
            if progress is not None:
                progress(done + 1, moves, hunt.ratio)
    except KeyboardInterrupt:
        if hunt.best is None:
            raise
        hunt.interrupted = True
    return hunt.result()


def _problem(loser: Policy, winner: Policy, start: Scenario | None) -> ProblemType:
    if start is not None:
        problem = registry.problem_type(start)
        if not problem.near:
            raise NotApplicable(f"{problem.name} offers no small changes to search through")
        return problem
    for tag in loser.problems:
        if tag in winner.problems:
            problem = registry.problem_type(tag)
            if problem.near:
                return problem
    raise NotApplicable(f"{loser.name} and {winner.name} share no problem that can be searched")


class _Hunt:
    """Where the search stands."""

    def __init__(
        self,
        problem: ProblemType,
        loser: Policy,
        winner: Policy,
        objective: str,
        rng: np.random.Generator,
        seed: int,
    ) -> None:
        self.near: Neighbourhood = problem.get("near")
        self.simulate, self.metrics = problem.get("simulate"), problem.get("metrics")
        self.loser, self.winner, self.objective = loser, winner, objective
        self.rng, self.seed = rng, seed
        self.moves = 0
        self.at: Scenario | None = None
        self.here = 0.0
        self.best: tuple[float, float, float, Scenario] | None = None
        self.log: list[tuple[int, float]] = []
        self.interrupted = False

    @property
    def ratio(self) -> float:
        """The best so far."""
        return self.best[0] if self.best else 0.0

    def restart(self, start: Scenario | None) -> None:
        self.at = start if start is not None else self.near.start(self.rng)
        self.here = self._look(self.at)

    def move(self, temperature: float) -> None:
        if self.at is None:
            return
        other = self.near.change(self.at, self.rng)
        self.moves += 1
        ratio = self._look(other)
        loss = (self.here - ratio) / max(self.here, 1e-12)
        if loss <= 0 or self.rng.random() < math.exp(-loss / temperature):
            self.at, self.here = other, ratio

    def _look(self, scenario: Scenario) -> float:
        """The ratio on a scenario, 0 where there is none; keeps the best."""
        if not (applicable(scenario, self.loser) and applicable(scenario, self.winner)):
            return 0.0
        loses, wins = self._value(scenario, self.loser), self._value(scenario, self.winner)
        if not (math.isfinite(loses) and math.isfinite(wins) and wins > 0):
            return 0.0
        ratio = loses / wins
        if self.best is None or ratio > self.best[0]:
            self.best = ratio, loses, wins, scenario
            self.log.append((self.moves, ratio))
        return ratio

    def _value(self, scenario: Scenario, policy: Policy) -> float:
        timeline = self.simulate(scenario, policy, seed=self.seed)
        return float(self.metrics(scenario, timeline)[self.objective])

    def result(self) -> Worst:
        if self.best is None:
            why = "no scenario on which both policies reach a positive value was found"
            raise UserError(f"{why}; give one to start from")
        ratio, loses, wins, scenario = self.best
        return Worst(
            scenario=scenario,
            objective=self.objective,
            loses=loses,
            wins=wins,
            ratio=ratio,
            moves=self.moves,
            log=tuple(self.log),
            interrupted=self.interrupted,
        )
