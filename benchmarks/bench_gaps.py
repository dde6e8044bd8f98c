"""Gaps of policies on Taillard's 80 job shops, by class.

    python -m benchmarks.bench_gaps --policy shop/mwkr --policy shop/neural
    python -m benchmarks.bench_gaps --samples 128

A gap is 100 (makespan / best known upper bound - 1); the mean of a class is over its ten instances.
Every policy plays in the simulator. ``--samples`` adds shop/neural with so many plans, of which it
follows the best: about four minutes for 128.
"""

from __future__ import annotations

import argparse
import time
from statistics import mean

from hocket.core.load import load, load_policy
from hocket.core.policy import Policy
from hocket.core.run import run
from hocket.shop.generate.best_known import bounds
from hocket.shop.policies.neural import Neural

CLASSES = ("15x15", "20x15", "20x20", "30x15", "30x20", "50x15", "50x20", "100x20")


def gap(policy: Policy, number: int) -> float:
    """On the instance of this number, from 1."""
    name = f"ta{number:02d}"
    best = bounds(name)
    assert best is not None
    return 100 * (run(load(f"shop/{name}"), policy).metrics["makespan"] / best.upper - 1)


def main() -> None:
    """Print one line for each policy."""
    parser = argparse.ArgumentParser(description="Gaps on Taillard's job shops.")
    parser.add_argument("--policy", action="append", default=[])
    parser.add_argument("--samples", type=int, default=0)
    given = parser.parse_args()
    policies = [load_policy(name) for name in given.policy or ("shop/mwkr", "shop/neural")]
    if given.samples:
        policies.append(Neural(samples=given.samples))
    print(f"{'':28}" + "".join(f"{name:>8}" for name in CLASSES) + f"{'all':>8}{'cpu s':>8}")
    for policy in policies:
        begun = time.process_time()
        gaps = [gap(policy, number) for number in range(1, 81)]
        seconds = time.process_time() - begun
        means = [mean(gaps[k : k + 10]) for k in range(0, 80, 10)]
        told = "".join(f"{value:8.2f}" for value in (*means, mean(gaps)))
        print(f"{policy!s:28}{told}{seconds:8.0f}", flush=True)


if __name__ == "__main__":
    main()
