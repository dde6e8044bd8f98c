"""Single-machine total tardiness: rules, search and proofs, beside what they are measured against.

    pytest benchmarks/bench_tardiness.py -s

Instances are those of Potts and Van Wassenhove, all 20 classes. The peers run in the same process:
the rule MDDC against one array expression per quantity and step, the decomposition against the
positional integer program (HiGHS), the compiled engine against the plain Python one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hocket.shop.generate.potts import potts_grid, potts_van_wassenhove
from hocket.shop.tardiness import rules
from hocket.shop.tardiness.augmented import augmented_mddc
from hocket.shop.tardiness.decomposition import decompose
from hocket.shop.tardiness.discovered import eddc, mddc
from hocket.shop.tardiness.dynasearch import dynasearch
from hocket.shop.tardiness.positional import positional_mip

MDDC_BUDGET = 0.020
EXACT_BUDGET = 0.020
HARD = (0.2, 0.6)


def grid(n: int, count: int) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(n)
    return [(p, d) for _, _, p, d in potts_grid(n, count, rng, durations="uniform-100", clip=True)]


def best_of(run: Callable[[], Any], rounds: int) -> float:
    """Seconds of CPU of the fastest round."""
    seconds = []
    for _ in range(rounds):
        begin = time.process_time()
        run()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def plain_mddc(p: np.ndarray, d: np.ndarray) -> list[int]:
    """MDDC the obvious way: every quantity anew at every step."""
    waiting, now, order = np.lexsort((p, d)), 0, []
    while waiting.size:
        length = p[waiting]
        mu = np.maximum(1.1 * length + now, d[waiting])
        rho = np.minimum(length / (now + length.max()), 1)
        mu *= 1 + rho**2 / (1 + rho**2)
        mu += length / (now + length.sum() / len(length))
        job = int(waiting[mu.argmin()])
        order.append(job)
        now += int(p[job])
        waiting = np.delete(waiting, np.flatnonzero(waiting == job))
    return order


def test_rules_with_500_jobs() -> None:
    p, d = potts_van_wassenhove(500, *HARD, np.random.default_rng(1))
    seconds = {
        rule.__name__: best_of(lambda rule=rule: rule(p, d), 5)  # type: ignore[misc]
        for rule in (rules.mdd, rules.psk, rules.nbr, rules.atc, eddc, mddc, augmented_mddc)
    }
    peer = best_of(lambda: plain_mddc(p, d), 5)
    for name, value in seconds.items():
        print(f"\n{name:16} {1000 * value:8.2f} ms", end="")
    print(f"\nmddc / plain mddc: {seconds['mddc'] / peer:.2f} ({1000 * peer:.2f} ms)")
    assert mddc(p, d).tolist() == plain_mddc(p, d)
    assert seconds["mddc"] <= MDDC_BUDGET


@pytest.mark.parametrize("engine", ["python", "compiled"])
@pytest.mark.parametrize(("n", "count"), [(20, 10), (100, 5), (200, 1)])
def test_proofs(n: int, count: int, engine: str) -> None:
    cases = grid(n, count)
    decompose(*cases[0], engine=engine)  # loads, and if need be compiles, the engine
    seconds = [best_of(lambda p=p, d=d: decompose(p, d, engine=engine), 1) for p, d in cases]  # type: ignore[misc]
    print(
        f"\nn={n} {engine}: mean {1000 * np.mean(seconds):.2f} ms of CPU, "
        f"longest {1000 * max(seconds):.1f} ms, {len(cases)} proven"
    )
    if n == 100 and engine == "compiled":
        assert np.mean(seconds) <= EXACT_BUDGET


def test_proof_of_500_jobs() -> None:
    for rdd, tf in (HARD, (0.4, 0.4), (0.6, 0.6)):
        p, d = potts_van_wassenhove(500, rdd, tf, np.random.default_rng(2))
        begin = time.process_time()
        proof = decompose(p, d)
        print(
            f"\nn=500 (rdd {rdd}, tf {tf}): proven {proof.proven}, {proof.nodes} nodes, "
            f"{time.process_time() - begin:.2f} s of CPU"
        )
        assert proof.proven


def test_decomposition_beside_the_integer_program() -> None:
    p, d = potts_van_wassenhove(12, *HARD, np.random.default_rng(3))
    decompose(p, d)
    ours = best_of(lambda: decompose(p, d), 5)
    for valid_inequality in (True, False):
        begin = time.perf_counter()
        mip = positional_mip(p, d, valid_inequality=valid_inequality, time_limit=30)
        seconds = time.perf_counter() - begin
        print(
            f"\nn=12, MIP {'with' if valid_inequality else 'without'} the valid inequality: "
            f"{seconds:.2f} s, gap {mip.value - mip.bound}; decomposition {1000 * ours:.2f} ms, "
            f"{seconds / ours:.0f} times faster"
        )
        assert mip.value >= decompose(p, d).value


def test_dynasearch_beside_the_optimum() -> None:
    for n in (100, 200):
        p, d = potts_van_wassenhove(n, *HARD, np.random.default_rng(4))
        optimum, rng = decompose(p, d).value, np.random.default_rng(5)
        begin = time.process_time()
        found = dynasearch(p, d, start=rules.mdd(p, d), rng=rng, iterations=20)
        print(
            f"\nn={n}: dynasearch {100 * (found.value / optimum - 1):.3f} % above the optimum "
            f"after {time.process_time() - begin:.2f} s of CPU"
        )
        assert found.value >= optimum
