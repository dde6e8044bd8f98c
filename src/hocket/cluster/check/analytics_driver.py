"""Whether stages come to the driver when they should, and are queued by it one after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hocket.cluster.check.analytics_read import Queued, Record, Stages
from hocket.cluster.model.analytics import Analytics, Job
from hocket.core.solution import Violation


class Come(NamedTuple):
    """A stage that comes to the driver: when, and when it was queued. Sorted as the driver does.

    `instant`: its job, or a stage before it, is of this very tick, so that it may be behind others.
    """

    time: int
    queued: Queued
    stage: Stages
    instant: bool


def driven(scenario: Analytics, record: Record) -> Iterator[Violation]:
    """What is wrong with when stages are queued, and in which order."""
    comes = list[Come]()
    for job in scenario.jobs:
        if job.name in record.submitted:
            for index in range(len(job.stages)):
                found = _come(scenario, record, job, index)
                if isinstance(found, Violation):
                    yield found
                else:
                    comes.append(found)
    yield from _times(scenario.overheads.driver, sorted(comes))
    yield from _places(record, sorted(comes, key=lambda come: come.queued.place))


def _come(scenario: Analytics, record: Record, job: Job, index: int) -> Come | Violation:
    """When a stage comes to the driver; a violation if it is not queued, or cannot be."""
    queued = record.queued.get((job.name, index))
    if queued is None:
        return Violation("missing", f"stage {index} of {job.name} is never queued")
    ends = [record.ended.get((job.name, before)) for before in job.stages[index].after]
    known = [end for end in ends if end is not None]
    if len(known) < len(ends):
        told = f"stage {index} of {job.name} is queued, and one before it has not run"
        return Violation("queue", told)
    if known:
        time, delay = max(known), scenario.overheads.stage
    else:
        time, delay = record.submitted[job.name], scenario.overheads.job
    return Come(time + delay, queued, (job.name, index), not delay)


def _times(driver: int, comes: list[Come]) -> Iterator[Violation]:
    """Each is queued when the driver is through with it, and with the one before.

    The one before counts as it was recorded, so that a stage out of place is told of once.
    """
    free = 0
    for come in comes:
        due = max(come.time, free) + driver if driver else come.time
        free = come.queued.time
        if free != due:
            index, name = come.stage[1], come.stage[0]
            told = f"stage {index} of {name} is queued at {free}; it should be at {due}"
            yield Violation("queue", told)


def _places(record: Record, comes: list[Come]) -> Iterator[Violation]:
    """Those that come at one tick are in the order of their jobs' numbers, then of their own.

    Where a stage takes no time at all, those after it may come behind others of that tick.
    """
    numbers = {name: number for number, name in enumerate(record.submitted)}
    before: Come | None = None
    for come in comes:
        if before is not None:
            late = come.queued.time < before.queued.time or come.time < before.time
            ranks = [(numbers[one.stage[0]], one.stage[1]) for one in (come, before)]
            if late or (come.time == before.time and ranks[0] < ranks[1] and not come.instant):
                told = f"stage {come.stage[1]} of {come.stage[0]} is queued at {come.queued.time}"
                yield Violation("queue", f"{told} after one behind it")
        before = come
