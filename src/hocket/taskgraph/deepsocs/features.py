"""What DeepSoCS sees: the graphs of all jobs in the system, as they are at this moment.

The scales are those of the released code (gym_ds3, EpiSci/SoCRATES). Two things differ: there the
elapsed and total times of a processor are those of its last task if it is idle, and the total is
the real duration, which nobody can know yet; here an idle processor has none, and the total is the
mean. And the sixth feature, which is always 0 there, is the task's mean duration, without which the
network could not tell one ready task from another but by its place in the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hocket.learn.batch import Floats
from hocket.taskgraph.model.graph import Graph
from hocket.taskgraph.roles import Job, Task, View

JOB_FEATURES = (
    "idle processors / 6.5",
    "2 if none of its tasks has started, else -2",
    "busy processors / 6.5",
)
TASK_FEATURES = (
    "elapsed time of what runs on the task's processor, times its mean duration, / 10000",
    "elapsed time / 200",
    "mean duration of the task, in units of the scenario's mean",
)
WIDTH = len(JOB_FEATURES) + len(TASK_FEATURES)
"""Features of a task together with its job's."""


class Graphs:
    """The tables of one moment: all undone tasks, job by job.

    - `tasks`: float32 of shape (tasks, 3), see `TASK_FEATURES`; `jobs`: (jobs, 3), `JOB_FEATURES`
    - `children`: int64 of shape (2, edges), from task to task after it
    - `member`: int64 of shape (2, tasks), from task to its job
    - `row`: the row of a task by its id
    """

    def __init__(self, view: View, means: Mapping[str, tuple[float, ...]], compat: bool) -> None:
        """`means` are the durations of each job type's tasks in the last feature's unit.

        With `compat` that feature is 0.
        """
        elapsed = [_elapsed(view, p) for p in range(len(view.cores))]
        busy = sum(bool(core.running) for core in view.cores)
        idle = len(view.cores) - busy
        undone = [(j, t) for j, job in enumerate(view.jobs) for t in job.tasks if t.finish < 0]
        self.row = {task.id: i for i, (_, task) in enumerate(undone)}
        self.jobs: Floats = np.array(
            [(idle / 6.5, -2.0 if _started(job) else 2.0, busy / 6.5) for job in view.jobs],
            np.float32,
        )
        self.tasks: Floats = np.array(
            [
                (*_progress(task, elapsed), 0.0 if compat else means[_name(task)][task.index])
                for _, task in undone
            ],
            np.float32,
        )
        self.member = np.array([range(len(undone)), [j for j, _ in undone]], np.int64)
        self.children = np.array(
            [
                (row, self.row[task.job.tasks[after].id])
                for row, (_, task) in enumerate(undone)
                for after, _ in task.job.graph.outputs[task.index]
            ],
            np.int64,
        ).reshape(-1, 2).T  # fmt: skip

    def tables(self) -> dict[str, Floats]:
        """The tables of a question."""
        return {"tasks": self.tasks, "jobs": self.jobs}

    def links(self) -> dict[str, tuple[str, str, Any]]:
        """The links of a question."""
        return {
            "children": ("tasks", "tasks", self.children),
            "member": ("tasks", "jobs", self.member),
        }


def means(graphs: tuple[Graph, ...]) -> dict[str, tuple[float, ...]]:
    """Mean durations of each job type's tasks, by its name, in units of the mean over all."""
    found = {graph.name: [graph.mean(t) for t in range(len(graph.tasks))] for graph in graphs}
    every = [mean for own in found.values() for mean in own]
    unit = sum(every) / len(every) or 1.0
    return {name: tuple(mean / unit for mean in own) for name, own in found.items()}


def _name(task: Task) -> str:
    return task.job.graph.name


def _started(job: Job) -> bool:
    return any(task.start >= 0 for task in job.tasks)


def _elapsed(view: View, p: int) -> tuple[int, int]:
    """For how long a processor has run its last started task, and that task's mean duration."""
    running = view.cores[p].running
    if not running:
        return 0, 0
    return view.now - running[-1].start, running[-1].durations[p]


def _progress(task: Task, elapsed: list[tuple[int, int]]) -> tuple[float, float]:
    if task.processor < 0:
        return 0.0, 0.0
    since, total = elapsed[task.processor]
    return since * total / 10_000, since / 200
