"""The power model of DS3: what a task takes, by function, operating point and time.

Arda et al., "DS3: A System-Level Domain-Specific System-on-Chip Simulation Framework", IEEE
Transactions on Computers 69, 2020, section 4. A running task takes dynamic power C f V^2, whose
switched capacitance C follows from its power at the highest frequency, and the leakage of its
processor. Tasks that share a processor each take the whole of both; idle processors take none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from math import exp

from hocket.core.timeline import Timeline
from hocket.taskgraph.model.processors import Function, Leakage, OperatingPoint, Processor
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.record import seconds_per_tick


def leaks(processor: Processor, point: OperatingPoint, leakage: Leakage) -> float:
    """Watts that a processor leaks at an operating point; none if it is an accelerator."""
    if processor.type == "ACC":
        return 0.0
    volts, kelvin = point.voltage / 1e3, leakage.ambient + 273
    subthreshold = leakage.c1 * kelvin**2 * exp(-leakage.c2 / kelvin)
    return volts * (subthreshold + leakage.gate)


def power(
    processor: Processor, function: Function, point: OperatingPoint | None, leakage: Leakage
) -> float:
    """Watts of a task that runs at an operating point; `Function.power` where there are none.

    The power that a scenario gives includes the leakage at the highest frequency. Where it is less
    than that, no dynamic power is left.
    """
    if point is None:
        return function.power
    highest = max(processor.points, key=lambda p: p.frequency)
    dynamic = max(0.0, function.power - leaks(processor, highest, leakage))
    slower, lower = point.frequency / highest.frequency, point.voltage / highest.voltage
    return dynamic * slower * lower**2 + leaks(processor, point, leakage)


class Meter:
    """The energy of spans on the processors of a run."""

    def __init__(self, scenario: TaskGraphs, timeline: Timeline) -> None:
        self.leakage = scenario.leakage
        self.second = seconds_per_tick(scenario.time_unit)
        self._since: dict[str, list[int]] = {}
        self._points: dict[str, list[OperatingPoint | None]] = {}
        known = {p.name: {o.frequency: o for o in p.points} for p in scenario.processors}
        for processor in scenario.processors:
            self._since[processor.name] = [0]
            self._points[processor.name] = [_first(processor)]
        for gauge in timeline.gauges("frequency"):
            self._since[gauge.lane].append(gauge.time)
            self._points[gauge.lane].append(known[gauge.lane][gauge.value])

    def joules(self, processor: Processor, function: Function, start: int, end: int) -> float:
        """What a task takes that runs `function` from `start` to `end`."""
        return self.second * sum(
            ticks * power(processor, function, point, self.leakage)
            for ticks, point in self._pieces(processor.name, start, end)
        )

    def _pieces(
        self, name: str, start: int, end: int
    ) -> Iterator[tuple[int, OperatingPoint | None]]:
        """The time from `start` to `end` cut where the frequency changes."""
        since, points = self._since[name], self._points[name]
        at = bisect_right(since, start) - 1
        while start < end:
            until = min(end, since[at + 1]) if at + 1 < len(since) else end
            yield until - start, points[at]
            start, at = until, at + 1


def _first(processor: Processor) -> OperatingPoint | None:
    """The operating point of a governor that keeps to it, and that with which `ondemand` begins."""
    by_frequency = {point.frequency: point for point in processor.points}
    if not by_frequency:
        return None
    if processor.governor == "powersave":
        return by_frequency[min(by_frequency)]
    if processor.governor == "constant" and processor.frequency is not None:
        return by_frequency[processor.frequency]
    return by_frequency[max(by_frequency)]
