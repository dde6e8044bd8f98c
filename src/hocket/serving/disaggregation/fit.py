"""DistServe's costs fitted to measured iterations: linear least squares on the relative error.

Each row of the linear system is divided by its measured time, so that a millisecond counts more in
a short iteration than in a long one, as in the fits that the authors of DistServe published
(Zhong et al., OSDI 2024, appendix A).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hocket.core.errors import InputError, Problem
from hocket.serving.cost.distserve import DistServe

Triple = tuple[float, float, float]


class Prefill(NamedTuple):
    """A measured prefill iteration: lengths of its prompts, and milliseconds."""

    lengths: Sequence[int]
    ms: float


class Decode(NamedTuple):
    """A measured decode iteration: requests, sum of their tokens in memory before, milliseconds."""

    batch: int
    context: int
    ms: float


class Fitted(NamedTuple):
    """Costs, and the largest relative errors on the rows they were fitted to, by phase."""

    costs: DistServe
    prefill_error: float
    decode_error: float


def fit(prefills: Sequence[Prefill], decodes: Sequence[Decode], threshold: int = 95) -> Fitted:
    """The costs of an engine on one GPU, or on one tensor-parallel group, from its iterations.

    Decodes of fewer than `threshold` requests are fitted apart from those of more; where there are
    too few rows of one kind for three coefficients, it takes those of the other. Overheads of
    pipeline stages are 0: they are in the measured times. Raises InputError.
    """
    _check(prefills, decodes)
    prompts = [(1.0, sum(row.lengths), sum(n * n for n in row.lengths)) for row in prefills]
    prefill, prefill_error = _solve(prompts, [row.ms for row in prefills])
    small = [row for row in decodes if row.batch < threshold]
    large = [row for row in decodes if row.batch >= threshold]
    few, few_error = _solve_decodes(small if _enough(small) else decodes)
    many, many_error = _solve_decodes(large if _enough(large) else decodes)
    costs = DistServe(
        prefill=prefill,
        small=few,
        large=many,
        threshold=threshold,
        stage=0.0,
        first=0.0,
        first_per_token=0.0,
    )
    return Fitted(costs, prefill_error, max(few_error, many_error))


def _solve_decodes(rows: Sequence[Decode]) -> tuple[Triple, float]:
    system = [(1.0, row.context + row.batch, row.batch) for row in rows]
    return _solve(system, [row.ms for row in rows])


def _solve(rows: Sequence[tuple[float, float, float]], ms: Sequence[float]) -> tuple[Triple, float]:
    """Coefficients of the least squared relative error, and the largest relative error."""
    times = np.array(ms)
    system = np.array(rows) / times[:, None]
    scale = np.abs(system).max(axis=0)  # columns differ by many orders of magnitude
    found = np.linalg.lstsq(system / scale, np.ones(len(times)), rcond=None)[0] / scale
    a, b, c = found.tolist()
    return (a, b, c), float(np.abs(system @ found - 1).max())


def _enough(rows: Sequence[Decode]) -> bool:
    """Whether rows tell three coefficients apart."""
    system = np.array([(1.0, row.context, row.batch) for row in rows]).reshape(-1, 3)
    return len(rows) >= 3 and np.linalg.matrix_rank(system / np.maximum(system.max(0), 1)) == 3


def _check(prefills: Sequence[Prefill], decodes: Sequence[Decode]) -> None:
    problems = [
        Problem(
            f"prefills[{i}]", f"{list(row.lengths)} tokens in {row.ms} ms: all must be positive"
        )
        for i, row in enumerate(prefills)
        if row.ms <= 0 or not row.lengths or min(row.lengths) < 1
    ]
    problems += [
        Problem(f"decodes[{i}]", f"{row.batch} requests in {row.ms} ms: both must be positive")
        for i, row in enumerate(decodes)
        if row.ms <= 0 or row.batch < 1 or row.context < 0
    ]
    if len({(sum(row.lengths), sum(n * n for n in row.lengths)) for row in prefills}) < 3:
        problems.append(Problem("prefills", "at least 3 of different lengths are needed"))
    if not problems and not _enough(decodes):
        message = "at least 3 are needed, of different batch sizes and contexts"
        problems.append(Problem("decodes", message))
    if problems:
        raise InputError("measured iterations", problems)
