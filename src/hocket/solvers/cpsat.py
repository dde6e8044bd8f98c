"""Minimise a CP-SAT model of OR-Tools: limits, progress, Ctrl-C and the reason when there is none.

The search runs in a thread of its own while the calling thread waits and listens, so that Ctrl-C,
`stop` and errors of `progress` end the search at once and the best solution found is kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

import msgspec

from hocket.core.errors import HocketError
from hocket.core.extras import need
from hocket.core.solution import OnImprovement, Status, Step

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel, CpSolver, IntVar

_POLL = 0.1
"""How often (seconds) the waiting thread asks `stop`."""


def cp_model() -> Any:
    """OR-Tools' module ``cp_model``, imported when first used; raises MissingExtra."""
    return need("ortools.sat.python.cp_model", "solve")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found and proved; ``outcome[variable]`` is a value in the best solution.

    - `value`: the objective of the best solution, None when none was found
    - `bound`: never exceeds the optimum; None when nothing is proved
    - `log`: the improvements of value and bound, in order
    - `reason`: why the search ended without a proof, or that there is no solution
    - `interrupted`: whether Ctrl-C or `stop` ended the search
    - `branches`: how many branches the search explored
    - `work`: the solver's own measure of what it did, which `deterministic_limit` limits
    """

    status: Status
    value: float | None = None
    bound: float | None = None
    log: tuple[Step, ...] = ()
    reason: str = ""
    interrupted: bool = False
    seconds: float = 0.0
    values: tuple[int, ...] = ()
    branches: int = 0
    work: float = 0.0

    @property
    def found(self) -> bool:
        """Whether there is a solution to read values from."""
        return self.value is not None

    def hint(self, model: CpModel) -> list[tuple[IntVar, int]]:
        """The best solution as the start of another search on the same model."""
        return [
            (model.get_int_var_from_proto_index(i), value) for i, value in enumerate(self.values)
        ]

    def __getitem__(self, variable: IntVar) -> int:
        """The variable's value in the best solution; a negated literal is 1 minus its variable.

        Raises LookupError when no solution was found.
        """
        if not self.values:
            raise LookupError(f"no solution was found ({self.status}), so no variable has a value")
        index = variable.index
        return self.values[index] if index >= 0 else 1 - self.values[-index - 1]


def minimize(
    model: CpModel,
    *,
    time_limit: float | None = 60.0,
    workers: int = 1,
    seed: int = 0,
    progress: OnImprovement | None = None,
    stop: Callable[[], bool] | None = None,
    hint: Sequence[tuple[IntVar, int]] = (),
    deterministic_limit: float | None = None,
    bounding: bool = False,
) -> Outcome:
    """Search for the best solution of `model`, which has a minimisation objective or none.

    - `time_limit`: wall-clock seconds; None is no limit; 0 returns at once with status ``unknown``
    - `hint`: (variable, value) pairs to start from; they may be partial or wrong
    - `stop`: asked about ten times a second; the search ends when it returns True
    - `deterministic_limit`: the solver's own measure of work (about a second each). A search that
      this ends, rather than the clock, gives the same outcome on every machine, for one worker or
      several
    - `bounding`: raise the bound by linear relaxations rather than look for better solutions. It
      pays where the objective is a sum, of which propagation says little

    On Ctrl-C the search stops and the best solution is returned with `interrupted` set; a second
    Ctrl-C passes through. Raises MissingExtra without OR-Tools, HocketError for an invalid model.
    """
    cp_model()  # before any early return: a missing library is an error at any time limit
    if time_limit is not None and time_limit <= 0:
        return Outcome(status="unknown", reason="no time to search")
    if hint:
        model.clear_hints()  # type: ignore[no-untyped-call]
        for variable, value in hint:
            model.add_hint(variable, value)
    solver = _solver(time_limit, workers, seed, deterministic_limit)
    if bounding:
        # With one worker there are no subsolvers to choose from, but its relaxation can be richer.
        solver.parameters.linearization_level = 2
        if workers > 1:
            solver.parameters.subsolvers[:] = ["objective_lb_search_max_lp"]
    return _Search(model, solver, progress, stop).run()


def _solver(
    time_limit: float | None, workers: int, seed: int, deterministic_limit: float | None
) -> CpSolver:
    solver: CpSolver = cp_model().CpSolver()
    parameters = solver.parameters
    parameters.num_workers = workers
    parameters.random_seed = seed % 2**31
    # OR-Tools' own handler would leave Python without one after the search.
    parameters.catch_sigint_signal = False
    if time_limit is not None:
        parameters.max_time_in_seconds = time_limit
    if deterministic_limit is not None:
        parameters.max_deterministic_time = deterministic_limit
        parameters.interleave_search = workers > 1
    return solver


class _Search:
    """One search in a thread, and the listening in the calling thread."""

    def __init__(
        self,
        model: CpModel,
        solver: CpSolver,
        progress: OnImprovement | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self.model, self.solver = model, solver
        self.progress, self.stop = progress, stop
        # A model without an objective has neither value nor bound to report on the way.
        self.goal = bool(model.has_objective())
        # A sum of integers: the solver's bound may lack a rounding error to the next one.
        self.whole = not model.proto.HasField("floating_point_objective")
        self.news: SimpleQueue[tuple[float, float | None, float | None] | None] = SimpleQueue()
        self.log: list[Step] = []
        self.failure: Exception | None = None
        self.started = time.perf_counter()

    def run(self) -> Outcome:
        thread = Thread(target=self._search, name="cp-sat", daemon=True)
        thread.start()
        interrupted = False
        try:
            while True:
                try:
                    if self._listen():
                        break
                    if self.stop is not None and self.stop():
                        interrupted = True
                except KeyboardInterrupt:
                    if interrupted:
                        raise
                    interrupted = True
                if interrupted:  # again and again: a stop before the search has begun is lost
                    self.solver.stop_search()
        finally:
            while thread.is_alive():
                self.solver.stop_search()
                thread.join(_POLL)
        if self.failure is not None:
            raise self.failure
        return self._outcome(interrupted)

    def _search(self) -> None:
        """The search itself; everything that happens in it is news for the calling thread."""
        try:
            if self.goal:
                self.solver.best_bound_callback = lambda bound: self._tell(None, bound)
            self.solver.solve(self.model, _callback(self._tell) if self.goal else None)
        except Exception as failure:
            self.failure = failure
        finally:
            self.news.put(None)

    def _tell(self, value: float | None, bound: float | None) -> None:
        if bound is not None and self.whole:
            bound = float(math.ceil(bound - 1e-6))
        self.news.put((time.perf_counter() - self.started, value, bound))

    def _listen(self) -> bool:
        """Pass on one piece of news, if any comes soon; whether it was the last."""
        try:
            news = self.news.get(timeout=_POLL)
        except Empty:
            return False
        if news is None:
            return True
        last = self.log[-1] if self.log else Step(0.0, None, None)
        value = last.value if news[1] is None else news[1]
        bound = max((b for b in (last.bound, news[2]) if b is not None), default=None)
        if (value, bound) != (last.value, last.bound):
            self.log.append(Step(news[0], value, bound))
            if self.progress is not None:
                self.progress(news[0], value, bound)
        return False

    def _outcome(self, interrupted: bool) -> Outcome:
        response = self.solver.response_proto
        name = self.solver.status_name()
        seconds = time.perf_counter() - self.started
        if name == "MODEL_INVALID":
            raise HocketError(f"the solver rejects the model: {self.model.validate().strip()}")
        if name == "INFEASIBLE":
            reason = "proved: no solution satisfies all constraints"
            return Outcome(
                status="infeasible",
                log=tuple(self.log),
                reason=reason,
                seconds=seconds,
                work=response.deterministic_time,
            )
        found = name in ("OPTIMAL", "FEASIBLE")
        proved = name == "OPTIMAL"
        bound = response.best_objective_bound if self.goal else None
        if not found and not any(step.bound is not None for step in self.log):
            bound = None  # the solver's initial 0 is no proof
        if bound is not None and self.whole:
            bound = float(math.ceil(bound - 1e-6))
        reason = "" if proved else "interrupted" if interrupted else "the limit was reached"
        return Outcome(
            status="optimal" if proved else "feasible" if found else "unknown",
            value=(response.objective_value if self.goal else 0.0) if found else None,
            bound=0.0 if found and not self.goal else bound,
            log=tuple(self.log),
            reason=reason,
            interrupted=interrupted,
            seconds=seconds,
            values=tuple(response.solution),
            branches=int(response.num_branches),
            work=response.deterministic_time,
        )


def _callback(tell: Callable[[float | None, float | None], None]) -> Any:
    """OR-Tools' solution callback, whose base class exists only once OR-Tools is imported."""

    class Callback(cp_model().CpSolverSolutionCallback):  # type: ignore[misc]  # base is imported late
        def on_solution_callback(self) -> None:
            tell(self.objective_value, self.best_objective_bound)

    return Callback()


