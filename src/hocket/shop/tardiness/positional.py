"""Exact total tardiness by mixed-integer programming over positions, with HiGHS.

Source: the assignment and positional date model of Keha, Khowala and Fowler 2009 (Computers &
Industrial Engineering 56), with the valid inequality of Cetinkaya et al. 2025 (arXiv 2510.24013).
It proves optimality up to about 15 jobs; `decomposition` is the method for more.

HiGHS is the one inside OR-Tools (MathOpt): the stand-alone `highspy` brings a second copy of the
same shared library, and one process cannot load both.
"""

from __future__ import annotations

import datetime
import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hocket.core.errors import UserError
from hocket.core.extras import need
from hocket.shop.tardiness import rules
from hocket.shop.tardiness.arrays import Ints, jobs
from hocket.shop.tardiness.bounds import lower_bound
from hocket.shop.tardiness.objective import total_tardiness
from hocket.shop.tardiness.proof import Proof

SolverName = Literal["highs", "scip"]


def positional_mip(
    p: npt.ArrayLike,
    d: npt.ArrayLike,
    *,
    time_limit: float | None = None,
    valid_inequality: bool = True,
    solver: SolverName = "highs",
) -> Proof:
    """A sequence of least total tardiness, or the better of MDD's and the solver's with a bound.

    Binary ``u[j, k]`` puts job j at position k. `time_limit` is in seconds. Needs the extra
    `solve`; what OR-Tools makes of HiGHS or SCIP runs on one thread.
    """
    processing, due = jobs(p, d)
    if solver not in ("highs", "scip"):
        raise UserError(f"positional_mip has solvers 'highs' and 'scip', not {solver!r}")
    best = rules.mdd(processing, due)
    value = total_tardiness(best, processing, due)
    bound = lower_bound(processing, due)
    if value == bound:
        return Proof(best, value, bound, 0)
    mathopt = need("ortools.math_opt.python.mathopt", "solve")
    model, assigned = _model(mathopt, processing, due, valid_inequality)
    kind = mathopt.SolverType.HIGHS if solver == "highs" else mathopt.SolverType.GSCIP
    limit = None if time_limit is None else datetime.timedelta(seconds=time_limit)
    # Values are whole: a gap below 1 is a proof.
    parameters = mathopt.SolveParameters(
        time_limit=limit, relative_gap_tolerance=0.0, absolute_gap_tolerance=0.99
    )
    result = mathopt.solve(model, kind, params=parameters)
    if result.has_primal_feasible_solution():
        chosen = np.array([result.variable_values(row) for row in assigned])
        found = np.argmax(chosen, axis=0)
        if total_tardiness(found, processing, due) < value:
            best, value = found, total_tardiness(found, processing, due)
    proved = result.termination.objective_bounds.dual_bound
    if math.isfinite(proved):
        bound = max(bound, math.ceil(proved - 1e-6))
    return Proof(best, value, min(bound, value), int(result.solve_stats.node_count))


def _model(mathopt: Any, p: Ints, d: Ints, valid_inequality: bool) -> tuple[Any, list[list[Any]]]:
    """The model, and its variables u as n rows of n."""
    n, horizon = len(p), int(p.sum())
    model = mathopt.Model()
    u = [[model.add_binary_variable() for _ in range(n)] for _ in range(n)]
    position_end = [model.add_variable(lb=0) for _ in range(n)]
    job_end = [model.add_variable(lb=0) for _ in range(n)]
    tardiness = [model.add_variable(lb=0) for _ in range(n)]
    total = mathopt.fast_sum
    for index in range(n):
        model.add_linear_constraint(total(u[index]) == 1)
        model.add_linear_constraint(total(row[index] for row in u) == 1)
    for k in range(n):
        work = total(int(p[j]) * u[j][k] for j in range(n))
        before = position_end[k - 1] if k else 0
        model.add_linear_constraint(position_end[k] >= before + work)
    for j in range(n):
        model.add_linear_constraint(tardiness[j] >= job_end[j] - int(d[j]))
        for k in range(n):
            model.add_linear_constraint(job_end[j] >= position_end[k] - horizon * (1 - u[j][k]))
    if valid_inequality:
        least = least_work_before(p)
        for j in range(n):
            early = total(int(least[j, k]) * u[j][k] for k in range(n))
            model.add_linear_constraint(job_end[j] >= int(p[j]) + early)
    model.minimize(total(tardiness))
    return model, u


def least_work_before(p: npt.ArrayLike) -> Ints:
    """``(n, n)``: the least work that can stand before job j when it is at position k (from 0).

    That is the sum of the k smallest durations of the other jobs.
    """
    processing, _ = jobs(p, p)
    n = len(processing)
    least = np.zeros((n, n), dtype=np.int64)
    for j in range(n):
        others = np.sort(np.delete(processing, j))
        least[j, 1:] = np.cumsum(others)
    return least
