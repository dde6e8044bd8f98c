"""How fast each processor is at each time, and whether its governor may have chosen that."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate, pairwise

from hocket.core.solution import Violation
from hocket.core.timeline import Timeline
from hocket.taskgraph.check.read import Record
from hocket.taskgraph.model.processors import Processor, Sampling
from hocket.taskgraph.model.scenario import TaskGraphs


class Speed:
    """The frequency of a processor over its highest one, as it changes over time."""

    def __init__(self, steps: list[tuple[int, Fraction]]) -> None:
        """`steps`: from when on each speed holds; the first from 0 on."""
        self._since = [time for time, _ in steps]
        self._speeds = [speed for _, speed in steps]
        waits = [b - a for a, b in pairwise(self._since)]
        parts = [speed * wait for speed, wait in zip(self._speeds, waits, strict=False)]
        self._done = list(accumulate(parts, initial=Fraction(0)))

    def until(self, time: int) -> Fraction:
        """Ticks of work at the highest frequency that can be done from 0 to `time`."""
        at = max(0, bisect_right(self._since, time) - 1)
        return self._done[at] + (time - self._since[at]) * self._speeds[at]

    def work(self, start: int, end: int) -> Fraction:
        """The same, from `start` to `end`."""
        return self.until(end) - self.until(start)


def frequencies(
    scenario: TaskGraphs, timeline: Timeline, record: Record
) -> tuple[dict[str, Speed], list[Violation]]:
    """The speed of each processor, and what is wrong with the gauges ``frequency``."""
    speeds: dict[str, Speed] = {}
    found: list[Violation] = []
    told: dict[str, list[tuple[int, float]]] = {}
    for gauge in timeline.gauges("frequency"):
        told.setdefault(gauge.lane, []).append((gauge.time, gauge.value))
    ended = max((point.time for point in timeline.points("done")), default=0)
    for processor in scenario.processors:
        steps = told.pop(processor.name, [])
        if processor.governor == "ondemand":
            runs = _runs(record, processor)
            last = ended if _over(scenario, timeline) else (scenario.horizon or 0) - 1
            expected = list(_governed(processor, runs, scenario.sampling, last))
            # Whether the governor still looks when the last job is done at that instant is open.
            if steps not in (expected, [step for step in expected if step[0] < ended]):
                found.append(_wrong(processor, steps, expected))
            speeds[processor.name] = _speed(processor, steps)
        else:
            speeds[processor.name] = _speed(processor, [(0, _fixed(processor))])
            if steps:
                found.append(Violation("gauge", f"{processor.name} does not change frequency"))
    found += [Violation("gauge", f"{lane!r} is no processor") for lane in told]
    return speeds, found


def _over(scenario: TaskGraphs, timeline: Timeline) -> bool:
    """Whether the run ended because every job was done."""
    counts = {"arrive": 0, "done": 0}
    for point in timeline.points():
        if point.kind in counts:
            counts[point.kind] += 1
    limit = getattr(scenario.arrivals, "jobs", None)
    if isinstance(limit, tuple):
        limit = len(limit) or len(scenario.types)
    return counts["arrive"] == counts["done"] and counts["arrive"] == limit


def _fixed(processor: Processor) -> float:
    """The frequency of a governor that keeps to it, in MHz; 1 if there are no points."""
    known = [point.frequency for point in processor.points]
    if not known:
        return 1.0
    if processor.governor == "constant" and processor.frequency is not None:
        return processor.frequency
    return min(known) if processor.governor == "powersave" else max(known)


def _speed(processor: Processor, steps: list[tuple[int, float]]) -> Speed:
    highest = max((Fraction(point.frequency) for point in processor.points), default=Fraction(1))
    ratios = [(time, Fraction(value) / highest) for time, value in steps]
    return Speed(ratios if ratios and ratios[0][0] == 0 else [(0, Fraction(1)), *ratios])


def _runs(record: Record, processor: Processor) -> list[tuple[int, int]]:
    return [
        (work.span.start, work.span.end)
        for found in record.work.values()
        for work in found
        if work.processor is processor
    ]


def _governed(
    processor: Processor, runs: list[tuple[int, int]], sampling: Sampling, end: int
) -> Iterator[tuple[int, float]]:
    """What `ondemand` chooses: at every multiple of the period, by the ticks of work since."""
    frequencies = sorted(point.frequency for point in processor.points)
    at = top = len(frequencies) - 1
    yield 0, frequencies[at]
    changes = sorted([(start, 1) for start, _ in runs] + [(stop, -1) for _, stop in runs])
    times = [time for time, _ in changes]
    levels = list(accumulate(step for _, step in changes))
    waits = [b - a for a, b in pairwise(times)]
    parts = (level * wait for level, wait in zip(levels, waits, strict=False))
    areas = list(accumulate(parts, initial=0))

    def busy(time: int) -> int:
        place = bisect_right(times, time) - 1
        return areas[place] + (time - times[place]) * levels[place] if place >= 0 else 0

    look = period = sampling.period
    while look <= end:
        utilisation = (busy(look) - busy(look - period)) / period
        before = at
        if utilisation > sampling.high:
            at = top
        elif utilisation < sampling.low and at:
            at -= 1
        if at != before:
            yield look, frequencies[at]
        look += period
        if not at and not utilisation:  # nothing can change before something runs
            place = bisect_left(times, look - period)
            if place == len(times):
                return
            look = max(look, times[place] - times[place] % period + period)


def _wrong(
    processor: Processor, steps: list[tuple[int, float]], expected: list[tuple[int, float]]
) -> Violation:
    for is_, should in zip(steps, expected, strict=False):
        if is_ != should:
            told = f"{processor.name} goes to {is_[1]:g} MHz at {is_[0]}"
            return Violation("gauge", f"{told}; its governor to {should[1]:g} at {should[0]}")
    told = f"{processor.name} changes its frequency {len(steps)} times"
    return Violation("gauge", f"{told}, its governor {len(expected)} times")
