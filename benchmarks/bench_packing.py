"""The published search and the stronger one, on the snapshots of the published generator.

    python -m benchmarks.bench_packing
    python -m benchmarks.bench_packing --cells 16x4x1 16x8x4 --instances 5 --workers 2
    python -m benchmarks.bench_packing --clock work --workers 1

A cell is nodes x pods per node x priorities. Its instances are the first seeds for which the
default scheduler, with ties broken by name and without preemption, leaves a pod waiting; the
snapshot is the state that it leaves. For every search the table has the shares of instances in
which a better plan was found, and in which the outcome was proved (that a plan is the best, or
that none is better than the present); and how its outcome compares, tier by tier, with that of the
published search with ten seconds. On a machine that does other work besides, take ``--clock work``:
seconds are then the solver's measure of work, and the outcome is the same every time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import count, islice
from statistics import mean

import msgspec

from hocket.cluster.generate.replicasets import ReplicaSets
from hocket.cluster.model.pods import Pods
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.search import Packing, pack
from hocket.papers.priority_matters.scenarios import snapshot

CELLS = ("4x4x1", "8x4x1", "8x8x4", "16x4x1", "16x8x1", "16x8x4", "32x4x4")


def snapshots(nodes: int, pods: int, priorities: int, utilisation: float) -> Iterator[Pods]:
    """What the default scheduler leaves, where a pod waits."""
    workload = ReplicaSets(
        nodes=nodes, pods_per_node=pods, priorities=priorities, utilisation=utilisation
    )
    return filter(None, (snapshot(workload.make(seed)) for seed in count()))


def reached(packing: Packing) -> list[tuple[int, int]]:
    """The score: for each tier, pods that run, and minus its disruption."""
    return [(tier.placed, -tier.disruption) for tier in packing.tiers]


def main() -> None:
    """Print one line for each cell and search."""
    parser = argparse.ArgumentParser(description="The published search and the stronger one.")
    parser.add_argument("--cells", nargs="+", default=CELLS)
    parser.add_argument("--instances", type=int, default=5)
    parser.add_argument("--utilisation", type=float, default=0.95)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "work"), default="wall")
    given = parser.parse_args()
    searches = {
        "plain @ 10 s": Options(method="plain", time_limit=10),
        "plain @ 1 s": Options(method="plain", time_limit=1),
        "strong @ 1 s": Options(method="strong", time_limit=1),
    }
    head = f"{'better':>8}{'proved':>8}{'seconds':>9}  than plain @ 10 s: better, equal, worse"
    print(f"{'cell':10}{'search':14}{head}")
    for cell in given.cells:
        nodes, pods, priorities = (int(number) for number in cell.split("x"))
        found = snapshots(nodes, pods, priorities, given.utilisation)
        clusters = list(islice(found, given.instances))
        yardstick: list[list[tuple[int, int]]] = []
        for name, options in searches.items():
            options = msgspec.structs.replace(options, workers=given.workers, clock=given.clock)
            packings = [pack(cluster, options) for cluster in clusters]
            scores = [reached(packing) for packing in packings]
            yardstick = yardstick or scores
            pairs = list(zip(scores, yardstick, strict=True))
            told = [sum(a > b for a, b in pairs), sum(a == b for a, b in pairs)]
            better = mean("better" in p.verdict[:6] for p in packings)
            proved = mean("optimal" in p.verdict for p in packings)
            seconds = mean(packing.seconds for packing in packings)
            print(
                f"{cell:10}{name:14}{better:8.0%}{proved:8.0%}{seconds:9.2f}"
                f"  {told[0]}, {told[1]}, {len(pairs) - sum(told)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
