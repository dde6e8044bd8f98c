"""Exact total (weighted) tardiness by constraint programming: intervals that may not overlap."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from hocket.core.errors import UserError
from hocket.core.extras import need
from hocket.shop.tardiness import rules
from hocket.shop.tardiness.arrays import jobs, weights
from hocket.shop.tardiness.bounds import lower_bound
from hocket.shop.tardiness.objective import weighted_tardiness
from hocket.shop.tardiness.proof import Proof


def sequencing_cp(
    p: npt.ArrayLike,
    d: npt.ArrayLike,
    w: npt.ArrayLike | None = None,
    *,
    time_limit: float | None = None,
    workers: int = 1,
    seed: int = 0,
) -> Proof:
    """A sequence of least total weighted tardiness from OR-Tools CP-SAT, started from WMDD.

    `w` are whole numbers; `time_limit` is in seconds. When time runs out, the better of WMDD's
    sequence and the solver's is returned with the solver's bound. Needs the extra `solve`.
    """
    cp_model = need("ortools.sat.python.cp_model", "solve")
    processing, due = jobs(p, d)
    weight = weights(w, len(processing))
    if weight.dtype.kind != "i":
        raise UserError("sequencing_cp needs whole weights; scale them first")
    best = rules.wmdd(processing, due, weight)
    value = int(weighted_tardiness(best, processing, due, weight))
    model = cp_model.CpModel()
    horizon = int(processing.sum())
    n = len(processing)
    starts = [model.new_int_var(0, horizon - int(processing[j]), f"start_{j}") for j in range(n)]
    late = [model.new_int_var(0, max(0, horizon - int(due[j])), f"tardiness_{j}") for j in range(n)]
    model.add_no_overlap(
        [model.new_fixed_size_interval_var(starts[j], int(processing[j]), f"{j}") for j in range(n)]
    )
    for j in range(n):
        model.add(late[j] >= starts[j] + int(processing[j]) - int(due[j]))
    ends = np.cumsum(processing[best])
    for job, end in zip(best.tolist(), ends.tolist(), strict=True):
        model.add_hint(starts[job], end - int(processing[job]))
    model.minimize(sum(int(weight[j]) * late[j] for j in range(n)))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    if time_limit is not None:
        solver.parameters.max_time_in_seconds = time_limit
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        # Jobs of no length share their start with the next job and go before it.
        found = np.lexsort((processing, [solver.value(start) for start in starts]))
        if weighted_tardiness(found, processing, due, weight) < value:
            best = found
            value = int(weighted_tardiness(found, processing, due, weight))
    bound = max(0, math.ceil(solver.best_objective_bound - 1e-6))
    if w is None:
        bound = max(bound, lower_bound(processing, due))
    return Proof(best, value, min(bound, value), int(solver.num_branches))
