"""The scenario: users who share one analytics application, jobs of stages of tasks, and cores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any

import msgspec

from hocket.cluster.model.log_files import REFERENCES
from hocket.core.errors import Problem
from hocket.core.scenario import Scenario, Ticks, TimeUnit, repeated

MOST_TASKS = 1_000_000
"""So many tasks may a stage have."""


class Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tasks that may all run at once, as soon as the stages before are done.

    - `tasks`: how long each of them runs on a core (ticks), as the data were partitioned. Skew is a
      task that runs longer than the others
    - `after`: the numbers of the stages of its job that must be done before
    - `divisible`: whether its data can be cut into another number of partitions; then a partition's
      work is that of its share of the data, `tasks` lying side by side in it
    - `estimate`: core-ticks that whoever submits it expects, None where nobody has said
    """

    tasks: Annotated[tuple[Ticks, ...], msgspec.Meta(min_length=1, max_length=MOST_TASKS)]
    after: tuple[Annotated[int, msgspec.Meta(ge=0)], ...] = ()
    divisible: bool = True
    estimate: Ticks | None = None
    name: str = ""

    @property
    def work(self) -> int:
        """Core-ticks of all its tasks."""
        return sum(self.tasks)


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user submits and waits for.

    - `user`: who submits it; `kind`: jobs of one kind are much alike (a query, a report)
    - `arrival`: when it is submitted; with `after`, the name of another job, no earlier than that
      job's end and `think` ticks
    """

    name: str
    user: str
    stages: Annotated[tuple[Stage, ...], msgspec.Meta(min_length=1)]
    arrival: Ticks = 0
    after: str = ""
    think: Ticks = 0
    kind: str = ""

    @property
    def work(self) -> int:
        """Core-ticks of all its stages."""
        return sum(stage.work for stage in self.stages)


class User(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user by `name`; `group` is the class that figures are told for, such as ``frequent``."""

    name: str
    group: str = ""


class Overheads(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What runs beside the work.

    - `job`: from a job's submission until its first stages come to the driver; any number of jobs
      at once, as each is planned in a thread of its own
    - `stage`: from the end of the stages before until a later stage comes to the driver
    - `driver`: how long the driver takes to queue a stage, one stage at a time
    - `task`: added to every task, on its core
    """

    job: Ticks = 0
    stage: Ticks = 0
    driver: Ticks = 0
    task: Ticks = 0


class Analytics(
    Scenario,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="problem",
    tag="cluster/analytics",
):
    """Jobs of many users on the cores of one application, such as a Spark session that all share.

    - `cores`: tasks that run at once
    - `jobs`: in any order; one that names another in `after` follows it
    - `users`: who submits, where their groups matter; others appear as their jobs name them
    - `overheads`: what the driver and every task take besides
    - `remarks`: what the reader of a file left out or changed
    """

    time_unit: TimeUnit = "ms"
    cores: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    jobs: tuple[Job, ...]
    users: tuple[User, ...] = ()
    overheads: Overheads = Overheads()
    remarks: tuple[str, ...] = ()

    @classmethod
    def expand(cls, data: dict[str, Any], folder: Path) -> dict[str, Any]:
        """See Scenario.expand: the jobs may be those of an event log or of a trace."""
        from hocket.cluster.formats.logs import expand

        return expand(data, folder)

    @classmethod
    def references(cls) -> Mapping[str, tuple[type[msgspec.Struct], ...]]:
        """See Scenario.references."""
        return REFERENCES

    def problems(self) -> Iterator[Problem]:
        """See Scenario.problems."""
        if not self.jobs:
            yield Problem("jobs", "is empty; list at least one job")
        yield from repeated("jobs", (job.name for job in self.jobs))
        yield from repeated("users", (user.name for user in self.users))
        names = {job.name for job in self.jobs}
        for i, job in enumerate(self.jobs):
            if not job.user:
                yield Problem(f"jobs[{i}].user", "is empty; say who submits the job")
            if job.after and job.after not in names:
                yield Problem(f"jobs[{i}].after", f"is {job.after!r}, which is no job; mend it")
            yield from _stages(job, f"jobs[{i}].stages")
        followed = {job.name: (job.after,) if job.after else () for job in self.jobs}
        if cycle := _cycle(followed):
            yield Problem("jobs", f"wait for one another in a circle: {' -> '.join(cycle)}")

    def notes(self) -> tuple[str, ...]:
        """See Scenario.notes."""
        return self.remarks

    @property
    def group_of(self) -> dict[str, str]:
        """The group of every user that has one."""
        return {user.name: user.group for user in self.users if user.group}


def _stages(job: Job, where: str) -> Iterator[Problem]:
    count = len(job.stages)
    for s, stage in enumerate(job.stages):
        for before in stage.after:
            if before >= count:
                what = f"names stage {before}, but the job has {count}, numbered from 0"
                yield Problem(f"{where}[{s}].after", what)
    predecessors = {str(s): tuple(map(str, stage.after)) for s, stage in enumerate(job.stages)}
    if cycle := _cycle(predecessors):
        yield Problem(where, f"wait for one another in a circle: {' -> '.join(cycle)}")


def _cycle(before: Mapping[str, tuple[str, ...]]) -> list[str]:
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []
