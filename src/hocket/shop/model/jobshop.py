"""The job shop: one model whose options combine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from hocket.core.disturb.arrivals import Arrivals, TraceArrivals
from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.disturb.calendars import Calendar
from hocket.core.disturb.noise import Noise
from hocket.core.errors import Problem, did_you_mean
from hocket.core.scenario import Scenario, Ticks, repeated
from hocket.shop.model.objectives import DUE_DATE_OBJECTIVES, Objective

Weight = Annotated[int, msgspec.Meta(ge=0, le=2**20)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of a scenario."""


class Machine(Part, frozen=True, kw_only=True):
    """A machine does one operation at a time.

    While its `calendar` is closed, or it is down, a running operation pauses and resumes after.
    `family` is the setup family it starts in (empty: the first setup is free).
    """

    name: str
    calendar: Calendar | None = None
    breakdowns: Breakdowns | None = None
    family: str = ""


class Alternative(Part, frozen=True, kw_only=True):
    """A machine that can do an operation, and how long it takes there (ticks)."""

    machine: str
    duration: Ticks


class Operation(Part, frozen=True, kw_only=True):
    """One step of a job: on a `machine` for a `duration`, or on one of several `alternatives`.

    Without a `name` it is called after its job and its place in it, from 0: ``j3.0``.
    """

    machine: str | None = None
    duration: Ticks | None = None
    alternatives: tuple[Alternative, ...] = ()
    family: str = ""
    name: str = ""

    def choices(self) -> tuple[Alternative, ...]:
        """The machines that can do it; never empty in a sound scenario."""
        if self.alternatives or self.machine is None or self.duration is None:
            return self.alternatives
        return (Alternative(machine=self.machine, duration=self.duration),)


class Job(Part, frozen=True, kw_only=True):
    """Operations in the order in which they must be done, with release, due date and weight."""

    name: str
    operations: tuple[Operation, ...]
    release: Ticks = 0
    due: Ticks | None = None
    weight: Weight = 1


class Setup(Part, frozen=True, kw_only=True):
    """Time to prepare a machine between an operation of family `before` and one of `after`.

    An empty `machine` means every machine. What is not listed takes no time.
    """

    before: str
    after: str
    duration: Ticks
    machine: str = ""


class JobShop(Scenario, frozen=True, kw_only=True, tag_field="problem", tag="shop/job-shop"):
    """Jobs of ordered operations on machines.

    - `blocking`: ``no`` is a shop with buffers. Without buffers a finished operation keeps its
      machine until its job moves on: with ``swap``, jobs that wait for each other in a circle may
      exchange machines at once; with ``no-swap`` they may not.
    - `no_wait`: a started job runs through without pause.
    - `noise`: real durations vary around the given ones and are known only at the end.
    - `arrivals`: when jobs arrive, in their order; it replaces their `release`. Due dates stay as
      they are given.
    """

    jobs: tuple[Job, ...]
    machines: tuple[Machine, ...]
    setups: tuple[Setup, ...] = ()
    blocking: Literal["no", "swap", "no-swap"] = "no"
    no_wait: bool = False
    noise: Noise | None = None
    arrivals: Arrivals | None = None
    objective: Objective = "makespan"

    @property
    def classic(self) -> bool:
        """Whether this is the textbook job shop: one machine per operation and no option used.

        Release dates are allowed.
        """
        return (
            self.blocking == "no"
            and not self.no_wait
            and not self.setups
            and self.arrivals is None
            and all(m.calendar is None for m in self.machines)
            and all(len(o.choices()) == 1 for j in self.jobs for o in j.operations)
        )

    @property
    def certain(self) -> bool:
        """Whether everything is known in advance: no noise, breakdowns or random arrivals."""
        return (
            self.noise is None
            and self.arrivals is None
            and all(m.breakdowns is None for m in self.machines)
        )

    def problems(self) -> Iterator[Problem]:
        """See Scenario.problems."""
        if not self.machines:
            yield Problem("machines", "there is no machine")
        if not self.jobs:
            yield Problem("jobs", "there is no job")
        yield from repeated("machines", [m.name for m in self.machines])
        yield from repeated("jobs", [j.name for j in self.jobs])
        machines = {m.name for m in self.machines}
        for i, job in enumerate(self.jobs):
            yield from job_problems(f"jobs[{i}]", job.name, job.release, job.due)
            if not job.operations:
                yield Problem(f"jobs[{i}].operations", f"job {job.name!r} has no operation")
            named = [o.name or f"{job.name}.{k}" for k, o in enumerate(job.operations)]
            yield from repeated(f"jobs[{i}].operations", named)
            for k, operation in enumerate(job.operations):
                yield from _operation_problems(f"jobs[{i}].operations[{k}]", operation, machines)
        yield from self._setup_problems(machines)
        if isinstance(self.arrivals, TraceArrivals) and len(self.arrivals.at) < len(self.jobs):
            told = f"{len(self.arrivals.at)} arrivals for {len(self.jobs)} jobs"
            yield Problem("arrivals.at", f"{told}: give one for each")
        if self.no_wait and not self.certain:
            yield Problem("no_wait", "no-wait needs certain durations: remove noise, breakdowns")
        if self.no_wait and self.blocking != "no":
            yield Problem("no_wait", "a no-wait job never blocks: set blocking to 'no'")
        yield from objective_problems(self.objective, [j.due for j in self.jobs])

    def _setup_problems(self, machines: set[str]) -> Iterator[Problem]:
        families = {o.family for j in self.jobs for o in j.operations}
        families |= {m.family for m in self.machines}
        for i, setup in enumerate(self.setups):
            if setup.machine and setup.machine not in machines:
                yield unknown(f"setups[{i}].machine", "machine", setup.machine, machines)
            for side in ("before", "after"):
                if (family := getattr(setup, side)) not in families:
                    yield unknown(f"setups[{i}].{side}", "family", family, families)
        keys = [f"{s.machine}: {s.before} -> {s.after}" for s in self.setups]
        yield from repeated("setups", keys)


def _operation_problems(path: str, operation: Operation, machines: set[str]) -> Iterator[Problem]:
    if operation.alternatives and (operation.machine or operation.duration is not None):
        yield Problem(path, "give either machine and duration, or alternatives, not both")
    elif not operation.alternatives and operation.machine is None:
        yield Problem(path, "no machine can do this operation: give machine or alternatives")
    elif not operation.alternatives and operation.duration is None:
        yield Problem(f"{path}.duration", "missing")
    for i, choice in enumerate(operation.choices()):
        if choice.machine not in machines:
            where = f"{path}.alternatives[{i}]" if operation.alternatives else path
            yield unknown(f"{where}.machine", "machine", choice.machine, machines)
    yield from repeated(path, [choice.machine for choice in operation.choices()])


def unknown(path: str, what: str, name: str, known: set[str]) -> Problem:
    """A name that refers to nothing, with the nearest that would."""
    return Problem(path, f"unknown {what} {name!r}{did_you_mean(name, sorted(known))}")


def job_problems(path: str, name: str, release: int, due: int | None) -> Iterator[Problem]:
    """A due date before the release date."""
    if due is not None and due < release:
        yield Problem(f"{path}.due", f"job {name!r} is due at {due}, before its release {release}")


def objective_problems(objective: str, due: list[int | None]) -> Iterator[Problem]:
    """An objective about due dates where no job has one."""
    if objective in DUE_DATE_OBJECTIVES and due and all(d is None for d in due):
        yield Problem("objective", f"{objective} needs due dates, and no job has one")
