"""One machine, one operation per job."""

from __future__ import annotations

from collections.abc import Iterator

from hocket.core.errors import Problem
from hocket.core.scenario import Scenario, Ticks, repeated
from hocket.shop.model.jobshop import (
    Job,
    JobShop,
    Machine,
    Operation,
    Part,
    Weight,
    job_problems,
    objective_problems,
)
from hocket.shop.model.objectives import Objective


class SingleJob(Part, frozen=True, kw_only=True):
    """A job of one operation: processing time, release and due date (ticks), weight."""

    name: str
    duration: Ticks
    release: Ticks = 0
    due: Ticks | None = None
    weight: Weight = 1


class SingleMachine(
    Scenario, frozen=True, kw_only=True, tag_field="problem", tag="shop/single-machine"
):
    """Jobs on one machine, one after the other and without interruption."""

    jobs: tuple[SingleJob, ...]
    objective: Objective = "total_flow_time"

    def problems(self) -> Iterator[Problem]:
        """See Scenario.problems."""
        if not self.jobs:
            yield Problem("jobs", "there is no job")
        yield from repeated("jobs", [j.name for j in self.jobs])
        for i, job in enumerate(self.jobs):
            yield from job_problems(f"jobs[{i}]", job.name, job.release, job.due)
        yield from objective_problems(self.objective, [j.due for j in self.jobs])

    def as_job_shop(self) -> JobShop:
        """The same problem as a job shop with the one machine ``machine``."""
        return JobShop(
            name=self.name,
            time_unit=self.time_unit,
            objective=self.objective,
            machines=(Machine(name="machine"),),
            jobs=tuple(
                Job(
                    name=job.name,
                    release=job.release,
                    due=job.due,
                    weight=job.weight,
                    operations=(Operation(machine="machine", duration=job.duration),),
                )
                for job in self.jobs
            ),
        )
