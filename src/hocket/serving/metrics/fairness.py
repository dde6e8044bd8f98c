"""How evenly the tenants of a cluster are served."""

from __future__ import annotations

import numpy as np

from hocket.serving.metrics.read import Floats
from hocket.serving.metrics.table import RequestsTable

WINDOWS = 100


def jain(shares: Floats) -> float:
    """``(sum x)^2 / (n sum x^2)``: 1 when all are equal, 1/n when one has everything.

    Jain, Chiu and Hawe, "A Quantitative Measure of Fairness and Discrimination for Resource
    Allocation in Shared Computer Systems", DEC-TR-301, 1984.
    """
    squares = float(len(shares) * (shares**2).sum())
    return float(shares.sum()) ** 2 / squares if squares else 1.0


def max_min(total: float, demands: Floats) -> Floats:
    """Share out `total` so that nobody gets more than the demand and the least get the most.

    Water filling; what all demand together is given when `total` exceeds it.
    """
    given = np.zeros(len(demands))
    left = total
    order = np.argsort(demands, kind="stable")
    for place, i in enumerate(order.tolist()):
        given[i] = min(float(demands[i]), left / (len(order) - place))
        left -= given[i]
    return given


def fairness(table: RequestsTable, tick: float) -> float:
    """Jain's index of what each tenant got over what max-min fairness would have given it.

    Time is cut into windows. A tenant demands the tokens of its requests that have arrived and are
    not yet served, and gets those that are served in the window; the fair share divides what all
    got. Tokens computed again after a preemption, or found in a cache, make a request's other
    tokens count less or more: each is worth its prompt and answer. 1 for a single tenant, and when
    nothing was asked or served.
    """
    if len(table.tenants) < 2 or not len(table.work.request):
        return 1.0
    end = float(table.work.end.max()) * tick
    edges = np.linspace(table.arrival.min(), end, WINDOWS + 1)
    served = _served(table, tick, edges)
    demand = _asked(table, edges)[:, 1:] - served[:, :-1]
    got = np.diff(served, axis=1)
    demand = np.maximum(demand, got)  # but for rounding, it is
    fair = np.stack([max_min(got[:, w].sum(), demand[:, w]) for w in range(WINDOWS)], axis=1)
    entitled = fair.sum(axis=1)
    return jain(got.sum(axis=1)[entitled > 0] / entitled[entitled > 0])


def _asked(table: RequestsTable, edges: Floats) -> Floats:
    """Tokens that each tenant has asked for by the time of each edge; (tenants, edges)."""
    tokens = (table.prompt + table.output).astype(float)
    found = []
    for tenant in range(len(table.tenants)):
        mine = table.tenant == tenant
        reached = np.searchsorted(table.arrival[mine], edges, side="right")
        found.append(np.append(0.0, np.cumsum(tokens[mine]))[reached])
    return np.array(found)


def _served(table: RequestsTable, tick: float, edges: Floats) -> Floats:
    """Tokens that each tenant has got by then; those of a span come at an even pace."""
    work = table.work
    computed = np.bincount(work.request, work.tokens, minlength=len(table))
    worth = (table.prompt + table.output) / np.maximum(computed, 1)
    worth = np.where(table.finished, worth, np.minimum(worth, 1.0))
    tokens = work.tokens * worth[work.request]
    tenant = table.tenant[work.request]
    length = (work.end - work.start) * tick
    found = []
    for at in edges.tolist():
        share = np.clip((at - work.start * tick) / np.maximum(length, 1e-12), 0, 1)
        found.append(np.bincount(tenant, tokens * share, minlength=len(table.tenants)))
    return np.array(found, dtype=float).T
