"""The spans of a timeline, each with the task and the processor that it is of."""

from __future__ import annotations

from typing import NamedTuple

from hocket.core.solution import Violation
from hocket.core.timeline import Span, Timeline
from hocket.taskgraph.model.jobs import JobType
from hocket.taskgraph.model.processors import Processor
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.record import processor_of, type_of


class Work(NamedTuple):
    """A span of kind ``run``, or ``cut`` where the horizon came first."""

    span: Span
    processor: Processor

    @property
    def name(self) -> str:
        """The task, for messages."""
        return f"{self.span.group}/{self.span.name}"


class Record(NamedTuple):
    """What a timeline tells of tasks.

    - `jobs`: the type and admission of each job that arrived, in order
    - `work`: by job and task, what is told of it
    - `strange`: what can be no work of this scenario
    """

    jobs: dict[str, tuple[JobType, int]]
    work: dict[tuple[str, str], list[Work]]
    strange: list[Violation]

    def done(self, job: str, task: str) -> Work | None:
        """The completed run of a task, None if there is none."""
        runs = [work for work in self.work.get((job, task), ()) if work.span.kind == "run"]
        return runs[0] if runs else None


def read(scenario: TaskGraphs, timeline: Timeline) -> Record:
    """Sort out the arrivals and spans of a timeline."""
    kinds = {kind.name: kind for kind in scenario.types}
    lanes = processor_of(scenario)
    record = Record({}, {}, [])
    for point in timeline.points("arrive"):
        kind = kinds.get(type_of(point.group))
        if kind is None:
            record.strange.append(Violation("unknown", f"{point.group!r} is of no job type"))
        else:
            record.jobs.setdefault(point.group, (kind, point.time))
    tasks = {kind.name: {task.name for task in kind.tasks} for kind in scenario.types}
    for span in timeline.spans():
        told = f"{span.group}/{span.name}"
        why = ""
        if span.kind not in ("run", "cut"):
            why = f"{told} has a span of kind {span.kind!r}"
        elif span.group not in record.jobs:
            why = f"{told} runs, but {span.group} never arrived"
        elif span.name not in tasks[record.jobs[span.group][0].name]:
            why = f"{span.group} has no task {span.name!r}"
        elif span.lane not in lanes:
            why = f"{told} runs on {span.lane!r}, which is no processor"
        if why:
            record.strange.append(Violation("unknown", why))
        elif span.end < span.start:
            told = f"{told} ends at {span.end}, before it starts at {span.start}"
            record.strange.append(Violation("span", told))
        else:
            work = Work(span, lanes[span.lane])
            record.work.setdefault((span.group, span.name), []).append(work)
    return record
