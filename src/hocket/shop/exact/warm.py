"""Where the search starts: the best of some dispatching rules, as hints for the variables.

For the makespan the neural rule is one of them. The tabu search of `hocket.shop.search` goes
without it: what it finds in the first 50 ms is better.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

from hocket.core.errors import RunError
from hocket.core.policy import Policy
from hocket.core.timeline import Timeline
from hocket.shop.check.jobshop import check
from hocket.shop.exact.plan import Plan, sequences
from hocket.shop.exact.variables import Linear, Variables
from hocket.shop.metrics.jobshop import metrics
from hocket.shop.model.jobshop import JobShop
from hocket.shop.policies.neural import Neural
from hocket.shop.policies.rules import ATC, EDD, FIFO, MOPNR, MWKR, SPT, WSPT, Rule
from hocket.shop.simulate.jobshop import simulate

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import IntVar

RULES: tuple[Rule, ...] = (FIFO(), SPT(), MWKR(), MOPNR(), WSPT(), EDD(), ATC())


def best_rule(shop: JobShop, patience: float = inf) -> tuple[Timeline, str] | None:
    """The best schedule that a dispatching rule makes, and its name; None if all get stuck.

    A large shop without buffers takes a rule seconds: once there is a schedule, no further rule is
    tried after `patience` seconds.
    """
    begun = time.perf_counter()
    best: tuple[float, Timeline, str] | None = None
    for rule in rules_for(shop):
        if best is not None and time.perf_counter() - begun > patience:
            break
        try:
            timeline = simulate(shop, rule)
        except RunError:  # a deadlock: the rule does not solve this shop
            continue
        value = metrics(shop, timeline)[shop.objective]
        if (best is None or value < best[0]) and not check(shop, timeline):
            best = value, timeline, rule.name
    return None if best is None else best[1:]


def rules_for(shop: JobShop) -> tuple[Policy, ...]:
    """The rules to try, in this order."""
    neural = Neural()
    if shop.objective != "makespan" or neural.refuses(shop):
        return RULES
    return (*RULES, neural)


def hints(v: Variables, plan: Plan) -> list[tuple[IntVar, int]]:
    """What `plan` says about the variables; the solver completes the rest.

    The plan may lack operations, and need not be feasible.
    """
    found: list[tuple[IntVar, int]] = []

    def say(variable: Linear, value: int) -> None:
        if type(variable).__name__ == "IntVar":
            found.append((variable, value))

    for (o, m), here in v.present.items():
        if o in plan and len(v.case.data.choices[o]) > 1 and o not in v.case.past:
            say(here, int(plan[o].machine == m))
    for o in v.planned:
        if o not in plan:
            continue
        place = plan[o]
        say(v.start[o], place.start)
        if v.closes(o) or len(v.case.data.choices[o]) > 1:
            say(v.finish[o], place.finish)
    for (o, m, pause), literal in v.pause.items():
        if o not in plan:
            continue
        length = plan[o].finish - plan[o].start - int(v.case.data.duration[m, o])
        say(literal, int(plan[o].machine == m and length == pause))
    for o, p, m in _neighbours(v, plan):
        if (o, p, m) in v.follows:
            say(v.follows[o, p, m], 1)
    return found


def _neighbours(v: Variables, plan: Plan) -> Iterator[tuple[int, int, int]]:
    """Who comes before whom: on machines with setups directly, else at any distance."""
    for m, line in enumerate(sequences(v.case.data, plan)):
        if any(v.case.setups[m].values()):
            ends = [-1, *line, -1]
            yield from ((o, p, m) for o, p in pairwise(ends))
        else:
            yield from ((o, p, m) for i, o in enumerate(line) for p in line[i + 1 :])
