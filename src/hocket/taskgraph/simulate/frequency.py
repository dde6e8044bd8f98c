"""Frequencies: how fast each processor runs, and the governor that changes it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from hocket.core.kernel import Kernel, Phase
from hocket.taskgraph.model.processors import Processor, Sampling
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.roles import Core


def speed(processor: Processor) -> Fraction:
    """The frequency at which it starts, over its highest one."""
    frequencies = sorted(point.frequency for point in processor.points)
    if not frequencies or processor.governor in ("performance", "ondemand"):
        return Fraction(1)
    low = frequencies[0] if processor.governor == "powersave" else processor.frequency
    return Fraction(low or frequencies[-1]) / Fraction(frequencies[-1])


class OnDemand:
    """The governor ``ondemand`` of one processor, at its highest frequency to begin with.

    Above `high` it takes the highest frequency, below `low` the next lower one (DS3).
    """

    def __init__(self, core: Core, processor: Processor, sampling: Sampling) -> None:
        self.core = core
        self.sampling = sampling
        self.frequencies = sorted(point.frequency for point in processor.points)
        self.at = len(self.frequencies) - 1
        self.busy_before = 0

    @property
    def frequency(self) -> float:
        """The one that it has chosen (MHz)."""
        return self.frequencies[self.at]

    @property
    def ratio(self) -> Fraction:
        """That over the highest."""
        return Fraction(self.frequency) / Fraction(self.frequencies[-1])

    @property
    def idle(self) -> bool:
        """Whether nothing will change before something runs."""
        return not self.core.running and not self.at

    def look(self, now: int) -> bool:
        """Choose by the ticks of work, over all slots, of the period that ends; True if it differs.

        Several tasks at a time can make a utilisation above 1, as in DS3.
        """
        busy = self.core.busy + sum(now - task.start for task in self.core.running)
        utilisation = (busy - self.busy_before) / self.sampling.period
        self.busy_before, before = busy, self.at
        if utilisation > self.sampling.high:
            self.at = len(self.frequencies) - 1
        elif utilisation < self.sampling.low and self.at:
            self.at -= 1
        return self.at != before


class Governors:
    """All governors that look at utilisation, at every multiple of the sampling period.

    They look together, in the order of processors, and sleep while all are idle.
    """

    def __init__(
        self,
        cores: list[Core],
        scenario: TaskGraphs,
        kernel: Kernel,
        changed: Callable[[Core, Fraction, float], None],
    ) -> None:
        """Calls ``changed(core, speed, frequency)`` with the first speed and every new one."""
        self.kernel, self.changed, self.period = kernel, changed, scenario.sampling.period
        self.governors = [
            OnDemand(core, processor, scenario.sampling)
            for core, processor in zip(cores, scenario.processors, strict=True)
            if processor.governor == "ondemand"
        ]
        self.asleep = True
        for governor in self.governors:
            changed(governor.core, governor.ratio, governor.frequency)
        self.wake()

    def wake(self) -> None:
        """Something runs, or may run slower soon: look at the next sampling instant."""
        if self.asleep and self.governors:
            self.asleep = False
            now = self.kernel.now
            self.kernel.at(now - now % self.period + self.period, self._look, phase=Phase.WAKE)

    def _look(self) -> None:
        for governor in self.governors:
            if governor.look(self.kernel.now):
                self.changed(governor.core, governor.ratio, governor.frequency)
        if all(governor.idle for governor in self.governors):
            self.asleep = True
        else:
            self.kernel.after(self.period, self._look, phase=Phase.WAKE)
