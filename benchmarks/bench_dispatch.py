"""Dispatching ta71 (100 jobs on 20 machines) by every rule, beside job_shop_lib in the same run.

    pytest benchmarks/bench_dispatch.py -s

The budget is 50 ms for a rule. The peer is the dispatcher of job_shop_lib with the rules that both
have; there both sides must give the same schedule. Best of several rounds, taken in turns.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import job_shop_lib
import pytest
from job_shop_lib.dispatching.rules import DispatchingRuleSolver

from hocket.core.load import load
from hocket.core.policy import Policy
from hocket.shop.model import JobShop
from hocket.shop.policies.plans import GifflerThompson
from hocket.shop.policies.rules import LPT, MOPNR, MWKR, POLICIES, SPT
from hocket.shop.simulate.jobshop import simulate

BUDGET = 0.050
ROUNDS = 5
PEERS = {
    SPT: "shortest_processing_time",
    LPT: "largest_processing_time",
    MWKR: "most_work_remaining",
    MOPNR: "most_operations_remaining",
}


def fastest(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Seconds of the fastest of several rounds."""
    best = float("inf")
    for _ in range(rounds):
        gc.collect()
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best


def as_peer(world: JobShop) -> job_shop_lib.JobShopInstance:
    """The same shop for job_shop_lib."""
    index = {machine.name: m for m, machine in enumerate(world.machines)}
    jobs = [
        [job_shop_lib.Operation(index[str(o.machine)], o.duration or 0) for o in job.operations]
        for job in world.jobs
    ]
    return job_shop_lib.JobShopInstance(jobs, name=world.name)


@pytest.fixture(scope="module")
def ta71() -> JobShop:
    """The instance; typed as what it is."""
    world = load("shop/ta71")
    assert isinstance(world, JobShop)
    return world


@pytest.mark.parametrize("kind", POLICIES, ids=lambda kind: kind.name)
def test_every_rule_within_its_budget(ta71: JobShop, kind: type[Policy]) -> None:
    simulate(ta71, kind())
    seconds = fastest(lambda: simulate(ta71, kind()))
    print(f"\n{kind.name}: {1000 * seconds:.1f} ms")
    assert seconds <= BUDGET


def test_giffler_thompson(ta71: JobShop) -> None:
    """Plans all 2,000 operations one by one, and follows the plan."""
    seconds = fastest(lambda: simulate(ta71, GifflerThompson()))
    print(f"\nshop/gt: {1000 * seconds:.1f} ms")
    assert seconds <= 4 * BUDGET


@pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.name)
def test_beside_job_shop_lib(ta71: JobShop, kind: type[Policy]) -> None:
    instance, solver = as_peer(ta71), DispatchingRuleSolver(dispatching_rule=PEERS[kind])
    ends = {simulate(ta71, kind()).end, solver.solve(instance).makespan()}
    assert len(ends) == 1, f"the two sides disagree: {ends}"
    ours = fastest(lambda: simulate(ta71, kind()))
    peer = fastest(lambda: solver.solve(instance), rounds=1)
    print(
        f"\n{kind.name}: hocket {1000 * ours:.1f} ms, job_shop_lib {1000 * peer:.0f} ms, "
        f"ratio {peer / ours:.1f}"
    )
    assert ours < peer
