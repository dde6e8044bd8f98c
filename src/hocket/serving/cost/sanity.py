"""Whether the times that a cost model gives are ones that a replica can take."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from hocket.core.errors import Problem
from hocket.serving import memory

if TYPE_CHECKING:
    from hocket.serving.model.cluster import Pool

LONGEST = 86_400.0
"""Seconds that an iteration may take at most."""

_TOKENS = 2048
_REQUESTS = 256


def problems(path: str, pool: Pool) -> Iterator[Problem]:
    """Ordinary iterations that would take no time, less than none, or more than a day.

    The pool's model and GPU must be known and its cost model free of problems of its own.
    """
    try:
        cost = pool.cost.model(pool)
    except ArithmeticError:
        yield Problem(path, "its numbers are too large or too small to compute with")
        return
    tokens = min(_TOKENS, memory.max_context(pool))
    requests = _REQUESTS
    times: dict[str, Callable[[], float]] = {
        "a prompt of 1 token": lambda: cost.iteration(((1, 0),), 0, 0),
        f"a prompt of {tokens} tokens": lambda: cost.iteration(((tokens, 0),), 0, 0),
        "a decode after 1 token": lambda: cost.decode(1, 1),
        f"a decode after {tokens} tokens": lambda: cost.decode(1, tokens),
        f"{requests} decodes after {tokens} tokens each": (
            lambda: cost.decode(requests, requests * tokens)
        ),
    }
    for what, seconds in times.items():
        try:
            took = float(seconds())
        except ArithmeticError:
            took = math.inf
        if not 0 < took <= LONGEST:
            yield Problem(path, f"{what} would take {took:.4g} s")
            return