class Rules:
    """Named groups of constraints, to learn which of them clash.

    Build a model through ``constraint.only_enforce_if(rules.on("deadline of job 7"))``. For solving
    (`named` False) that adds nothing; for explaining, every name becomes a literal to switch off.
    """

    def __init__(self, model: CpModel, *, named: bool = False) -> None:
        self._model = model
        self._named = named
        self.literals: dict[str, IntVar] = {}

    def on(self, name: str) -> list[IntVar]:
        """What a constraint of the group `name` is enforced by."""
        if not self._named:
            return []
        if name not in self.literals:
            self.literals[name] = self._model.new_bool_var(name)
        return [self.literals[name]]


def clash(
    model: CpModel,
    rules: Rules,
    *,
    time_limit: float | None = 10.0,
    seed: int = 0,
    stop: Callable[[], bool] | None = None,
) -> tuple[str, ...] | None:
    """Names of groups that contradict each other: with any one dropped, the rest can be met.

    A deletion filter (Chinneck & Dravnieks, ORSA J. on Computing 3(2), 1991) that starts from the
    assumptions which CP-SAT used in its proof. Empty when the model without any group is already
    infeasible. None when infeasibility was not proved in `time_limit` (or there is none); when the
    time ends during the filter, the names still contradict but may be more than necessary.
    The objective and the assumptions of `model` are removed.
    """
    model.clear_objective()  # type: ignore[no-untyped-call]
    deadline = None if time_limit is None else time.perf_counter() + time_limit
    interrupted = False  # one Ctrl-C ends the filter, not just the search in progress

    def contradiction(names: list[str]) -> list[str] | None:
        nonlocal interrupted
        left = None if deadline is None else deadline - time.perf_counter()
        if interrupted or (left is not None and left <= 0) or (stop is not None and stop()):
            return None
        solver = _solver(left, 1, seed, None)
        model.clear_assumptions()
        model.add_assumptions([rules.literals[name] for name in names])
        outcome = _Search(model, solver, None, stop).run()
        interrupted = outcome.interrupted
        if outcome.status != "infeasible":
            return None
        used = set(solver.sufficient_assumptions_for_infeasibility())
        return [name for name in names if rules.literals[name].index in used]

    core = contradiction(list(rules.literals))
    if core is None:
        return None
    for name in list(core):
        if name in core:
            smaller = contradiction([other for other in core if other != name])
            core = core if smaller is None else smaller
    return tuple(core)
