"""Job shops on which the world intrudes: arrivals over time, breakdowns, noise, shifts."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from hocket.core.disturb.arrivals import Poisson, TraceArrivals
from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.disturb.calendars import Calendar
from hocket.core.disturb.noise import LogNormal
from hocket.core.domain import Generator, checked
from hocket.core.streams import Streams
from hocket.shop.generate.classic import Count, classic, lehmer_seed
from hocket.shop.generate.taillard import durations_of, routes_of
from hocket.shop.model import Job, JobShop, Machine
from hocket.shop.model.objectives import Objective

MEAN_DURATION = 50
"""Of U[1, 99], in ticks."""

SHIFT = 480
DAY = 1440

Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Availability = Annotated[float, msgspec.Meta(gt=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1000)]
Variation = Annotated[float, msgspec.Meta(ge=0, le=10)]


class Disrupted(Generator, frozen=True, kw_only=True):
    """Job shops with arrivals over time, breakdowns, uncertain durations and shifts; in minutes.

    Every job visits all machines in random order for U[1, 99] min each.

    - `utilization`: jobs arrive by a Poisson process that keeps the machines busy for this share of
      the time in which they could work; 0: all jobs are there at the start
    - `tightness`: a job is due after its arrival by this multiple of its total work
    - `availability`: the share of time that a machine is not down; 1: no breakdowns
    - `repair`: the mean time to repair, in mean durations (50 min)
    - `variation`: the coefficient of variation of real durations (lognormal); 0: they are certain
    - `shifts`: how many of the day's three shifts of eight hours are worked

    Arrivals and due dates belong to the scenario; breakdowns and noise differ from run to run.
    """

    name: ClassVar[str] = "disrupted"
    source: ClassVar[str] = (
        "breakdown and arrival scheme of O. Holthaus, Scheduling in job shops with machine "
        "breakdowns: an experimental study, Computers & Industrial Engineering 36 (1999) 137-162; "
        "noise and shifts are ours"
    )

    jobs: Count = 30
    machines: Count = 10
    utilization: Share = 0.8
    tightness: Positive = 4.0
    availability: Availability = 0.95
    repair: Positive = 5.0
    variation: Variation = 0.2
    shifts: Literal[1, 2, 3] = 3
    objective: Objective = "total_tardiness"

    def __post_init__(self) -> None:
        checked(self, "shop")

    def make(self, seed: int = 0) -> JobShop:
        """The instance of this seed."""
        streams = Streams(seed)
        times, routes = (lehmer_seed(streams, f"disrupted.{part}") for part in ("times", "routes"))
        plain = classic(
            f"disrupted-{self.jobs}x{self.machines}-{seed}",
            routes_of(routes, self.jobs, self.machines),
            durations_of(times, self.jobs, self.machines),
            self.machines,
        )
        arrivals = self._arrivals(streams)
        return msgspec.structs.replace(
            plain,
            time_unit="min",
            machines=tuple(self._machine(machine) for machine in plain.machines),
            jobs=tuple(self._job(job, at) for job, at in zip(plain.jobs, arrivals.at, strict=True)),
            arrivals=arrivals if self.utilization else None,
            noise=LogNormal(cv=self.variation) if self.variation else None,
            objective=self.objective,
        )

    def _arrivals(self, streams: Streams) -> TraceArrivals:
        if not self.utilization:
            return TraceArrivals(at=(0,) * self.jobs)
        working = self.availability * self.shifts / 3  # share of the time a machine can work
        process = Poisson(rate=self.utilization * working / MEAN_DURATION)
        drawn = process.times(streams["disrupted.arrivals"], count=self.jobs)
        return TraceArrivals(at=tuple(drawn.tolist()))

    def _machine(self, machine: Machine) -> Machine:
        breakdowns, calendar = None, None
        if self.availability < 1:
            down = self.repair * MEAN_DURATION
            up = down * self.availability / (1 - self.availability)
            breakdowns = Breakdowns(mean_up=up, mean_down=down)
        if self.shifts < 3:
            calendar = Calendar(period=DAY, open=((0, SHIFT * self.shifts),))
        return msgspec.structs.replace(machine, breakdowns=breakdowns, calendar=calendar)

    def _job(self, job: Job, arrival: int) -> Job:
        work = sum(operation.duration or 0 for operation in job.operations)
        return msgspec.structs.replace(job, due=arrival + round(self.tightness * work))
