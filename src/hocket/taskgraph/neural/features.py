"""What can be decided, as a table: one row per ready task and processor with room, one to wait.

Times are in units of the scenario's mean duration of a task, so that a network that was trained on
microseconds of one system means something on another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hocket.learn.batch import Floats
from hocket.taskgraph.model.graph import Graph, Platform, graphs, platform
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.roles import Job, Task, View, arrival

FEATURES = (
    "1 in the row that waits, whose other entries but those marked * are 0",
    "duration",
    "duration beyond the least on any processor",
    "until the inputs are there",
    "finish on the best other processor, less the finish here (at most 4 either way)",
    "finish",
    "upward rank of the task, in 4 units",
    "upward rank less the highest of the job's tasks that are not done",
    "mean durations of the job's tasks that are not done, in 5 units",
    "age of the job, in 10 units",
    "share of the job's tasks that are not done",
    "tasks that wait for this one alone",
    "tasks that wait for this one, in pairs",
    "ready tasks, in fives *",
    "jobs in the system, in threes *",
    "tasks that have been given to the processor and wait for their inputs",
    "the first of these starts so much later than this one would finish; 0 without any",
    "mean time until the other processors are free (waiting: until all are) *",
    "least time until another processor is free (waiting: one that is not) *",
    "older jobs, in pairs",
    "jobs with less left to do, in pairs",
    "other ready tasks that take least on this processor, in pairs",
    "finish, less the earliest finish in any row",
    "mean durations of all that is not done in the system, in 20 units *",
)
"""What the columns hold; finishes are counted from now, by mean durations."""


class Ranks(NamedTuple):
    """What can be said of the tasks of a job type beforehand, by number.

    `upward` is the upward rank: the longest way to the job's end by mean durations and mean delays
    (Topcuoglu et al. 2002, equation 3). `fastest[p]` tells whether none is faster than p.
    """

    mean: tuple[float, ...]
    least: tuple[int, ...]
    upward: tuple[float, ...]
    fastest: tuple[tuple[bool, ...], ...]


def ranks(graph: Graph, platform: Platform) -> Ranks:
    """The ranks of one job type."""
    mean = tuple(graph.mean(t) for t in range(len(graph.tasks)))
    upward = [0.0] * len(mean)
    for t in reversed(graph.order):
        after = (platform.mean_delay(v) + upward[s] for s, v in graph.outputs[t])
        upward[t] = mean[t] + max(after, default=0.0)
    least = tuple(min(row) for row in graph.durations)
    fastest = tuple(
        tuple(d == low for d in row) for row, low in zip(graph.durations, least, strict=True)
    )
    return Ranks(mean, least, tuple(upward), fastest)


class Known:
    """What stays the same during a run: ranks by the name of the job type, and the unit of time."""

    def __init__(self, scenario: TaskGraphs) -> None:
        """Compile a sound scenario."""
        compiled, self.platform = graphs(scenario), platform(scenario)
        self.ranks = {graph.name: ranks(graph, self.platform) for graph in compiled}
        means = [m for known in self.ranks.values() for m in known.mean]
        self.unit = sum(means) / len(means) or 1.0
        self._reach: dict[int, tuple[int, ...]] = {}

    def reach(self, task: Task, now: int) -> tuple[int, ...]:
        """Ticks until the inputs of a ready task would be on each processor, 0 if they are."""
        found = self._reach.get(task.id)
        if found is None:
            processors = range(len(self.platform.names))
            found = tuple(arrival(self.platform, task, p, 0) for p in processors)
            self._reach[task.id] = found
        if self.platform.shared:  # on the way from when the task is assigned
            return found
        return tuple([there - now if there > now else 0 for there in found])

    def forget(self, task: Task) -> None:
        """The task has been assigned."""
        self._reach.pop(task.id, None)


class _Job:
    """A job as all rows of its tasks see it: ages and amounts of work in ticks."""

    __slots__ = ("age", "less", "older", "rank", "share", "work")

    def __init__(self, job: Job, known: Ranks, now: int, older: int) -> None:
        undone = [task.index for task in job.tasks if task.finish < 0]
        self.work = sum([known.mean[t] for t in undone])
        self.rank = max([known.upward[t] for t in undone])
        self.share = len(undone) / len(job.tasks)
        self.age = now - job.arrival
        self.older = older
        self.less = 0


class _Now(NamedTuple):
    """What all rows of one question share; for each processor when it is free and how many want it.

    The last three are features as they are.
    """

    free: list[float]
    wanted: list[int]
    first: int
    ready: float
    jobs: float
    work: float


class Situation:
    """The ready tasks and the processors at one instant, kept up while tasks are assigned.

    `ready` are the tasks still to be assigned. A processor has `room` unless it runs, or is about
    to run, as many tasks as it can; tasks that wait for their inputs do not count.
    """

    def __init__(self, known: Known, view: View) -> None:
        """The situation before anything is assigned."""
        self.known, self.now, self.cores = known, view.now, view.cores
        self.ready = list(view.ready)
        self.waits = {task.id: known.reach(task, view.now) for task in self.ready}
        self._busy = [0] * len(view.cores)  # places taken now
        self._places: list[list[float]] = []  # until each place of a processor is free
        self._starts: list[list[int]] = [[] for _ in view.cores]  # of those that wait for inputs
        for core in view.cores:
            places = [max(1.0, t.start + t.durations[core.index] - self.now) for t in core.running]
            self._busy[core.index] = len(places)
            self._places.append(places + [0.0] * (core.capacity - len(places)))
            for task in core.queue:
                self._queue(core.index, task.inputs_at - self.now, task.durations[core.index])
        self.jobs: dict[int, _Job] = {}
        for older, job in enumerate(view.jobs):
            own = known.ranks[job.graph.name]
            self.jobs[job.number] = _Job(job, own, self.now, older)
        for one in self.jobs.values():
            one.less = sum([other.work < one.work for other in self.jobs.values()])
        self.work = sum([job.work for job in self.jobs.values()])

    def _queue(self, p: int, wait: int, duration: int) -> None:
        places = self._places[p]
        first = places.index(min(places))
        places[first] = max(places[first], wait) + duration
        if wait > 0:
            self._starts[p].append(wait)
        else:
            self._busy[p] += 1

    def assign(self, task: Task, p: int) -> None:
        """A ready task goes to a processor."""
        self._queue(p, self.waits[task.id][p], task.durations[p])
        self.ready.remove(task)
        self.known.forget(task)

    @property
    def idle(self) -> bool:
        """Whether nothing runs or is about to: who waits now might wait for ever."""
        return not any(self._busy) and not any(self._starts)

    def rows(self) -> list[tuple[Task, int]]:
        """The pairs of a ready task and a processor that can run it and has room."""
        room = [taken < core.capacity for taken, core in zip(self._busy, self.cores, strict=True)]
        return [(task, p) for task in self.ready for p in task.able if room[p]]

    def table(self, rows: Sequence[tuple[Task, int]]) -> Floats:
        """The features of `rows`, and below them those of waiting: float32 of shape (rows + 1, 24).

        See `FEATURES`.
        """
        unit = self.known.unit
        wanted = [0] * len(self.cores)
        for task in self.ready:
            for p, fastest in enumerate(self._ranks(task).fastest[task.index]):
                wanted[p] += fastest
        finishes = [self.waits[task.id][p] + task.durations[p] for task, p in rows]
        now = _Now(
            free=[min(places) for places in self._places],
            wanted=wanted,
            first=min(finishes),
            ready=len(self.ready) / 5,
            jobs=len(self.jobs) / 3,
            work=self.work / unit / 20,
        )
        pairs = [
            self._pair(now, task, p, finish)
            for (task, p), finish in zip(rows, finishes, strict=True)
        ]
        return np.array([*pairs, self._waiting(now)], np.float32)

    def _pair(self, now: _Now, task: Task, p: int, finish: int) -> tuple[float, ...]:
        unit, known, t = self.known.unit, self._ranks(task), task.index
        job, outputs = self.jobs[task.job.number], task.job.graph.outputs[t]
        duration, others, starts = task.durations[p], task.job.tasks, self._starts[p]
        rest = [free for q, free in enumerate(now.free) if q != p]
        return (
            0.0,
            duration / unit,
            (duration - known.least[t]) / unit,
            self.waits[task.id][p] / unit,
            self._elsewhere(task, p, now.free, finish) / unit,
            finish / unit,
            known.upward[t] / unit / 4,
            (known.upward[t] - job.rank) / unit,
            job.work / unit / 5,
            job.age / unit / 10,
            job.share,
            sum([others[after].missing == 1 for after, _ in outputs]),
            len(outputs) / 2,
            now.ready,
            now.jobs,
            len(starts),
            (min(starts) - finish) / unit if starts else 0.0,
            sum(rest) / len(rest) / unit if rest else 0.0,
            min(rest) / unit if rest else 0.0,
            job.older / 2,
            job.less / 2,
            (now.wanted[p] - known.fastest[t][p]) / 2,
            (finish - now.first) / unit,
            now.work,
        )

    def _waiting(self, now: _Now) -> tuple[float, ...]:
        unit = self.known.unit
        row = [0.0] * len(FEATURES)
        later = [free for free in now.free if free > 0]
        row[0], row[13], row[14], row[23] = 1.0, now.ready, now.jobs, now.work
        row[17] = sum(now.free) / len(now.free) / unit
        row[18] = min(later) / unit if later else 0.0
        return tuple(row)

    def _elsewhere(self, task: Task, p: int, free: Sequence[float], finish: int) -> float:
        """By how much the best other processor would finish a task later, cut at 4 units."""
        waits, durations = self.waits[task.id], task.durations
        most = 4 * self.known.unit
        others = [max(waits[q], free[q]) + durations[q] for q in task.able if q != p]
        return max(-most, min(most, min(others, default=finish + most) - finish))

    def _ranks(self, task: Task) -> Ranks:
        return self.known.ranks[task.job.graph.name]
