"""Whether cores run one task each, are given out as the rules say, and never idle without need."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush, nsmallest
from itertools import groupby
from typing import NamedTuple

from hocket.cluster.check.analytics_read import Record, Run, Stages
from hocket.cluster.model.analytics import Analytics
from hocket.core.solution import Violation

IDLE = "idle"
"""The rule that only work-conserving policies keep."""


class Start(NamedTuple):
    """A task that starts, in the order of time and cores."""

    time: int
    core: int
    stage: Stages
    run: Run


def cores(scenario: Analytics, record: Record) -> Iterator[Violation]:
    """What is wrong with who runs where."""
    starts = sorted(
        Start(run.start, run.core, stage, run)
        for stage, runs in record.runs.items()
        for run in runs
    )
    wrong = [start for start in starts if start.core >= scenario.cores]
    for start in wrong:
        told = f"task {start.run.task} of {_told(start.stage)} runs on core.{start.core}"
        yield Violation("core", f"{told}; there are {scenario.cores}, numbered from 0")
    if not wrong:
        yield from _overlaps(starts)
        yield from _given(scenario, record, starts)


def _overlaps(starts: list[Start]) -> Iterator[Violation]:
    """No core runs two tasks at once."""
    busy: dict[int, int] = {}
    for start in sorted(starts, key=lambda start: (start.time, start.run.end)):
        until = busy.get(start.core, 0)
        if start.time < until:
            told = f"task {start.run.task} of {_told(start.stage)} starts at {start.time}"
            yield Violation("core", f"{told} on core.{start.core}, which is busy until {until}")
        busy[start.core] = max(until, start.run.end)


def _given(scenario: Analytics, record: Record, starts: list[Start]) -> Iterator[Violation]:
    """At every tick at which something starts or ends, free cores go to whoever waits."""
    waiting: dict[Stages, int] = {}
    queued = sorted((q.time, stage) for stage, q in record.queued.items() if stage in record.runs)
    queue = iter([*queued, (None, ("", 0))])
    next_queued = next(queue)
    begun = {time: list(group) for time, group in groupby(starts, key=lambda start: start.time)}
    times = {time for time, _ in queued} | {start.run.end for start in starts} | set(begun)
    free, ends = list(range(scenario.cores)), list[tuple[int, int]]()
    for time in sorted(times):
        while next_queued[0] is not None and next_queued[0] <= time:
            waiting[next_queued[1]] = len(record.runs[next_queued[1]])
            next_queued = next(queue)
        while ends and ends[0][0] <= time:
            heappush(free, heappop(ends)[1])
        here = begun.get(time, [])
        instant = any(start.run.end == time for start in here)
        if here and not instant:  # tasks without length free their core in the same tick
            yield from _lowest(time, here, free)
        for start in here:
            waiting[start.stage] = waiting.get(start.stage, 0) - 1
        taken = {start.core for start in here if start.run.end > time}
        if taken:
            free = _without(free, taken)
        for start in here:
            if start.run.end > time:
                heappush(ends, (start.run.end, start.core))
        for stage in [stage for stage, left in waiting.items() if left <= 0]:
            del waiting[stage]
        if free and waiting and not instant:
            stage = next(iter(waiting))
            told = f"core.{free[0]} idles from {time} on while {_told(stage)} waits"
            yield Violation(IDLE, told)
            return  # everything after it would be told again and again


def _without(free: list[int], taken: set[int]) -> list[int]:
    """The heap of free cores without those taken, which are mostly its lowest."""
    back = []
    left = set(taken)
    while left and free:
        core = heappop(free)
        if core in left:
            left.remove(core)
        else:
            back.append(core)
    for core in back:
        heappush(free, core)
    return free


def _lowest(time: int, here: list[Start], free: list[int]) -> Iterator[Violation]:
    """Cores given out at a tick are the lowest free ones; tasks of a stage take them in order."""
    taken = [start.core for start in here]
    due = nsmallest(len(here), free)
    if taken != due:
        yield Violation("lowest", f"at {time} cores {taken} are taken; the lowest free are {due}")
    last: dict[Stages, int] = {}
    for start in here:
        if start.run.task < last.get(start.stage, 0):
            told = f"at {time} tasks of {_told(start.stage)} are not on cores in their order"
            yield Violation("order", told)
        last[start.stage] = start.run.task


def _told(stage: Stages) -> str:
    return f"stage {stage[1]} of {stage[0]}"
