"""The features of neural list scheduling once more, column by column, slowly."""

from __future__ import annotations

from hocket.taskgraph.model.graph import NEVER, graphs, platform
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.roles import Job, Task, View


class Literal:
    """One view, and what was assigned since: pairs of a task and a processor."""

    def __init__(self, scenario: TaskGraphs, view: View, given: list[tuple[Task, int]]) -> None:
        self.view, self.given = view, given
        self.platform = platform(scenario)
        self.graphs = {graph.name: graph for graph in graphs(scenario)}
        means = [g.mean(t) for g in self.graphs.values() for t in range(len(g.tasks))]
        self.unit = sum(means) / len(means) or 1.0
        taken = [task for task, _ in given]
        self.ready = [task for task in view.ready if task not in taken]

    def wait(self, task: Task, p: int) -> int:
        latest = 0
        for before, volume in task.job.graph.inputs[task.index]:
            source = task.job.tasks[before]
            if self.platform.to_memory is None:
                there = source.finish + self.platform.transfer(volume, source.processor, p)
                latest = max(latest, there - self.view.now)
            else:
                latest = max(latest, self.platform.through_memory(volume, p))
        return latest

    def queued(self, p: int) -> list[tuple[int, int]]:
        """Wait and duration of what is queued on p, with what has been given to it since."""
        old = [(t.inputs_at - self.view.now, t.durations[p]) for t in self.view.cores[p].queue]
        return old + [(self.wait(t, p), t.durations[p]) for t, q in self.given if q == p]

    def free(self, p: int) -> float:
        core = self.view.cores[p]
        ends = [max(1, t.start + t.durations[p] - self.view.now) for t in core.running]
        ends += [0] * (core.capacity - len(ends))
        for wait, duration in self.queued(p):
            first = ends.index(min(ends))
            ends[first] = max(ends[first], wait) + duration
        return min(ends)

    def room(self, p: int) -> bool:
        now = [wait for wait, _ in self.queued(p) if wait <= 0]
        return len(self.view.cores[p].running) + len(now) < self.view.cores[p].capacity

    def rows(self) -> list[tuple[Task, int]]:
        every = range(len(self.view.cores))
        return [
            (task, p)
            for task in self.ready
            for p in every
            if task.durations[p] < NEVER and self.room(p)
        ]

    def upward(self, job: Job, t: int) -> float:
        after = [
            self.platform.mean_delay(volume) + self.upward(job, s)
            for s, volume in job.graph.outputs[t]
        ]
        return job.graph.mean(t) + max(after, default=0)

    def work(self, job: Job) -> float:
        return sum(job.graph.mean(t.index) for t in job.tasks if t.finish < 0)

    def finish(self, task: Task, p: int) -> int:
        return self.wait(task, p) + task.durations[p]

    def pair(self, task: Task, p: int) -> list[float]:
        job, unit, jobs = task.job, self.unit, self.view.jobs
        every = range(len(self.view.cores))
        starts = [wait for wait, _ in self.queued(p) if wait > 0]
        elsewhere = [
            max(self.wait(task, q), self.free(q)) + task.durations[q]
            for q in every
            if q != p and task.durations[q] < NEVER
        ]
        finish = self.finish(task, p)
        ahead = (min(elsewhere) - finish) / unit if elsewhere else 4.0
        rest = [self.free(q) for q in every if q != p]
        undone = [t for t in job.tasks if t.finish < 0]
        followers = [job.tasks[s] for s, _ in job.graph.outputs[task.index]]
        rivals = [
            other
            for other in self.ready
            if other is not task and other.durations[p] == min(other.durations)
        ]
        return [
            0,
            task.durations[p] / unit,
            (task.durations[p] - min(task.durations)) / unit,
            self.wait(task, p) / unit,
            min(4.0, max(-4.0, ahead)),
            finish / unit,
            self.upward(job, task.index) / unit / 4,
            (self.upward(job, task.index) - max(self.upward(job, t.index) for t in undone)) / unit,
            self.work(job) / unit / 5,
            (self.view.now - job.arrival) / unit / 10,
            len(undone) / len(job.tasks),
            len([f for f in followers if f.missing == 1]),
            len(followers) / 2,
            len(self.ready) / 5,
            len(jobs) / 3,
            len(starts),
            (min(starts) - finish) / unit if starts else 0,
            sum(rest) / len(rest) / unit if rest else 0,
            min(rest) / unit if rest else 0,
            jobs.index(job) / 2,
            len([other for other in jobs if self.work(other) < self.work(job)]) / 2,
            len(rivals) / 2,
            (finish - min(self.finish(*row) for row in self.rows())) / unit,
            sum(self.work(other) for other in jobs) / unit / 20,
        ]

    def waiting(self) -> list[float]:
        free = [self.free(p) for p in range(len(self.view.cores))]
        row = [0.0] * 24
        row[0] = 1
        row[13], row[14] = len(self.ready) / 5, len(self.view.jobs) / 3
        row[17] = sum(free) / len(free) / self.unit
        row[18] = min((f for f in free if f > 0), default=0) / self.unit
        row[23] = sum(self.work(job) for job in self.view.jobs) / self.unit / 20
        return row

    def table(self) -> list[list[float]]:
        return [*(self.pair(task, p) for task, p in self.rows()), self.waiting()]
