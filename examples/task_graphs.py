"""Task graphs: one graph against its optimum, then a stream of jobs on a chip, `soc.yaml`.

The optimum is proven; in the stream each policy meets the same jobs and the same luck.
"""

from pathlib import Path

import hocket

CHIP = Path(__file__).parent / "soc.yaml"
STATIC = ["taskgraph/heft", "taskgraph/peft", "taskgraph/cpop", "taskgraph/etf"]
STREAM = ["taskgraph/etf", "taskgraph/met", "taskgraph/heft", "taskgraph/peft"]
SHOWN = ("mean_latency", "completed", "energy_per_job")


def one_graph() -> None:
    """The example of the paper on HEFT: ten tasks on three processors."""
    best = hocket.solve("taskgraph/canonical", time_limit=60)
    assert best.value is not None
    print(f"canonical: the optimum is {best.value} ({best.status})")
    for policy in STATIC:
        makespan = hocket.run("taskgraph/canonical", policy).metrics["makespan"]
        print(f"  {policy:15} {makespan:g}, {makespan / best.value - 1:.1%} above")


def a_stream() -> None:
    """Latency, and how many jobs were completed: one without the other tells little."""
    compared = hocket.compare(CHIP, STREAM, seeds=10)
    figures = {(row.policy, row.metric): row.mean for row in compared.rows}
    print("camera chip, 10 seeds: mean latency, completed jobs, energy per job")
    for policy in STREAM:
        latency, completed, energy = (figures[policy, metric] for metric in SHOWN)
        print(f"  {policy:15} {latency:.0f} us, {completed:.1f} jobs, {energy * 1000:.3f} mJ")
    for row in compared.differences:
        if row.metric == "mean_latency":
            print(f"  {row.policy} less ETF: {row.mean:.1f} us [{row.low:.1f}, {row.high:.1f}]")


if __name__ == "__main__":
    one_graph()
    a_stream()
