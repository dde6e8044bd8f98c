"""Resource files of DS3: processing elements, operating points, functions and bandwidths.

A resource is announced by position, as gym_ds3 reads it, or with a word before each value, as later
versions of DS3 do::

    add_new_resource CPU P1 0 1 10 performance
    add_new_resource resource_type LTL resource_name A7 resource_ID 0 capacity 4 \
        num_supported_functionalities 94 DVFS_mode performance

The second form announces a cluster: `capacity` processors of capacity 1, between which bandwidths
are given by cluster. In the first the resource is one processor of that capacity. Accelerators of
types ACC_1, ACC_2 and so on are read as ACC, which does not leak. The resource's operating points
(``opp MHz mV``) and functions (``name time [power]``) follow, then bandwidths::

    comm_band 0 1 5
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from hocket.core.scenario import LONGEST
from hocket.taskgraph.formats.words import Words, cut
from hocket.taskgraph.model.processors import (
    Communication,
    Function,
    Governor,
    Link,
    OperatingPoint,
    Processor,
)

KEYWORDS = frozenset({"add_new_resource", "comm_band", "comm_band_self"})

PASSED_OVER = frozenset({"trip_freq", "DTPM_trip_freq", "PG_profile", "mesh_information"})
_GOVERNORS: dict[str, Governor] = {
    "performance": "performance",
    "powersave": "powersave",
    "ondemand": "ondemand",
    "none": "performance",
}
_CONSTANT = re.compile(r"constant-(\d{1,9})", re.ASCII)
_NUMBERED = re.compile(r"ACC_?\d+", re.ASCII)
_MOST_CAPACITY = 10_000
_MOST_ELEMENTS = 1000


@dataclass(slots=True)
class _Resource:
    """A resource as the file has it; `announced` functions are to follow."""

    line: int
    type: str
    name: str
    id: int
    capacity: int
    announced: int
    governor: Governor = "performance"
    frequency: float | None = None
    fixed: bool = False
    grouped: bool = False
    points: list[tuple[float, float]] = field(default_factory=list)
    functions: dict[str, Function] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    read: int = 0
    powers: dict[float, float] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether functions are still to come."""
        return self.read < self.announced

    @property
    def memory(self) -> bool:
        """Whether it is memory, which runs nothing."""
        return self.type == "MEM"


