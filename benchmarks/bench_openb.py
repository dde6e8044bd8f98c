"""A cluster of the size of OpenB: loaded, filled by the default scheduler, and packed by a plan.

    python -m benchmarks.bench_openb ../shared/data/cluster/openb
    python -m benchmarks.bench_openb FOLDER --seconds 60 --workers 2

The folder holds the node and the pod list (1,523 nodes and 8,152 pods). All pods wait from the
start, for ever. Two snapshots are planned for by the strong search: the empty cluster, and what
the default scheduler leaves. Seconds are by the clock on the wall and of processor time; the peak
of resident memory is that of the process so far.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hocket.cluster.model.pods import Pods
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.plan import Plan
from hocket.cluster.packing.planner import plan_for
from hocket.core.load import load
from hocket.papers.priority_matters.scenarios import snapshot

Result = TypeVar("Result")
NODE_LIST, POD_LIST = "openb_node_list_all_node.csv", "openb_pod_list_default.csv"


def timed(what: str, step: Callable[[], Result]) -> Result:
    """The result of a step, whose time and memory are printed."""
    wall, work = time.perf_counter(), time.process_time()
    result = step()
    wall, work = time.perf_counter() - wall, time.process_time() - work
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
    print(f"{what:38}{wall:9.1f}{work:9.1f}{peak:11,}", flush=True)
    return result


def all_at_once(folder: Path) -> Pods:
    """The cluster of the lists, its pods waiting from the start."""
    scenario = load(
        {
            "problem": "cluster/pods",
            "nodes": {"path": str(folder / NODE_LIST)},
            "pods": {"path": str(folder / POD_LIST), "reading": "static"},
        }
    )
    assert isinstance(scenario, Pods)
    return scenario


def told(plan: Plan) -> None:
    """Print what became of a plan."""
    rows = (f"{t.priority}: {t.before:,} -> {t.placed:,} <= {t.placed_bound:,}" for t in plan.tiers)
    print(f"  {plan.verdict}; pods that run, of each priority and above: {', '.join(rows)}")
    print(
        f"  {len(plan.placed):,} placed, {len(plan.moved):,} moved, {len(plan.evicted):,} evicted"
    )


def main() -> None:
    """Print one line for each step, and what the plans reach."""
    parser = argparse.ArgumentParser(description="A cluster of the size of OpenB.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    options = Options(clock="wall", time_limit=given.seconds, workers=given.workers)
    print(f"{'':38}{'seconds':>9}{'cpu s':>9}{'peak MiB':>11}")
    cluster = timed("load", lambda: all_at_once(given.folder))
    print(f"  {len(cluster.nodes):,} nodes, {len(cluster.pods):,} pods")
    left = timed("default scheduler", lambda: snapshot(cluster))
    if left is not None:
        told(timed("plan for what it leaves", lambda: plan_for(left, options)))
    told(timed("plan for the empty cluster", lambda: plan_for(cluster, options)))


if __name__ == "__main__":
    main()
