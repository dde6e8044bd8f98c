"""The scenario: jobs that are graphs of tasks, on processors that differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from hocket.core.errors import Problem
from hocket.core.scenario import Scenario, Ticks, TimeUnit, repeated
from hocket.taskgraph.model.jobs import JobType, Listed, Stream
from hocket.taskgraph.model.processors import Communication, Leakage, Processor, Sampling
from hocket.taskgraph.model.references import REFERENCES

AT_ONCE = 1e-3
"""The least mean gap, in ticks, of endless arrivals that nothing blocks: 1000 jobs at a tick."""


class TaskGraphs(
    Scenario,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="problem",
    tag="taskgraph/dag",
):
    """Jobs that are directed acyclic graphs of tasks, on heterogeneous processors.

    - `processors`, `communication`: the platform
    - `types`: the graphs; `arrivals`: when jobs of them come
    - `horizon`: when the run ends, None to run until all jobs are done
    - `warm_up`: jobs that complete before this time are not counted
    - `noise`: standard deviation of a task's duration as a share of its mean; durations are normal,
      rounded, and at least one tick; a task of mean 0 stays at 0
    - `leakage`, `sampling`: static power, and the governor `ondemand`
    - `remarks`: what the reader of a file left out or changed
    """

    time_unit: TimeUnit = "us"
    processors: tuple[Processor, ...]
    communication: Communication = Communication()
    types: tuple[JobType, ...]
    arrivals: Listed | Stream = Listed()
    horizon: Ticks | None = None
    warm_up: Ticks = 0
    noise: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0.0
    leakage: Leakage = Leakage()
    sampling: Sampling = Sampling()
    remarks: tuple[str, ...] = ()

    @classmethod
    def expand(cls, data: dict[str, Any], folder: Path) -> dict[str, Any]:
        """See Scenario.expand: processors and job types may be those of files."""
        from hocket.taskgraph.formats.expand import expand

        return expand(data, folder)

    @classmethod
    def references(cls) -> Mapping[str, tuple[type[msgspec.Struct], ...]]:
        """See Scenario.references."""
        return REFERENCES

    def problems(self) -> Iterator[Problem]:
        """See Scenario.problems."""
        if not self.processors:
            yield Problem("processors", "is empty; list at least one processor")
        if not self.types:
            yield Problem("types", "is empty; list at least one job type")
        names = tuple(processor.name for processor in self.processors)
        yield from repeated("processors", names)
        yield from repeated("types", tuple(kind.name for kind in self.types))
        slots = {lane for p in self.processors if p.capacity > 1 for lane in p.lanes}
        for i, processor in enumerate(self.processors):
            yield from processor.problems(f"processors[{i}]")
            if processor.capacity == 1 and processor.name in slots:
                what = f"{processor.name!r} is what a slot of another is called in a timeline"
                yield Problem(f"processors[{i}].name", f"{what}; rename it")
        yield from self.communication.problems(tuple(dict.fromkeys(names)))
        functions = {name for processor in self.processors for name in processor.functions}
        for i, kind in enumerate(self.types):
            yield from kind.problems(f"types[{i}]", functions)
        yield from self._arrival_problems()

    def _arrival_problems(self) -> Iterator[Problem]:
        arrivals = self.arrivals
        if isinstance(arrivals, Listed):
            known = {kind.name for kind in self.types}
            for i, release in enumerate(arrivals.jobs):
                if release.type not in known:
                    what = f"is {release.type!r}, which is no job type"
                    yield Problem(f"arrivals.jobs[{i}].type", f"{what}; mend the name")
            return
        if arrivals.jobs is None and self.horizon is None:
            fix = "set horizon, or arrivals.jobs"
            yield Problem("horizon", f"is missing, and the arrivals never end; {fix}")
        endless = arrivals.jobs is None and arrivals.capacity is None
        least = 1.0 if arrivals.gaps == "constant" else AT_ONCE
        if endless and arrivals.gap < least:
            what = f"is below {least:g} ticks: too many jobs arrive at one instant"
            yield Problem("arrivals.gap", f"{what}; raise it, or set arrivals.capacity or jobs")
        if arrivals.prefill and arrivals.capacity is None:
            what = "needs a capacity to fill"
            yield Problem("arrivals.prefill", f"{what}; set arrivals.capacity")

    def notes(self) -> tuple[str, ...]:
        """See Scenario.notes."""
        return self.remarks

    @property
    def static(self) -> bool:
        """Whether all jobs are there at time 0 and every duration is known."""
        arrivals = self.arrivals
        listed = isinstance(arrivals, Listed) and not any(r.time for r in arrivals.jobs)
        return listed and self.noise == 0 and self.horizon is None
