"""Job files of DS3: the tasks of a job, those before each, and volumes of data between them::

    job_name Top_1
    add_new_tasks 2
    task_1 0
    task_1 HEAD
    task_1 earliest_start 0 deadline 2
    task_2 1 0
    task_2 TAIL
    task_2 earliest_start 0 deadline 3
    comm_vol 0 1 18

Tasks are numbered from 0 in order, the numbers behind them are those of the tasks before them, and
their names are those of functions in the resource file. Deadlines and data sizes of tasks are not
used, as they are not in DS3's own schedulers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hocket.taskgraph.formats.words import Words, cut
from hocket.taskgraph.model.jobs import Edge, JobType, Task, find_cycle

KEYWORDS = frozenset({"job_name", "add_new_tasks", "comm_vol"})


@dataclass(slots=True)
class _Job:
    line: int
    name: str
    announced: int | None = None
    functions: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    before: list[list[int]] = field(default_factory=list)
    volumes: dict[tuple[int, int], tuple[int, float]] = field(default_factory=dict)
    heads: list[int] = field(default_factory=list)
    tails: list[int] = field(default_factory=list)
    starts: bool = False

    @property
    def open(self) -> bool:
        """Whether lines of tasks may follow."""
        return self.announced is not None


class JobReader:
    """Takes the lines of job files one after another; each ``job_name`` begins a job."""

    def __init__(self, findings: Words) -> None:
        self.findings = findings
        self.jobs: list[_Job] = []

    def take(self, line: int, words: Sequence[str]) -> None:
        """Read one line that is neither blank nor a comment."""
        if words[0] == "job_name":
            if len(words) != 2:
                self.findings.add("job_name: one name expected", line)
            self.jobs.append(_Job(line, words[-1]))
            return
        if not self.jobs:
            self.findings.add("job_name expected before the first tasks", line)
            self.jobs.append(_Job(line, "job"))
        job = self.jobs[-1]
        if words[0] == "add_new_tasks":
            if job.open:
                self.findings.add("add_new_tasks a second time; begin with job_name", line)
            elif len(words) != 2:
                self.findings.add("add_new_tasks: one number expected", line)
                job.announced = 0
            else:
                job.announced = self.findings.whole(words[1], "number of tasks", line, 1)
        elif words[0] == "comm_vol":
            self._volume(job, line, words)
        else:
            self._task(job, line, words)

    def _task(self, job: _Job, line: int, words: Sequence[str]) -> None:
        if not job.open:
            self.findings.add(f"unknown line {cut(' '.join(words))}", line)
        elif len(words) == 1:
            self.findings.add(f"task {cut(words[0])} has no number", line)
        elif words[1] in ("HEAD", "TAIL", "earliest_start"):
            if not job.functions:
                self.findings.add(f"{words[1]} of no task; a task's own line comes first", line)
            elif words[1] == "earliest_start":
                job.starts |= len(words) > 2 and words[2] != "0"
            else:
                marked = job.heads if words[1] == "HEAD" else job.tails
                marked.append(len(job.functions) - 1)
        else:
            number = self.findings.whole(words[1], "number of the task", line)
            if number != len(job.functions):
                told = f"task {cut(words[0])} has number {number}, {len(job.functions)} expected"
                self.findings.add(f"{told}: tasks are numbered from 0 in order", line)
            whole = self.findings.whole
            before = [whole(word, "number of a task before", line) for word in words[2:]]
            for other, count in Counter(before).items():
                if count > 1:
                    self.findings.add(f"task {other} is listed {count} times", line)
            job.functions.append(words[0])
            job.lines.append(line)
            job.before.append(before)

    def _volume(self, job: _Job, line: int, words: Sequence[str]) -> None:
        if len(words) != 4:
            self.findings.add("comm_vol: two tasks and a volume expected", line)
            return
        ends = [self.findings.whole(word, "number of a task", line) for word in words[1:3]]
        volume = self.findings.decimal(words[3], "volume", line)
        job.volumes[ends[0], ends[1]] = line, volume  # the last line counts, as in DS3

    def types(self) -> tuple[JobType, ...]:
        """The job types; adds what is wrong, and notes, to the findings."""
        for name, count in Counter(job.name for job in self.jobs).items():
            if count > 1:
                self.findings.add(f"{count} jobs are called {cut(name)}; rename all but one")
        return tuple(self._type(job) for job in self.jobs)

    def _type(self, job: _Job) -> JobType:
        count = len(job.functions)
        if not job.open:
            self.findings.add(f"job {cut(job.name)} has no add_new_tasks", job.line)
        elif job.announced != count:
            told = f"job {cut(job.name)} announces {job.announced} tasks, {count} are listed"
            self.findings.add(f"{told}; is the file cut off?", job.line)
        edges = []
        names = _names(job.functions)
        for task, before in enumerate(job.before):
            for other in before:
                if other >= count:
                    told = f"task {task} follows task {other}; tasks are 0 to {count - 1}"
                    self.findings.add(told, job.lines[task])
                    continue
                _, volume = job.volumes.get((other, task), (0, 0.0))
                edges.append(Edge(source=names[other], target=names[task], volume=volume))
        for (a, b), (line, _) in job.volumes.items():
            if max(a, b) >= count:
                told = f"comm_vol: no task {max(a, b)}; tasks are 0 to {count - 1}"
                self.findings.add(told, line)
        if circle := find_cycle(names, {(edge.source, edge.target) for edge in edges}):
            told = f"tasks go round in a circle: {' -> '.join([*circle[:20], circle[0]])}"
            self.findings.add(told, job.lines[names.index(circle[0])])
        self._notes(job)
        tasks = (
            Task(name=name, function="" if name == runs else runs)
            for name, runs in zip(names, job.functions, strict=True)
        )
        return JobType(name=job.name, tasks=tuple(tasks), edges=tuple(edges))

    def _notes(self, job: _Job) -> None:
        for task in job.heads:
            if job.before[task]:
                told = f"task {task} is marked HEAD and follows others"
                self.findings.add(told, job.lines[task])
        stray = [pair for pair in job.volumes if pair[0] not in _at(job.before, pair[1])]
        if stray:
            told = f"comm_vol between tasks that do not follow one another: {len(stray)}"
            self.findings.notes.append(f"{job.name}: {told}, passed over")
        ends = set(range(len(job.functions))) - {b for before in job.before for b in before}
        if job.tails and ends - set(job.tails):
            told = "jobs end with the last of their tasks, also where none is marked TAIL"
            self.findings.notes.append(f"{job.name}: {told}")
        if job.starts:
            self.findings.notes.append(f"{job.name}: earliest_start is not simulated")


def _at(before: list[list[int]], task: int) -> list[int]:
    return before[task] if task < len(before) else []


def _names(functions: list[str]) -> list[str]:
    """Names of tasks: their functions; with a number where several run the same."""
    count = Counter(functions)
    names = [f if count[f] == 1 else f"{f}#{i}" for i, f in enumerate(functions)]
    taken = Counter(names)
    return [name if taken[name] == 1 else f"{i}:{name}" for i, name in enumerate(names)]
