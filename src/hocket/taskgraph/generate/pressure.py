"""Small systems under pressure: what a scheduler meets in a week, within a few jobs."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np

from hocket.core.domain import Generator, checked
from hocket.core.streams import Streams
from hocket.taskgraph.generate.base import Count, job_type
from hocket.taskgraph.generate.layered import layered_arcs
from hocket.taskgraph.model.jobs import JobType, Listed, Release, Stream
from hocket.taskgraph.model.processors import (
    Communication,
    Function,
    Governor,
    Link,
    OperatingPoint,
    Processor,
)
from hocket.taskgraph.model.scenario import TaskGraphs

_NAMES = tuple(f"f{i}" for i in range(6))  # functions; f0 takes no time
_POINTS = ((500, 900), (1000, 1000), (2000, 1200))
_TYPES = 3
_GOVERNORS: tuple[Governor, ...] = ("ondemand", "powersave", "constant")


class Pressure(Generator, frozen=True, kw_only=True):
    """So few processors that tasks queue; switches add what else can happen.

    - `tasks`: of each of three graphs, which may have several heads and loose parts
    - `shared`: results go through shared memory
    - `clusters`: processors run several tasks at once
    - `picky`: some functions run on a single processor
    - `scaled`: frequencies change while tasks run, or are low
    - `listed`: jobs arrive at times that are known, some of them together
    - `waiting`: a blocked job enters as soon as there is room
    - `prefill`: the system starts full
    - `noise`: durations are random
    """

    name: ClassVar[str] = "pressure"
    source: ClassVar[str] = "made for hocket, to test policies in every situation"

    jobs: Count = 12
    tasks: Count = 6
    processors: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    gap: Annotated[int, msgspec.Meta(ge=1, le=10**6)] = 8
    shared: bool = False
    clusters: bool = False
    picky: bool = False
    scaled: bool = False
    listed: bool = False
    waiting: bool = False
    prefill: bool = False
    noise: bool = False

    def __post_init__(self) -> None:
        checked(self, "taskgraph")

    def make(self, seed: int = 0) -> TaskGraphs:
        """The scenario of this seed."""
        random = Streams(seed)[self.name]
        types = tuple(self._type(g, random) for g in range(_TYPES))
        switches = [f.name for f in msgspec.structs.fields(self) if getattr(self, f.name) is True]
        return TaskGraphs(
            name="-".join(["pressure", *switches, str(seed)]),
            processors=self._processors(random),
            communication=self._communication(random),
            types=types,
            arrivals=self._arrivals(types, random),
            noise=0.3 if self.noise else 0.0,
        )

    def _type(self, number: int, random: np.random.Generator) -> JobType:
        """A graph whose tasks share a few functions; every third task may be loose."""
        arcs = layered_arcs(self.tasks, 1.0, 2, random)
        kept = [arc for arc in arcs if random.random() < 0.9]
        plain = job_type(
            f"g{number}",
            [f"t{t}" for t in range(self.tasks)],
            [(a, b, float(random.integers(0, 9))) for a, b in kept],
            weight=float(number + 1),
        )
        runs = random.integers(len(_NAMES), size=self.tasks)
        tasks = tuple(
            msgspec.structs.replace(task, function=_NAMES[int(one)])
            for task, one in zip(plain.tasks, runs, strict=True)
        )
        return msgspec.structs.replace(plain, tasks=tasks)

    def _processors(self, random: np.random.Generator) -> tuple[Processor, ...]:
        owners = random.integers(self.processors, size=len(_NAMES))
        found = []
        for p in range(self.processors):
            times = random.integers(1, 13, size=len(_NAMES))
            functions = {
                name: Function(duration=int(time) if i else 0, power=float(1 + p))
                for i, (name, time) in enumerate(zip(_NAMES, times, strict=True))
                if not self.picky or i % 2 == 0 or owners[i] == p
            }
            found.append(
                Processor(
                    name=f"p{p}",
                    type="ACC" if p == self.processors - 1 else "CPU",
                    capacity=1 + p % 2 if self.clusters else 1,
                    functions=functions,
                    **self._frequency(p),
                )
            )
        return tuple(found)

    def _frequency(self, p: int) -> dict[str, Any]:
        if not self.scaled:
            return {}
        governor = _GOVERNORS[p % len(_GOVERNORS)]
        return {
            "points": tuple(OperatingPoint(frequency=f, voltage=v) for f, v in _POINTS),
            "governor": governor,
            "frequency": 1000.0 if governor == "constant" else None,
        }

    def _communication(self, random: np.random.Generator) -> Communication:
        """Every pair has a bandwidth of its own, and every processor one to memory."""
        names = [f"p{p}" for p in range(self.processors)]
        links = [
            Link(between=(a, b), bandwidth=float(random.integers(1, 5)))
            for i, a in enumerate(names)
            for b in names[i + 1 :]
        ]
        mode: Literal["direct", "shared-memory"] = "shared-memory" if self.shared else "direct"
        memory = {name: float(random.integers(1, 5)) for name in names}
        return Communication(mode=mode, links=tuple(links), memory=memory)

    def _arrivals(self, types: tuple[JobType, ...], random: np.random.Generator) -> Listed | Stream:
        if self.listed:
            gaps = random.integers(0, 2 * self.gap, size=self.jobs)
            chosen = random.integers(len(types), size=self.jobs)
            times = np.cumsum(gaps * (gaps % 3 > 0))  # a third of them together with another
            return Listed(
                jobs=tuple(
                    Release(type=types[int(one)].name, time=int(time))
                    for one, time in zip(chosen, times, strict=True)
                )
            )
        return Stream(
            gap=float(self.gap),
            capacity=4,
            when_full="wait" if self.waiting else "retry",
            prefill=self.prefill,
            jobs=self.jobs,
        )
