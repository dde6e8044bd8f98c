"""Whether every task of every stage runs once, in order, for the time of its share of the work."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise

from hocket.cluster.check.analytics_read import Record, Run
from hocket.cluster.model.analytics import Analytics, Stage
from hocket.core.solution import Violation


def tasks(scenario: Analytics, record: Record) -> Iterator[Violation]:
    """What is wrong with the tasks of each stage."""
    for job in scenario.jobs:
        for index, stage in enumerate(job.stages):
            runs = sorted(record.runs.get((job.name, index), ()))
            where = f"stage {index} of {job.name}"
            if not runs:
                yield Violation("missing", f"{where} never runs")
                continue
            numbers = [run.task for run in runs]
            if any(a == b for a, b in pairwise(numbers)):
                yield Violation("twice", f"a task of {where} runs more than once")
            elif numbers != list(range(len(runs))):
                yield Violation("missing", f"tasks of {where} are missing, of {numbers[-1] + 1}")
            else:
                yield from _times(stage, where, runs, scenario.overheads.task)
            queued = record.queued.get((job.name, index))
            if queued is not None and min(run.start for run in runs) < queued.time:
                yield Violation("early", f"{where} runs before it is queued at {queued.time}")
            for before, after in pairwise(runs):
                if after.start < before.start:
                    told = f"task {after.task} of {where} starts before task {before.task}"
                    yield Violation("order", told)


def _times(stage: Stage, where: str, runs: list[Run], overhead: int) -> Iterator[Violation]:
    """Each task takes its share: sums of the first ones are rounded, halves up."""
    count, parts = len(stage.tasks), len(runs)
    if parts != count and not stage.divisible:
        yield Violation("cut", f"{where} has {count} tasks and cannot be cut into {parts}")
        return
    before = list(accumulate(stage.tasks, initial=0))
    taken = 0
    for run in runs:
        lasts = run.end - run.start - overhead
        if lasts < 0:
            told = f"task {run.task} of {where} takes less than the overhead of {overhead}"
            yield Violation("duration", told)
            return
        taken += lasts
        # Work up to the share (task + 1) / parts, times parts, so that it is a whole number.
        whole, rest = divmod((run.task + 1) * count, parts)
        due = before[whole] * parts + (stage.tasks[whole] * rest if rest else 0)
        rounded = (2 * due + parts) // (2 * parts)
        if taken != rounded:
            told = f"the first {run.task + 1} of {parts} tasks of {where} take {taken} ticks"
            yield Violation("duration", f"{told}; their work is {rounded}")
            return
