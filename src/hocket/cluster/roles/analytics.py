"""The role of a task scheduler that many users share: in which order stages get free cores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class JobState:
    """A job in the system. Read-only for policies. Times are ticks, -1 before they are.

    - `number`: counts submissions, as Spark's job ids do; `name`, `user`, `kind`
    - `arrival`, `finish`: when it was submitted, and when its last stage was done
    - `stages`: its stages so far submitted, in order of submission
    - `left`: stages not done, submitted or not
    """

    __slots__ = ("arrival", "finish", "kind", "left", "name", "number", "stages", "user")

    def __init__(
        self, number: int, name: str, user: str, kind: str, arrival: int, left: int
    ) -> None:
        """A job that has just been submitted."""
        self.number = number
        self.name = name
        self.user = user
        self.kind = kind
        self.arrival = arrival
        self.finish = -1
        self.left = left
        self.stages: list[StageState] = []

    def __repr__(self) -> str:
        return self.name


class StageState:
    """A stage that has been submitted: what Spark calls a task set. Read-only for policies.

    - `number`: counts submissions of stages; `index`: its number in its job
    - `job`, `submitted`: its job, and when it was queued (ticks)
    - `tasks`: into how many it is cut; `waiting`, `running`: how many of them do
    - `given`: the estimate of whoever submitted it (core-ticks), None where there is none
    """

    __slots__ = (
        "given",
        "index",
        "job",
        "number",
        "running",
        "submitted",
        "tasks",
        "waiting",
    )

    def __init__(
        self, number: int, job: JobState, index: int, submitted: int, tasks: int, given: int | None
    ) -> None:
        """A stage none of whose tasks has started."""
        self.number = number
        self.job = job
        self.index = index
        self.submitted = submitted
        self.tasks = self.waiting = tasks
        self.running = 0
        self.given = given

    def __repr__(self) -> str:
        return f"{self.job.name}/{self.index}"


class View:
    """The state of the application as a policy may know it. Everything is read-only.

    - `now`: the time in ticks; `cores`: how many there are; `free`: how many are idle
    - `stages`: submitted stages that have tasks waiting, in order of submission
    - `jobs`: jobs in the system, in order of submission
    """

    __slots__ = ("cores", "free", "jobs", "now", "stages")

    def __init__(self, cores: int) -> None:
        """An application without jobs."""
        self.now = 0
        self.cores = self.free = cores
        self.stages: list[StageState] = []
        self.jobs: list[JobState] = []


class Ordering(Protocol):
    """The role. Tasks are not interrupted; cores go to the stages in the order that it gives."""

    def submit(self, view: View, stage: StageState) -> int | None:
        """Take note of a stage that is about to be queued; its tasks are numbered, not measured.

        The answer is into how many tasks to cut it; None leaves it as it is. A stage that is not
        divisible is left as it is anyway.
        """

    def order(self, view: View) -> Iterable[StageState]:
        """The stages of the view, who should be served first in front.

        Asked for every core that is free while tasks wait; the first gets it. Without any, the
        cores stay idle until something else happens.
        """

    def why(self, view: View, stage: StageState) -> str:
        """For the record: why this stage, which has just been put first, is served now."""

    def finish(self, view: View, stage: StageState, work: int) -> None:
        """Take note that a stage is done, and of its work in core-ticks, overheads left out.

        It no longer counts as one of those that its job has left.
        """