class SocReader:
    """Takes the lines of a resource file one after another."""

    def __init__(self, findings: Words) -> None:
        self.findings = findings
        self.resources: list[_Resource] = []
        self.bands: list[tuple[int, int, int, float]] = []  # line, ids, bandwidth
        self.own_band: float | None = None
        self.rounded = 0
        self.passed: set[str] = set()

    @property
    def open(self) -> bool:
        """Whether the last resource still expects functions."""
        return bool(self.resources) and self.resources[-1].open

    def take(self, line: int, words: Sequence[str]) -> None:
        """Read one line that is neither blank nor a comment."""
        if words[0] in KEYWORDS:
            self.close(line)
            if words[0] == "add_new_resource":
                self._resource(line, words)
            elif words[0] == "comm_band":
                self._band(line, words)
            elif len(words) != 2:
                self.findings.add("comm_band_self: one bandwidth expected", line)
            else:
                self.own_band = self.findings.decimal(words[1], words[0], line, positive=True)
        elif words[0] == "opp":
            self._point(line, words)
        elif words[0] == "power_profile":
            self._power(line, words)
        elif words[0] in PASSED_OVER:
            self.passed.add(words[0])
        else:
            self._function(line, words)

    def close(self, line: int) -> None:
        """Say so if functions of the last resource are missing before this line."""
        if self.open:
            last = self.resources[-1]
            what = f"{last.read} of the {last.announced} functions of {last.name} are listed"
            self.findings.add(f"{what} before this line", line)
            last.announced = last.read

    def _resource(self, line: int, words: Sequence[str]) -> None:
        grouped = len(words) >= 11
        values = words[2:13:2] if grouped else words[1:]
        if not 5 <= len(values) <= 6:
            form = "add_new_resource TYPE NAME ID CAPACITY FUNCTIONS DVFS"
            self.findings.add(f"{len(words)} words; expected {form}", line)
            self.resources.append(_Resource(line, "CPU", f"?{line}", -1, 1, 0))
            return
        whole = self.findings.whole
        found = _Resource(
            line=line,
            type="ACC" if _NUMBERED.fullmatch(values[0]) else values[0],
            name=values[1],
            id=whole(values[2], "number of the resource", line),
            capacity=whole(values[3], "capacity", line, 1, _MOST_CAPACITY),
            announced=whole(values[4], "number of functions", line),
            grouped=grouped,
        )
        for other in self.resources:
            for what in ("id", "name"):
                if getattr(other, what) == getattr(found, what):
                    told = f"{what} {cut(str(getattr(found, what)))} is that of line {other.line}"
                    self.findings.add(f"{told} already; change one of them", line)
        if len(values) == 6:
            self._governor(found, values[5])
        self.resources.append(found)

    def _governor(self, found: _Resource, word: str) -> None:
        if constant := _CONSTANT.fullmatch(word):
            found.governor, found.frequency = "constant", float(constant[1])
        elif word in _GOVERNORS:
            found.governor, found.fixed = _GOVERNORS[word], word == "none"
        else:
            known = ", ".join([*_GOVERNORS, "constant-<MHz>"])
            self.findings.add(f"DVFS mode {cut(word)}; there is {known}", found.line)

    def _last(self, line: int, words: Sequence[str]) -> _Resource | None:
        if not self.resources:
            what = f"unknown line {cut(' '.join(words))} before the first add_new_resource"
            self.findings.add(what, line)
            return None
        return self.resources[-1]

    def _point(self, line: int, words: Sequence[str]) -> None:
        last = self._last(line, words)
        if len(words) != 3:
            self.findings.add("opp: a frequency in MHz and a voltage in mV expected", line)
        elif last is not None:
            frequency = self.findings.decimal(words[1], "frequency", line, positive=True)
            voltage = self.findings.decimal(words[2], "voltage", line, positive=True)
            if any(frequency == known for known, _ in last.points):
                self.findings.add(f"{last.name} has frequency {words[1]} already", line)
            last.points.append((frequency, voltage))

    def _power(self, line: int, words: Sequence[str]) -> None:
        last = self._last(line, words)
        if len(words) < 3:
            self.findings.add("power_profile: a frequency and the power of 1, 2 ... cores", line)
        elif last is not None:
            values = [self.findings.decimal(word, "power_profile", line) for word in words[1:]]
            last.powers[values[0]] = values[1]

    def _function(self, line: int, words: Sequence[str]) -> None:
        last = self._last(line, words)
        if last is None:
            return
        if not last.open:
            what = f"unknown line {cut(' '.join(words))}"
            more = f"{last.name} announces {last.announced} functions, and all are listed"
            self.findings.add(f"{what}; {more}", line)
            return
        last.read += 1
        if not 2 <= len(words) <= 3:
            self.findings.add("function: a name, a time and its power expected", line)
            return
        time = self.findings.decimal(words[1], f"time of {cut(words[0])}", line)
        if time > LONGEST:
            self.findings.add(f"time of {cut(words[0])}: more than {LONGEST} ticks", line)
        power = 0.0
        if len(words) == 3:
            power = self.findings.decimal(words[2], f"power of {cut(words[0])}", line)
        self.rounded += time != round(time)
        if words[0] in last.functions:
            last.twice.append(words[0])
        else:
            last.functions[words[0]] = Function(duration=min(round(time), LONGEST), power=power)

    def _band(self, line: int, words: Sequence[str]) -> None:
        if len(words) != 4:
            self.findings.add("comm_band: two resources and a bandwidth expected", line)
            return
        a, b = (self.findings.whole(word, "number of a resource", line) for word in words[1:3])
        self.bands.append((line, a, b, self.findings.decimal(words[3], "bandwidth", line)))

    def platform(self) -> tuple[tuple[Processor, ...], Communication]:
        """Processors and communication; adds what is wrong, and notes, to the findings."""
        elements = [r for r in self.resources if not r.memory]
        if not elements:
            self.findings.add("no resource but memory; add processing elements")
        if sum(r.capacity for r in elements if r.grouped) > _MOST_ELEMENTS:
            self.findings.add(f"more than {_MOST_ELEMENTS} processing elements")
            return (), Communication()
        names: dict[int, list[str]] = {}
        processors: list[Processor] = []
        for one in elements:
            self._check(one)
            names[one.id] = [one.name]
            if one.grouped:
                first = len(processors)
                names[one.id] = [f"{one.name}_{first + k}" for k in range(one.capacity)]
            processors += [_processor(one, name) for name in names[one.id]]
        self._notes()
        return tuple(processors), self._communication(names)

    def _check(self, one: _Resource) -> None:
        known = [frequency for frequency, _ in one.points]
        if one.governor in ("powersave", "ondemand") and not known:
            self.findings.add(f"{one.name}: {one.governor} needs lines opp", one.line)
        if one.governor == "constant" and one.frequency not in known:
            told = ", ".join(f"{f:g}" for f in sorted(known)) or "none"
            what = f"constant-{one.frequency:g} is no frequency of its lines opp ({told})"
            self.findings.add(f"{one.name}: {what}", one.line)
        if not one.functions:
            self.findings.add(f"{one.name} has no functions", one.line)

    def _communication(self, names: dict[int, list[str]]) -> Communication:
        """The last line on a pair counts, as it does in DS3; pairs without one have bandwidth 1."""
        memories = [r.id for r in self.resources if r.memory]
        pairs: dict[frozenset[str], tuple[tuple[str, str], float]] = {}
        memory: dict[str, float] = {}
        for line, a, b, band in self.bands:
            if unknown := [end for end in (a, b) if end not in names and end not in memories]:
                self.findings.add(f"comm_band: there is no resource {unknown[0]}", line)
            elif a in memories and b in memories:
                continue
            elif band == 0:
                self.findings.add("comm_band: bandwidth 0; nothing would ever arrive", line)
            elif a in memories or b in memories:
                memory |= dict.fromkeys(names[a if b in memories else b], band)
            else:
                for one in names[a]:
                    for two in names[b]:
                        own = band if self.own_band is None or one != two else self.own_band
                        pairs[frozenset((one, two))] = ((one, two), own)
        for one in (name for group in names.values() for name in group):
            pairs.setdefault(frozenset((one,)), ((one, one), 1.0))
        links = tuple(Link(between=ends, bandwidth=band) for ends, band in pairs.values())
        return Communication(links=links, default=1.0, memory=memory)

    def _notes(self) -> None:
        twice = [f"{one.name} {name}" for one in self.resources for name in one.twice]
        if twice:
            shown = ", ".join(dict.fromkeys(twice[:4])) + (", ..." if len(twice) > 4 else "")
            self.findings.notes.append(f"functions listed twice, the first counts: {shown}")
        if self.rounded:
            self.findings.notes.append(f"times rounded to whole ticks: {self.rounded}")
        if self.passed:
            words = ", ".join(sorted(self.passed))
            self.findings.notes.append(f"not simulated, lines passed over: {words}")
        if any(one.powers for one in self.resources):
            told = "the power of a task is that of one busy core"
            self.findings.notes.append(f"power_profile: {told}; cores do not share any")


def _processor(one: _Resource, name: str) -> Processor:
    functions = one.functions
    if one.powers:
        power = one.powers[max(one.powers)]
        functions = {
            key: Function(duration=found.duration, power=power) for key, found in functions.items()
        }
    points = () if one.fixed else sorted(one.points)
    return Processor(
        name=name,
        type=one.type,
        capacity=1 if one.grouped else one.capacity,
        functions=functions,
        points=tuple(OperatingPoint(frequency=f, voltage=v) for f, v in points),
        governor=one.governor,
        frequency=one.frequency,
    )
