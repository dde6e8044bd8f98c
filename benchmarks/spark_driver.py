"""How much of a tiny job's overhead does Spark's driver do for one job at a time?

    python -m benchmarks.spark_driver

Jobs of one stage (a range) and of two (counted after it), of 2, 8 and 32 tasks that sleep 20 ms in
the JVM, in local mode with plenty of cores. Each kind is run alone, one job after another, and then
100 of them at once, from as many threads; three minutes in all. Printed, in ms per job:

- alone: the lower decile of what a job takes beyond its sleep, as others use this machine too
- at once: the time for all, over their number, best of three. What the driver does for one job at a
  time takes no longer than that. It cannot be shorter than the CPU time of a job over the number of
  processors, so with few of them it says little about the driver
- loop: CPU time of the thread ``dag-scheduler-event-loop``, which is one; dispatch: of the threads
  that carry messages to the scheduler, which takes one at a time; all: of the whole JVM. busy is
  the share of the time for all that the loop ran or waited for a processor; were it what holds jobs
  up, that would be near 1
- blocked: how long the threads that ask for jobs wait for locks that others hold, on average; were
  a lock what holds jobs up, that would be near half the time for all

The last lines are fits of loop and dispatch to stages and tasks, and the serial share: loop and
dispatch of a job alone, over its overhead. The time at once over the same overhead bounds it from
above, loosely where the processors alone come near to it.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

NAP, JOBS, CORES, ALONE, WARM = 20, 100, 512, 100, 200
TASKS = (2, 8, 32)
"""Not 1: what is in one partition is counted without a second stage."""
THREADS = {"dag-scheduler-e": "loop", "dispatcher-even": "dispatch"}
"""Threads by what Linux keeps of their names."""


class Spent(NamedTuple):
    """Milliseconds of processors since the JVM began: by kind of thread, and of all of it."""

    on: dict[str, float]
    queued: dict[str, float]
    all: float


class Row(NamedTuple):
    """What was found for a kind of job, in ms per job; `busy` is a share."""

    stages: int
    tasks: int
    alone: float
    at_once: float
    loop: tuple[float, float]
    dispatch: tuple[float, float]
    all: tuple[float, float]
    busy: float
    blocked: float


def session() -> Any:
    from pyspark.sql import SparkSession

    made = SparkSession.builder.master(f"local[{CORES}]")
    for key, value in {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",
    }.items():
        made = made.config(key, value)
    return made.getOrCreate()


class Bench:
    """A session, threads that submit jobs, and the times of the JVM."""

    def __init__(self) -> None:
        self.spark = session()
        jvm = self.spark.sparkContext._jvm
        beans = jvm.java.lang.management.ManagementFactory
        self.process = Path("/proc", beans.getRuntimeMXBean().getName().partition("@")[0])
        self.threads = beans.getThreadMXBean()
        self.threads.setThreadContentionMonitoringEnabled(True)
        self.current = jvm.java.lang.Thread.currentThread
        self.pool = ThreadPoolExecutor(JOBS)

    def job(self, stages: int, tasks: int) -> float:
        begun = time.perf_counter()
        nap = f"java_method('java.lang.Thread', 'sleep', {NAP}L) as nap"
        found = self.spark.range(0, tasks, 1, tasks).selectExpr(nap)
        (found if stages == 1 else found.groupBy().count()).collect()
        return 1000 * (time.perf_counter() - begun)

    def blocked(self) -> float:
        """How long the JVM's thread that serves this one has waited for locks (ms)."""
        return float(self.threads.getThreadInfo(self.current().getId()).getBlockedTime())

    def spent(self) -> Spent:
        on, queued = dict.fromkeys(THREADS.values(), 0.0), dict.fromkeys(THREADS.values(), 0.0)
        for thread in (self.process / "task").iterdir():
            try:
                kind = THREADS.get((thread / "comm").read_text().strip())
                ran, waited, _ = (int(part) for part in (thread / "schedstat").read_text().split())
            except OSError:
                continue  # ended meanwhile
            if kind:
                on[kind] += ran / 1e6
                queued[kind] += waited / 1e6
        fields = (self.process / "stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return Spent(on, queued, 1000 * ticks / os.sysconf("SC_CLK_TCK"))

    def alone(self, stages: int, tasks: int) -> tuple[float, dict[str, float]]:
        before = self.spent()
        took = [self.job(stages, tasks) for _ in range(ALONE)]
        after = self.spent()
        spent = {kind: (after.on[kind] - before.on[kind]) / ALONE for kind in after.on}
        spent["all"] = (after.all - before.all) / ALONE
        return float(np.quantile(took, 0.1)) - NAP, spent

    def at_once(self, stages: int, tasks: int) -> dict[str, float]:
        gate = threading.Barrier(JOBS + 1)

        def one() -> float:
            start = self.blocked()
            gate.wait()
            self.job(stages, tasks)
            return self.blocked() - start

        waiting = [self.pool.submit(one) for _ in range(JOBS)]
        before = self.spent()
        gate.wait()
        begun = time.perf_counter()
        blocked = [job.result() for job in waiting]
        took = 1000 * (time.perf_counter() - begun)
        after = self.spent()
        found = {kind: (after.on[kind] - before.on[kind]) / JOBS for kind in after.on}
        loop = after.on["loop"] - before.on["loop"] + after.queued["loop"] - before.queued["loop"]
        found |= {"took": (took - NAP) / JOBS, "busy": loop / took}
        found |= {"all": (after.all - before.all) / JOBS, "blocked": float(np.mean(blocked))}
        return found

    def row(self, stages: int, tasks: int) -> Row:
        for _ in range(WARM // 4):
            self.job(stages, tasks)
        alone, one = self.alone(stages, tasks)
        many = min((self.at_once(stages, tasks) for _ in range(3)), key=lambda found: found["took"])
        pairs = {kind: (one[kind], many[kind]) for kind in ("loop", "dispatch", "all")}
        return Row(
            stages=stages,
            tasks=tasks,
            alone=alone,
            at_once=many["took"],
            busy=many["busy"],
            blocked=many["blocked"],
            **pairs,
        )


def fit(rows: list[Row], which: int) -> tuple[float, float]:
    """Serial ms of a stage, and of a task, by least squares; a count is a stage of one task."""
    terms = [[row.stages, row.tasks + row.stages - 1] for row in rows]
    serial = np.array([row.loop[which] + row.dispatch[which] for row in rows])
    stage, task = np.linalg.lstsq(np.array(terms, dtype=np.float64), serial, rcond=None)[0]
    return float(stage), float(task)


def main() -> None:
    bench = Bench()
    processors = len(os.sched_getaffinity(0))
    for _ in range(WARM):
        bench.job(2, 8)
    print(f"{processors} processors, load {os.getloadavg()[0]:.1f}; ms per job, alone / at once")
    print("stages tasks    took          loop         dispatch      all CPU      busy blocked")
    rows = []
    for stages in (1, 2):
        for tasks in TASKS:
            row = bench.row(stages, tasks)
            rows.append(row)
            pairs = (row.alone, row.at_once), row.loop, row.dispatch, row.all
            told = "  ".join(f"{one:6.1f}/{many:5.1f}" for one, many in pairs)
            print(f"{stages:6} {tasks:5}  {told}  {row.busy:5.2f} {row.blocked:6.1f}", flush=True)
    for which, when in enumerate(("alone", "at once")):
        stage, task = fit(rows, which)
        print(f"{when}: loop and dispatch take {stage:.2f} ms per stage, {task:.3f} ms per task")
    two = [row for row in rows if row.stages == 2]
    for row in two:
        least = (row.loop[0] + row.dispatch[0]) / row.alone
        most = min(1.0, row.at_once / row.alone)
        floor = row.all[1] / processors / row.alone
        print(
            f"two stages, {row.tasks} tasks: serial share {least:.0%}, at most {most:.0%} "
            f"(the processors alone: {floor:.0%})"
        )
    bench.spark.stop()


if __name__ == "__main__":
    main()
