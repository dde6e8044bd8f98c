"""Processing elements: what they can run, how long it takes, and what it costs in energy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from hocket.core.errors import Problem
from hocket.core.scenario import Ticks

Positive = Annotated[float, msgspec.Meta(gt=0, le=1e12)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=1e12)]

Governor = Literal["performance", "powersave", "ondemand", "constant"]


class Function(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a processor can run: mean `duration` and `power` (W), both at its highest frequency."""

    duration: Ticks
    power: NotNegative = 0.0


class OperatingPoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frequency (MHz) and the voltage (mV) that it needs."""

    frequency: Positive
    voltage: Positive


class Processor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A processing element: a core, a cluster of cores, an accelerator, a machine.

    - `type`: CPU, BIG, LITTLE, ACC, ...; those of type ACC do not leak (Arda et al., DS3, IEEE
      Transactions on Computers 2020)
    - `capacity`: how many tasks it runs at the same time
    - `functions`: by name, what it can run
    - `points`: its operating points; empty if its frequency is fixed and its energy that of
      `Function.power` alone
    - `governor`: how the frequency is chosen: `performance` the highest, `powersave` the lowest,
      `constant` that of `frequency` (MHz), `ondemand` by the utilisation of the last period
    """

    name: str
    type: str = "CPU"
    capacity: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    functions: dict[str, Function]
    points: tuple[OperatingPoint, ...] = ()
    governor: Governor = "performance"
    frequency: Positive | None = None

    @property
    def lanes(self) -> tuple[str, ...]:
        """What timelines call its slots: its name, or ``NAME.k`` for slot k of several."""
        if self.capacity == 1:
            return (self.name,)
        return tuple(f"{self.name}.{k}" for k in range(self.capacity))

    def problems(self, where: str) -> Iterator[Problem]:
        """What is wrong with it, at `where` in the file."""
        if not self.name:
            yield Problem(f"{where}.name", "is empty; name the processor")
        if not self.functions:
            yield Problem(f"{where}.functions", "is empty; list at least one function")
        frequencies = [point.frequency for point in self.points]
        if len(set(frequencies)) < len(frequencies):
            yield Problem(f"{where}.points", "lists a frequency twice; keep one of them")
        if self.governor in ("powersave", "ondemand") and not self.points:
            fix = "list operating points, or use the governor performance"
            yield Problem(f"{where}.governor", f"{self.governor} needs operating points; {fix}")
        if self.governor == "constant" and self.frequency not in frequencies:
            known = ", ".join(f"{f:g}" for f in sorted(frequencies)) or "none"
            fix = f"set it to the frequency of an operating point ({known})"
            yield Problem(f"{where}.frequency", f"is no operating point; {fix}")
        if self.governor != "constant" and self.frequency is not None:
            fix = "leave it out, or use the governor constant"
            yield Problem(f"{where}.frequency", f"means nothing to {self.governor}; {fix}")


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A connection of two processors, both ways: `bandwidth` in units of volume per tick.

    A processor may be linked to itself; without that, data stay where they are for free.
    """

    between: tuple[str, str]
    bandwidth: Positive


class Communication(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How results travel from task to task.

    - `mode` ``direct``: from processor to processor, ``floor(volume / bandwidth)`` ticks after the
      task that sends has finished. ``shared-memory``: to memory before the receiving task is ready,
      and from memory before it starts
    - `links`: bandwidths; `default`: that of pairs which are not listed, None if all must be
    - `memory`: by processor, its bandwidth to memory; `default` where it is not listed
    """

    mode: Literal["direct", "shared-memory"] = "direct"
    links: tuple[Link, ...] = ()
    default: Positive | None = None
    memory: dict[str, Positive] = {}

    def problems(self, processors: tuple[str, ...]) -> Iterator[Problem]:
        """Processors that do not exist, and bandwidths that are missing."""
        known = set(processors)
        listed: set[frozenset[str]] = set()
        for i, link in enumerate(self.links):
            where = f"communication.links[{i}]"
            for name in link.between:
                if name not in known:
                    yield Problem(where, f"joins {name!r}, which is no processor; mend the name")
            pair = frozenset(link.between)
            if pair in listed:
                yield Problem(where, "lists a pair a second time; keep one of them")
            listed.add(pair)
        for name in self.memory:
            if name not in known:
                where = f"communication.memory.{name}"
                yield Problem(where, "is no processor; mend the name")
        if self.default is not None:
            return
        fix = "list it, or set communication.default"
        if self.mode == "shared-memory":
            for name in processors:
                if name not in self.memory:
                    yield Problem("communication.memory", f"has no bandwidth of {name!r}; {fix}")
            return
        for i, a in enumerate(processors):
            for b in processors[i + 1 :]:
                if frozenset((a, b)) not in listed:
                    what = f"have no bandwidth between {a!r} and {b!r}"
                    yield Problem("communication.links", f"{what}; {fix}")


class Leakage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Static power of a processor that runs at V volts: ``V c1 T^2 exp(-c2 / T) + gate V`` watts.

    The temperature `ambient` is in degrees Celsius, T in kelvin as 273 more; it does not change
    during a run. The defaults are those of the Odroid XU3 board (DS3).
    """

    c1: NotNegative = 0.002488
    c2: NotNegative = 2660.0
    gate: NotNegative = 0.000519
    ambient: Annotated[float, msgspec.Meta(gt=-273, le=1000)] = 42.0


class Sampling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The governor `ondemand`: every `period` ticks it looks at the utilisation of that period.

    Above `high` it takes the highest frequency, below `low` the next lower one.
    """

    period: Annotated[int, msgspec.Meta(ge=1, le=2**40)] = 5
    high: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 0.8
    low: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 0.3
