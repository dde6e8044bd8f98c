"""Whether tasks run where, when and for as long as they can."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor

from hocket.core.solution import Violation
from hocket.taskgraph.check.frequency import Speed
from hocket.taskgraph.check.read import Record, Work
from hocket.taskgraph.model.jobs import JobType
from hocket.taskgraph.model.processors import Communication, Processor
from hocket.taskgraph.model.scenario import TaskGraphs

LUCK = 12
"""Standard deviations that no normal luck is away from its mean: once in 10^32 draws."""


def tasks(scenario: TaskGraphs, record: Record, speeds: dict[str, Speed]) -> Iterator[Violation]:
    """What is wrong with spans."""
    functions = {
        kind.name: {task.name: task.runs for task in kind.tasks} for kind in scenario.types
    }
    for (job, _), found in record.work.items():
        kind, arrival = record.jobs[job]
        if len(found) > 1:
            yield Violation("twice", f"{found[0].name} runs {len(found)} times")
        for work in found:
            if work.span.start < arrival:
                told = f"{work.name} starts at {work.span.start}"
                yield Violation("arrival", f"{told}, before its job arrives at {arrival}")
            yield from _ends(scenario, work)
            function = functions[kind.name][work.span.name]
            yield from _lasts(scenario, work, function, speeds[work.processor.name])
    paths = _Paths(scenario.communication)
    for job, (kind, _) in record.jobs.items():
        yield from _inputs(record, job, kind, paths)
    yield from _slots(record)


def _ends(scenario: TaskGraphs, work: Work) -> Iterator[Violation]:
    """Runs end before the horizon; what it cuts ends with it."""
    span, horizon = work.span, scenario.horizon
    if span.kind == "cut" and span.end != horizon:
        yield Violation("horizon", f"{work.name} is cut at {span.end}, not by the end of the run")
    if span.kind == "run" and horizon is not None and span.end >= horizon:
        yield Violation("horizon", f"{work.name} ends at {span.end}, after the end at {horizon}")


def _lasts(scenario: TaskGraphs, work: Work, function: str, speed: Speed) -> Iterator[Violation]:
    """It ends at the first tick at which its work, at these frequencies, can be done."""
    span, able = work.span, work.processor.functions.get(function)
    if able is None:
        yield Violation("able", f"{work.processor.name} cannot run {work.name}: {function}")
        return
    least, most = _ticks(able.duration, scenario.noise)
    # Of whole ticks of work, those that are not done a tick earlier, but are by then.
    low = floor(speed.work(span.start, span.end - 1)) + 1 if span.end > span.start else 0
    high = floor(speed.work(span.start, span.end)) if span.kind == "run" else most
    if max(low, least) > min(high, most):
        needed = f"{least}" if least == most else f"{least} to {most}"
        told = f"{work.name} runs from {span.start} to {span.end} on {work.processor.name}"
        yield Violation("duration", f"{told}; it takes {needed} ticks at the highest frequency")


def _ticks(mean: int, noise: float) -> tuple[int, int]:
    """The shortest and longest that a task can take."""
    if not noise or not mean:
        return mean, mean
    spread = LUCK * noise * mean
    return max(1, floor(mean - spread)), max(1, ceil(mean + spread))


class _Paths:
    """How long data travel, in either mode; computed from the communication as it is written."""

    def __init__(self, communication: Communication) -> None:
        self.communication = communication
        self.shared = communication.mode == "shared-memory"
        self.links = {frozenset(link.between): link.bandwidth for link in communication.links}

    def direct(self, volume: float, source: Processor, target: Processor) -> int:
        """Ticks from one processor to another."""
        default = None if source is target else self.communication.default
        bandwidth = self.links.get(frozenset((source.name, target.name)), default)
        return 0 if bandwidth is None else int(volume / bandwidth)

    def memory(self, volume: float, processor: Processor) -> int:
        """Ticks between a processor and memory."""
        default = self.communication.default
        return int(volume / self.communication.memory.get(processor.name, default or 1.0))


def _inputs(record: Record, job: str, kind: JobType, paths: _Paths) -> Iterator[Violation]:
    """No task starts before what it needs is computed, and has come."""
    stored: dict[str, int] = {}  # when all inputs of a task are in memory
    fetched: dict[str, int] = {}  # how long the longest of them takes from there
    for edge in kind.edges:
        before = record.done(job, edge.source)
        for work in record.work.get((job, edge.target), ()):
            start, target = work.span.start, work.processor
            if before is None or before.span.end > start:
                ended = "no time" if before is None else before.span.end
                told = f"{work.name} starts at {start}"
                yield Violation("precedence", f"{told}, but {edge.source} ends at {ended}")
            elif paths.shared:
                there = before.span.end + paths.memory(edge.volume, before.processor)
                stored[edge.target] = max(stored.get(edge.target, 0), there)
                needs = paths.memory(edge.volume, target)
                fetched[edge.target] = max(fetched.get(edge.target, 0), needs)
            else:
                there = before.span.end + paths.direct(edge.volume, before.processor, target)
                if start < there:
                    told = f"{work.name} starts at {start}"
                    yield Violation("communication", f"{told}, its data come at {there}")
    for task, there in stored.items():
        for work in record.work[job, task]:
            if work.span.start < there + fetched[task]:
                told = f"{work.name} starts at {work.span.start}, its data are in memory at {there}"
                yield Violation("communication", f"{told} and come at {there + fetched[task]}")


def _slots(record: Record) -> Iterator[Violation]:
    """Each slot of a processor runs one task at a time."""
    lanes: dict[str, list[Work]] = {}
    for found in record.work.values():
        for work in found:
            lanes.setdefault(work.span.lane, []).append(work)
    for lane, queue in lanes.items():
        queue.sort(key=lambda work: (work.span.start, work.span.end))
        free = queue[0].span.start
        for work in queue:
            if work.span.start < free:
                told = f"{work.name} starts at {work.span.start} on {lane}"
                yield Violation("slot", f"{told}, which is busy until {free}")
            free = max(free, work.span.end)
