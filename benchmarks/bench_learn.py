"""Learned policies on ta71 (100 jobs on 20 machines), beside Giffler-Thompson in the same run.

    pytest benchmarks/bench_learn.py -s

The neural rule has 2 s on one core for one greedy plan, NumPy only. Best of several rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from hocket.core.load import load
from hocket.shop.model import JobShop
from hocket.shop.policies.neural import Neural
from hocket.shop.policies.plans import GifflerThompson
from hocket.shop.simulate.jobshop import simulate

BUDGET = 2.0
ROUNDS = 3


def fastest(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Seconds of this process in the fastest of several rounds."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best


@pytest.fixture(scope="module")
def ta71() -> JobShop:
    """The instance; typed as what it is."""
    world = load("shop/ta71")
    assert isinstance(world, JobShop)
    return world


def test_one_neural_plan_of_100_jobs_on_20_machines(ta71: JobShop) -> None:
    ours = fastest(lambda: simulate(ta71, Neural()))
    peer = fastest(lambda: simulate(ta71, GifflerThompson()))
    print(f"\nshop/neural: {ours:.2f} s, shop/gt: {peer:.3f} s, ratio {ours / peer:.0f}")
    assert ours <= BUDGET


def test_samples_in_lock_step_cost_less_than_one_by_one(ta71: JobShop) -> None:
    one = fastest(lambda: simulate(ta71, Neural()), 1)
    many = fastest(lambda: simulate(ta71, Neural(samples=33)), 1)
    print(f"\nshop/neural: greedy {one:.2f} s, and 32 samples {many - one:.2f} s more")
    assert many - one < 32 * one
