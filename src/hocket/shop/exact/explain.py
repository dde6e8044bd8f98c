"""Why there is no schedule, in the words of the scenario."""

from __future__ import annotations

from collections.abc import Callable

from hocket.shop.exact.case import Case
from hocket.shop.exact.model import build
from hocket.solvers.cpsat import clash


def contradiction(
    case: Case, *, time_limit: float = 10.0, stop: Callable[[], bool] | None = None
) -> str:
    """A sentence that names rules which cannot all be met, as few as the time allows to find."""
    v = build(case, named=True)
    names = clash(v.model, v.rules, time_limit=time_limit, stop=stop)
    if not names:
        return "proved: no schedule satisfies all constraints"
    if len(names) == 1:
        return f"proved: {names[0]} cannot be met"
    return f"proved: {', '.join(names[:-1])} and {names[-1]} cannot be met together"
