"""The classic job shop: minimise the makespan, on arrays.

>>> from hocket.shop.search import Shop, solve_makespan
>>> shop = Shop.of([[(0, 3), (1, 2)], [(1, 4), (0, 1)]])  # per job: (machine, duration)
>>> solve_makespan(shop, time_limit=0).makespan
6

`instance` holds the arrays and what can be said about one schedule, `bounds` and `dispatch` are
immediate, `rollout` and `tabu` are compiled (numba), `relink` breeds schedules on top of `tabu`,
`cpsat` proves with OR-Tools, `portfolio` combines them. `reference` walks the tabu search's
trajectory in plain Python.

Large-neighbourhood search with CP-SAT was tried in place of one population and left out: with
equal CPU time it was worse on its own (ta47: 15 % above the best known after 20 s, relinking 1 %)
and found nothing that a second population did not find sooner.
"""

from hocket.shop.search.bounds import lower_bound
from hocket.shop.search.dispatch import dispatch
from hocket.shop.search.instance import Shop, makespan, semi_active, violations
from hocket.shop.search.portfolio import Result, solve_makespan

__all__ = [
    "Result",
    "Shop",
    "dispatch",
    "lower_bound",
    "makespan",
    "semi_active",
    "solve_makespan",
    "violations",
]
