"""The job shop as a CP-SAT model: proofs of optimality."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hocket.core.extras import need
from hocket.shop.search.incumbent import Incumbent
from hocket.shop.search.instance import Shop, makespan, order_of, semi_active


class Model:
    """Start variables, one no-overlap constraint per machine, and the makespan to minimise.

    Every start lies between the operation's head and what its tail leaves below `upper`, so a
    tight `upper` shrinks the model. `lower` is a proven bound on the makespan.
    """

    def __init__(self, shop: Shop, lower: int, upper: int) -> None:
        self.cp = need("ortools.sat.python.cp_model", "solve")
        self.shop = shop
        self.model = self.cp.CpModel()
        earliest, latest = shop.heads.tolist(), (upper - shop.tails - shop.duration).tolist()
        self.start = [
            self.model.new_int_var(low, max(low, high), "")
            for low, high in zip(earliest, latest, strict=True)
        ]
        self.makespan = self.model.new_int_var(lower, upper, "makespan")
        self._precedences()
        for m in range(shop.machines):
            self.model.add_no_overlap(
                self.model.new_fixed_size_interval_var(self.start[x], int(shop.duration[x]), "")
                for x in np.flatnonzero(shop.machine == m).tolist()
            )
        self.model.minimize(self.makespan)

    def _precedences(self) -> None:
        duration = self.shop.duration.tolist()
        for j in range(self.shop.jobs):
            job = range(int(self.shop.job_start[j]), int(self.shop.job_start[j + 1]))
            for x in job[1:]:
                self.model.add(self.start[x] >= self.start[x - 1] + duration[x - 1])
            if job:
                self.model.add(self.makespan >= self.start[job[-1]] + duration[job[-1]])

    def solver(self, seconds: float, workers: int, seed: int) -> Any:
        """A solver with a time limit, set up for job shops."""
        solver = self.cp.CpSolver()
        solver.parameters.max_time_in_seconds = max(seconds, 0.01)
        solver.parameters.num_workers = workers
        solver.parameters.random_seed = seed
        solver.parameters.catch_sigint_signal = False  # Ctrl-C belongs to the caller
        if workers == 1:  # a single worker has to be told what suits disjunctive scheduling
            solver.parameters.linearization_level = 0
            solver.parameters.use_dynamic_precedence_in_disjunctive = True
            solver.parameters.use_strong_propagation_in_disjunctive = True
        return solver


@contextmanager
def _watched(solver: Any, incumbent: Incumbent) -> Iterator[None]:
    """While the block runs, end the solver's search as soon as the incumbent says stop."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            if incumbent.stopped:
                solver.stop_search()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _reporter(model: Model, incumbent: Incumbent) -> Any:
    """A solution callback that offers every solution to the incumbent."""

    class Reporter(model.cp.CpSolverSolutionCallback):  # type: ignore[name-defined, misc]
        def on_solution_callback(self) -> None:
            start = np.array([self.value(v) for v in model.start], np.int64)
            order = order_of(model.shop, start)
            start = semi_active(model.shop, order)
            incumbent.offer(makespan(model.shop, start), order, "cp-sat")

    return Reporter()


def prove(shop: Shop, incumbent: Incumbent, *, workers: int, seed: int, seconds: float) -> None:
    """Run CP-SAT until it settles the shop, `seconds` are over, or the incumbent is stopped.

    It looks only for schedules shorter than the incumbent, so that "infeasible" is the proof.
    """
    value, _ = incumbent.snapshot()
    bound = incumbent.bound  # read after the value: it never exceeds that of a moment before
    if bound >= value:
        return  # another worker has just met the bound
    model = Model(shop, bound, value - 1)
    solver = model.solver(seconds, workers, seed)
    solver.best_bound_callback = lambda bound: incumbent.raise_bound(int(bound), "cp-sat")
    with _watched(solver, incumbent):
        status = solver.solve(model.model, _reporter(model, incumbent))
    if status == model.cp.INFEASIBLE:
        incumbent.raise_bound(value, "cp-sat")
    elif status == model.cp.OPTIMAL:
        incumbent.raise_bound(round(solver.objective_value), "cp-sat")
