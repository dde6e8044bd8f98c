"""Whether jobs are done when their last task is, and nothing happens after the horizon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hocket.core.solution import Violation
from hocket.core.timeline import Timeline
from hocket.taskgraph.check.read import Record
from hocket.taskgraph.model.scenario import TaskGraphs


def jobs(scenario: TaskGraphs, timeline: Timeline, record: Record) -> Iterator[Violation]:
    """What is wrong with the points ``arrive`` and ``done``, and with the gauge ``jobs``."""
    yield from _once(timeline)
    yield from _done(scenario, timeline, record)
    yield from _inside(timeline)
    if scenario.horizon is not None:
        yield from _horizon(scenario.horizon, timeline)


def _once(timeline: Timeline) -> Iterator[Violation]:
    for kind, rule in (("arrive", "arrival"), ("done", "done")):
        counts = Counter(point.group for point in timeline.points(kind))
        for job, count in counts.items():
            if count > 1:
                yield Violation(rule, f"{job} has {count} points {kind}")


def _done(scenario: TaskGraphs, timeline: Timeline, record: Record) -> Iterator[Violation]:
    """A job is done when the last of its tasks is; without a horizon every job is."""
    told = {point.group: point.time for point in timeline.points("done")}
    for job, time in told.items():
        if job not in record.jobs:
            yield Violation("done", f"{job} is done at {time}, but never arrived")
    for job, (kind, _) in record.jobs.items():
        missing = [task.name for task in kind.tasks if record.done(job, task.name) is None]
        if missing:
            if job in told or scenario.horizon is None:
                yield Violation("missing", f"{job} never completes {', '.join(missing)}")
            continue
        end = max(work.span.end for t in kind.tasks for work in record.work[job, t.name])
        if told.get(job) != end:
            yield Violation("done", f"{job} ends at {end}, is done at {told.get(job, 'no time')}")


def _inside(timeline: Timeline) -> Iterator[Violation]:
    """The gauge counts who has arrived and is not done, whenever that changes."""
    inside, expected = 0, []
    for point in sorted(timeline.points(), key=lambda point: point.time):
        if point.kind in ("arrive", "done"):
            inside += 1 if point.kind == "arrive" else -1
            expected.append((point.time, inside))
    shown = [(gauge.time, gauge.value) for gauge in timeline.gauges("jobs")]
    for is_, should in zip(shown, expected, strict=False):
        if is_ != should:
            told = f"{is_[1]:g} jobs are in the system at {is_[0]}"
            yield Violation("gauge", f"{told}, not {should[1]} at {should[0]}")
            return
    if len(shown) != len(expected):
        told = f"the jobs in the system are told {len(shown)} times"
        yield Violation("gauge", f"{told}, and change {len(expected)} times")


def _horizon(horizon: int, timeline: Timeline) -> Iterator[Violation]:
    for point in timeline.points():
        if point.time >= horizon:
            yield Violation("horizon", f"{point.kind} at {point.time}, after the end at {horizon}")
    for gauge in timeline.gauges():
        if gauge.time >= max(1, horizon):  # frequencies are told at 0 even if nothing happens
            yield Violation("horizon", f"gauge at {gauge.time}, after the end at {horizon}")
