"""The rules of the shared application played tick by tick: literal, slow, without a kernel.

At every tick: tasks end, jobs are submitted, stages come to the driver, which queues them one after
another; then cores are given one by one. What takes no time ends at once, and the tick is gone
through again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from hocket.cluster.model.analytics import Analytics, Job
from hocket.core.timeline import Timeline
from tests.cluster.sharing.test_partition import work_up_to


class Seen(NamedTuple):
    """A stage with waiting tasks as a scheduler sees it."""

    job: int
    user: str
    index: int
    number: int
    waiting: int
    running: int


class Look(NamedTuple):
    """All that a scheduler sees: `users` counts the running tasks of each who has a job."""

    now: int
    free: int
    stages: tuple[Seen, ...]
    users: tuple[tuple[str, int], ...]
    left: tuple[tuple[int, int], ...]


Choose = Callable[[Look], "int | None"]
"""The number of the stage that gets the next core."""
Parts = Callable[[int, int, int], "int | None"]
"""Into how many tasks to cut, by the number of a stage, its index and its tasks."""


@dataclass(eq=False)
class OneJob:
    number: int
    source: Job
    stages: dict[int, OneStage] = field(default_factory=dict)
    come: set[int] = field(default_factory=set)

    def ready(self, index: int, now: int, overheads: Any, arrival: int) -> bool:
        """Whether a stage comes to the driver now."""
        before = self.source.stages[index].after
        if index in self.come:
            return False
        if not before:
            return arrival + overheads.job == now
        ends = [self.stages[b].end if b in self.stages else None for b in before]
        return None not in ends and max(e for e in ends if e is not None) + overheads.stage == now


@dataclass(eq=False)
class InLine:
    """A stage at the driver: what the driver has left to do for it."""

    job: OneJob
    index: int
    left: int


@dataclass(eq=False)
class OneStage:
    number: int
    job: OneJob
    index: int
    ticks: list[int]
    started: int = 0
    done: int = 0
    end: int | None = None

    @property
    def waiting(self) -> int:
        return len(self.ticks) - self.started


class TickByTick:
    """The application at one tick."""

    def __init__(self, scenario: Analytics, choose: Choose, parts: Parts) -> None:
        self.scenario, self.choose, self.parts = scenario, choose, parts
        lanes = tuple(f"core.{k}" for k in range(scenario.cores))
        self.timeline = Timeline(scenario.time_unit, lanes)
        self.now = 0
        self.free = [True] * scenario.cores
        self.jobs: list[OneJob] = []
        self.arrivals: list[int] = []
        self.line: list[InLine] = []
        self.stages: list[OneStage] = []
        self.running: list[tuple[int, int, OneStage]] = []  # end, core, in the order of starts
        self.ended: dict[str, int] = {}
        self.submitted: set[int] = set()

    def play(self, most: int = 5_000) -> Timeline:
        while len(self.ended) < len(self.scenario.jobs):
            assert self.now < most, "not everything gets done"
            if self.line and self.line[0].left:
                self.line[0].left -= 1
            while True:
                happened = self.finish()
                self.submit()
                happened |= self.queue()
                if not (happened and self.give()):
                    break
            self.now += 1
        return self.timeline

    def finish(self) -> bool:
        over = [task for task in self.running if task[0] <= self.now]
        self.running = [task for task in self.running if task[0] > self.now]
        for _, core, stage in over:
            self.free[core] = True
            stage.done += 1
            if stage.done == len(stage.ticks):
                stage.end = self.now
                job = stage.job
                if [s.end is not None for s in job.stages.values()].count(True) == len(
                    job.source.stages
                ):
                    self.ended[job.source.name] = self.now
                    self.timeline.point("done", "", job.source.name, "", self.now)
        return bool(over)

    def submit(self) -> None:
        for index, job in enumerate(self.scenario.jobs):
            if index in self.submitted or job.arrival > self.now:
                continue
            if job.after and not (
                job.after in self.ended and self.ended[job.after] + job.think <= self.now
            ):
                continue
            self.submitted.add(index)
            self.jobs.append(OneJob(len(self.jobs), job))
            self.arrivals.append(self.now)
            self.timeline.point("submit", "", job.name, job.user, self.now)

    def queue(self) -> bool:
        overheads, before = self.scenario.overheads, len(self.stages)
        for job, arrival in zip(self.jobs, self.arrivals, strict=True):
            for index in range(len(job.source.stages)):
                if job.ready(index, self.now, overheads, arrival):
                    job.come.add(index)
                    self.line.append(InLine(job, index, overheads.driver))
        while self.line and not self.line[0].left:
            first = self.line.pop(0)
            self.queue_one(first.job, first.index)
        return len(self.stages) > before

    def queue_one(self, job: OneJob, index: int) -> None:
        number, source = len(self.stages), job.source.stages[index]
        parts = self.parts(number, index, len(source.tasks))
        ticks = [*source.tasks]
        if parts is not None and source.divisible:
            ends = [
                (work_up_to(ticks, Fraction(k, parts)) + Fraction(1, 2)) // 1
                for k in range(parts + 1)
            ]
            ticks = [int(b - a) for a, b in pairwise(ends)]
        stage = OneStage(number, job, index, ticks)
        self.stages.append(stage)
        job.stages[index] = stage
        self.timeline.point("queue", "", job.source.name, str(index), self.now)

    def look(self) -> Look:
        inside = [job for job in self.jobs if job.source.name not in self.ended]
        users = {job.source.user: 0 for job in inside}
        for _, _, stage in self.running:
            users[stage.job.source.user] += 1
        return Look(
            self.now,
            sum(self.free),
            tuple(
                Seen(
                    stage.job.number,
                    stage.job.source.user,
                    stage.index,
                    stage.number,
                    stage.waiting,
                    sum(task[2] is stage for task in self.running),
                )
                for stage in self.stages
                if stage.waiting
            ),
            tuple(users.items()),
            tuple(
                (
                    job.number,
                    sum(
                        i not in job.stages or job.stages[i].end is None
                        for i in range(len(job.source.stages))
                    ),
                )
                for job in inside
            ),
        )

    def give(self) -> bool:
        """Give cores; whether anything else may happen at this tick."""
        gave = False
        while any(self.free):
            look = self.look()
            if not look.stages:
                break
            number = self.choose(look)
            if number is None:
                break
            stage, core = self.stages[number], self.free.index(True)
            end = self.now + stage.ticks[stage.started] + self.scenario.overheads.task
            self.timeline.span(
                "run",
                f"core.{core}",
                stage.job.source.name,
                f"{stage.index}.{stage.started}",
                self.now,
                end,
            )
            stage.started += 1
            self.free[core] = False
            self.running.append((end, core, stage))
            gave = gave or end == self.now
        return gave
