"""Is this what an analytics application can do? Judged from the scenario and the timeline alone.

Written from the rules in `hocket.cluster.simulate`; it shares no code with the simulator.
"""

from __future__ import annotations

from collections.abc import Iterator

from hocket.cluster.check.analytics_cores import IDLE, cores
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
    for number, job in enumerate(scenario.jobs):
        found += _submitted(record, job)
        found += _queued(scenario, record, number)
        found += _done(record, job)
    found += _numbers(record)
    found += _places(record)
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


def _queued(scenario: Analytics, record: Record, number: int) -> Iterator[Violation]:
    """Stages are queued when the driver is ready, and the stages before are done."""
    job = scenario.jobs[number]
    if job.name not in record.submitted:
        return
    first = record.submitted[job.name] + scenario.overheads.job
    for index, stage in enumerate(job.stages):
        queued = record.queued.get((job.name, index))
        if queued is None:
            yield Violation("missing", f"stage {index} of {job.name} is never queued")
            continue
        ends = [record.ended.get((job.name, before)) for before in stage.after]
        known = [end for end in ends if end is not None]
        if len(known) < len(ends):
            told = f"stage {index} of {job.name} is queued, and one before it has not run"
            yield Violation("queue", told)
            continue
        due = max(known) + scenario.overheads.stage if known else first
        if queued.time != due:
            told = f"stage {index} of {job.name} is queued at {queued.time}; it should be at {due}"
            yield Violation("queue", told)


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
    newly: set[str] = set()  # submitted at this tick
    for name, time in record.submitted.items():
        number, job = record.jobs[name]
        if before is not None:
            then, rank, other = before
            if time < then:
                yield Violation("number", f"{name} is submitted after {other.name}, but earlier")
            if time != then:
                newly.clear()
            elif number < rank and job.after not in newly:
                told = f"{name} is submitted at {time} after {other.name}, which stands behind it"
                yield Violation("number", told)
        newly.add(name)
        before = time, number, job


def _places(record: Record) -> Iterator[Violation]:
    """At one tick stages are queued in the order of their jobs' numbers, then of their own.

    Where a stage takes no time at all, those after it may come behind others of that tick.
    """
    numbers = {name: number for number, name in enumerate(record.submitted)}
    before: tuple[int, int, int] | None = None
    for (name, index), queued in record.queued.items():
        place = queued.time, numbers.get(name, len(numbers)), index
        if before is not None and place < before:
            stages = record.jobs[name][1].stages
            instant = any(record.ended.get((name, b)) == queued.time for b in stages[index].after)
            if queued.time < before[0] or not (instant or record.submitted.get(name) == before[0]):
                told = f"stage {index} of {name} is queued at {queued.time} after one behind it"
                yield Violation("queue", told)
        before = place
