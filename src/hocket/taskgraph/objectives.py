"""What each metric of a run of task graphs means, in which unit, and which way is good."""

from __future__ import annotations

from hocket.core.domain import Measure

PERCENTILES = (50, 95, 99)

METRICS: dict[str, Measure] = {
    "mean_latency": Measure(
        "ticks", "lower", "from a job's admission to the end of its last task, mean", shown=True
    ),
    **{
        f"latency_p{percent}": Measure(
            "ticks", "lower", f"latency of completed jobs: percentile {percent}", percent == 95
        )
        for percent in PERCENTILES
    },
    "completed": Measure("", "higher", "jobs completed; a full system refuses others", shown=True),
    "throughput": Measure("jobs/ms", "higher", "jobs completed, over the time", shown=True),
    "slr": Measure(
        "",
        "lower",
        "schedule length ratio: latency over that of the critical path at its fastest, mean",
        shown=True,
    ),
    "makespan": Measure("ticks", "lower", "until the last task ends", shown=True),
    "injected": Measure("", "", "jobs admitted"),
    "blocked": Measure("", "lower", "arrivals that found the system full", shown=True),
    "jobs_mean": Measure("", "", "jobs in the system, mean over time"),
    "utilisation": Measure("share", "", "of all processors, the time that they run tasks"),
    "volume_moved": Measure("", "lower", "data between tasks on different processors"),
    "energy": Measure("J", "lower", "what the tasks take that are completed"),
    "energy_per_job": Measure("J", "lower", "energy, over jobs completed", shown=True),
    "edp": Measure("J s", "lower", "energy-delay product: energy by the sum of all latencies"),
}
"""Every key of `metrics`, in the order in which they are shown."""
