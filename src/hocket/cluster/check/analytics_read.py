"""What a timeline of an analytics application says, by job, stage and task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from hocket.cluster.model.analytics import Analytics, Job
from hocket.core.solution import Violation
from hocket.core.timeline import Point, Span, Timeline

Stages = tuple[str, int]
"""A stage: the name of its job, and its number there."""


class Queued(NamedTuple):
    """When a stage was queued, and as the how manieth of all."""

    time: int
    place: int


class Run(NamedTuple):
    """A task on a core: its number in its stage, the number of the core, and when (ticks)."""

    task: int
    core: int
    start: int
    end: int


@dataclass
class Record:
    """The events of a run. `submitted` is in the order in which the timeline has them.

    - `jobs`: place in the scenario, and the job; `runs`: by stage, in order of recording
    - `ended`: when the last task of a stage ends
    - `strange`: what cannot be placed at all
    """

    jobs: dict[str, tuple[int, Job]]
    submitted: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    queued: dict[Stages, Queued] = field(default_factory=dict)
    runs: dict[Stages, list[Run]] = field(default_factory=dict)
    ended: dict[Stages, int] = field(default_factory=dict)
    strange: list[Violation] = field(default_factory=list)

    def point(self, point: Point) -> None:
        """Take note of an instant."""
        if point.kind not in ("submit", "queue", "done"):
            self.strange.append(Violation("unknown", f"a point of kind {point.kind!r}"))
        elif point.group not in self.jobs:
            self.strange.append(Violation("unknown", f"{point.group!r} is no job"))
        elif point.kind == "queue":
            self._queue(point)
        else:
            times = self.submitted if point.kind == "submit" else self.done
            if point.group in times:
                self.strange.append(Violation(point.kind, f"{point.group} has two such points"))
            user = self.jobs[point.group][1].user
            if point.kind == "submit" and point.name != user:
                told = f"{point.group} is submitted by {point.name!r}, not {user!r}"
                self.strange.append(Violation("submit", told))
            times.setdefault(point.group, point.time)

    def _queue(self, point: Point) -> None:
        stages = self.jobs[point.group][1].stages
        index = _number(point.name)
        if index is None or index >= len(stages):
            told = f"{point.group} has no stage {point.name!r}"
            self.strange.append(Violation("unknown", told))
        elif (point.group, index) in self.queued:
            told = f"stage {index} of {point.group} is queued twice"
            self.strange.append(Violation("queue", told))
        else:
            self.queued[point.group, index] = Queued(point.time, len(self.queued))

    def span(self, span: Span) -> None:
        """Take note of a task that ran."""
        told = f"{span.group}/{span.name} on {span.lane}"
        stage, _, task = span.name.partition(".")
        index, number = _number(stage), _number(task)
        core = _number(span.lane.removeprefix("core."))
        if span.kind != "run":
            self.strange.append(Violation("unknown", f"{told} is of kind {span.kind!r}"))
        elif span.group not in self.jobs or index is None or number is None:
            self.strange.append(Violation("unknown", f"{told} is no task"))
        elif index >= len(self.jobs[span.group][1].stages):
            self.strange.append(Violation("unknown", f"{told} is of no stage"))
        elif core is None or not span.lane.startswith("core."):
            self.strange.append(Violation("core", f"{told} is on no core"))
        elif span.end < span.start:
            self.strange.append(Violation("duration", f"{told} ends before it starts"))
        else:
            key = span.group, index
            self.runs.setdefault(key, []).append(Run(number, core, span.start, span.end))
            self.ended[key] = max(self.ended.get(key, 0), span.end)


def read(scenario: Analytics, timeline: Timeline) -> Record:
    """The record of a timeline."""
    record = Record({job.name: (number, job) for number, job in enumerate(scenario.jobs)})
    for point in timeline.points():
        record.point(point)
    for span in timeline.spans():
        record.span(span)
    return record


def _number(text: str) -> int | None:
    """The number that a text is written as, None if it is none."""
    return int(text) if text.isascii() and text.isdigit() and str(int(text)) == text else None
