"""Is this what an analytics application can do? Judged from the scenario and the timeline alone.

Written from the rules in `hocket.cluster.simulate`; it shares no code with the simulator.
"""

from __future__ import annotations

from collections.abc import Iterator

from hocket.cluster.check.analytics_cores import IDLE, cores
from hocket.cluster.check.analytics_driver import driven
from hocket.cluster.check.analytics_read import Record, read
from hocket.cluster.check.analytics_tasks import tasks
from hocket.cluster.model.analytics import Analytics, Job
from hocket.core.solution import Violation
from hocket.core.timeline import Timeline


def check(scenario: Analytics, timeline: Timeline) -> list[Violation]:
    """Every rule of `scenario` that `timeline` breaks; empty for a run that is possible.

    - jobs: ``unknown``, ``submit``, ``number``, ``queue``, ``done``, ``missing``
    - tasks: ``twice``, ``cut``, ``duration``, ``early``, ``order``
    - cores: ``core``, ``lowest``
    """
    record = read(scenario, timeline)
    found = list(record.strange)
    for job in scenario.jobs:
        found += _submitted(record, job)
        found += _done(record, job)
    found += _numbers(record)
    found += driven(scenario, record)
    found += tasks(scenario, record)
    found += (violation for violation in cores(scenario, record) if violation.rule != IDLE)
    return found


def idling(scenario: Analytics, timeline: Timeline) -> list[Violation]:
    """The first time that a core idles while a task waits, if there is one.

    A policy may want that; those that are work-conserving never do.
    """
    record = read(scenario, timeline)
    return [violation for violation in cores(scenario, record) if violation.rule == IDLE]


def _submitted(record: Record, job: Job) -> Iterator[Violation]:
    """A job is submitted at its arrival, or later if it follows another."""
    submitted = record.submitted.get(job.name)
    if submitted is None:
        yield Violation("missing", f"{job.name} is never submitted")
        return
    due = job.arrival
    if job.after:
        if job.after not in record.done:
            yield Violation("submit", f"{job.name} is submitted, and {job.after} is never done")
            return
        due = max(due, record.done[job.after] + job.think)
    if submitted != due:
        yield Violation("submit", f"{job.name} is submitted at {submitted}; it should be at {due}")


def _done(record: Record, job: Job) -> Iterator[Violation]:
    """A job is done when its last stage is."""
    ends = [record.ended.get((job.name, index)) for index in range(len(job.stages))]
    known = [end for end in ends if end is not None]
    done = record.done.get(job.name)
    if len(known) < len(ends):
        if done is not None:
            yield Violation("done", f"{job.name} is done at {done}, but not all its stages ran")
    elif done is None:
        yield Violation("missing", f"{job.name} is never done")
    elif done != max(known):
        told = f"{job.name} is done at {done}; its last stage ends at {max(known)}"
        yield Violation("done", told)


def _numbers(record: Record) -> Iterator[Violation]:
    """Jobs are submitted in order of time; at one tick, in the order of the scenario."""
    before: tuple[int, int, Job] | None = None
    for name, time in record.submitted.items():
        number, job = record.jobs[name]
        if before is not None:
            then, rank, other = before
            if time < then:
                yield Violation("number", f"{name} is submitted after {other.name}, but earlier")
            elif time == then and number < rank and not _instant(record, job.after, time):
                told = f"{name} is submitted at {time} after {other.name}, which stands behind it"
                yield Violation("number", told)
        before = time, number, job


def _instant(record: Record, name: str, time: int) -> bool:
    """Whether a job of this name has tasks that take no time at all, at this one.

    What follows it may come behind others of the same tick.
    """
    stages = record.jobs[name][1].stages if name in record.jobs else ()
    runs = (run for index in range(len(stages)) for run in record.runs.get((name, index), ()))
    return any(run.start == run.end == time for run in runs)
