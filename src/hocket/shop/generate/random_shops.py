"""Random job shops with the options of `JobShop`: flexible, blocking, with setups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from hocket.core.domain import Generator, checked
from hocket.core.errors import InputError, Problem
from hocket.core.streams import Streams
from hocket.shop.generate.classic import Count, classic, lehmer_seed
from hocket.shop.generate.taillard import Taillard, durations_of, routes_of
from hocket.shop.model import Alternative, Job, JobShop, Machine, Operation, Setup

Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Ratio = Annotated[float, msgspec.Meta(gt=0, le=100)]


class Flexible(Generator, frozen=True, kw_only=True):
    """Flexible job shops: every operation can be done on one of several machines.

    A job has from `fewest` to `most` operations; an operation runs on 1 to `alternatives` machines.
    Its mean duration is U[1, `longest`] ticks; that on a machine differs from the mean by up to the
    share `spread` (0: all machines are equally fast, as in the sets of Hurink, Jurisch and Thole).
    """

    name: ClassVar[str] = "flexible"
    source: ClassVar[str] = (
        "scheme of P. Brandimarte, Routing and scheduling in a flexible job shop by tabu search, "
        "Annals of Operations Research 41 (1993) 157-183"
    )

    jobs: Count = 10
    machines: Count = 6
    fewest: Count = 5
    most: Count = 7
    alternatives: Count = 3
    longest: Count = 20
    spread: Share = 0.2

    def __post_init__(self) -> None:
        checked(self, "shop")
        if problems := list(self._conflicts()):
            raise InputError(f"shop/{self.name}", problems)

    def _conflicts(self) -> Iterator[Problem]:
        if self.fewest > self.most:
            yield Problem("fewest", f"{self.fewest} operations is more than most, {self.most}")
        if self.alternatives > self.machines:
            yield Problem("alternatives", f"{self.alternatives} of {self.machines} machines")

    def make(self, seed: int = 0) -> JobShop:
        """The instance of this seed."""
        random = Streams(seed)["flexible"]
        machines = tuple(Machine(name=f"m{m}") for m in range(self.machines))
        jobs = []
        for i in range(self.jobs):
            count = int(random.integers(self.fewest, self.most + 1))
            jobs.append(
                Job(name=f"j{i}", operations=tuple(self._operation(random) for _ in range(count)))
            )
        name = f"flexible-{self.jobs}x{self.machines}-{seed}"
        return JobShop(name=name, jobs=tuple(jobs), machines=machines)

    def _operation(self, random: np.random.Generator) -> Operation:
        mean = int(random.integers(1, self.longest + 1))
        low, high = (round(mean * (1 + sign * self.spread)) for sign in (-1, 1))
        count = int(random.integers(1, self.alternatives + 1))
        able = sorted(random.permutation(self.machines)[:count].tolist())
        return Operation(
            alternatives=tuple(
                Alternative(machine=f"m{m}", duration=int(random.integers(max(1, low), high + 1)))
                for m in able
            )
        )


class Blocking(Generator, frozen=True, kw_only=True):
    """Taillard's job shops without buffers: a job keeps its machine until the next one is free."""

    name: ClassVar[str] = "blocking"
    source: ClassVar[str] = (
        "H. Gröflin, A. Klinkert, A new neighborhood and tabu search for the blocking job shop, "
        "Discrete Applied Mathematics 157 (2009) 3643-3655; instances as Taillard's"
    )

    jobs: Count = 10
    machines: Count = 10
    swap: bool = True

    def __post_init__(self) -> None:
        checked(self, "shop")

    def make(self, seed: int = 0) -> JobShop:
        """The instance of this seed: the one of `Taillard` with the same sizes and seed."""
        kind = "swap" if self.swap else "no-swap"
        return msgspec.structs.replace(
            Taillard(jobs=self.jobs, machines=self.machines).make(seed),
            name=f"blocking-{kind}-{self.jobs}x{self.machines}-{seed}",
            blocking=kind,
        )


class Setups(Generator, frozen=True, kw_only=True):
    """Taillard's job shops with sequence-dependent setups between families of jobs.

    Durations are U[1, 99]; a setup on a machine between two of the `families` is
    U[1, 99 x `ratio`] ticks, and there is none within a family. The ratios of the published sets
    SDST10, 50, 100 and 125 are 0.1, 0.5, 1 and 1.25 (there every job is its own family).
    """

    name: ClassVar[str] = "setups"
    source: ClassVar[str] = (
        "R. Ruiz, C. Maroto, J. Alcaraz, Solving the flowshop scheduling problem with sequence "
        "dependent setup times using advanced metaheuristics, "
        "European Journal of Operational Research 165 (2005) 34-54"
    )

    jobs: Count = 10
    machines: Count = 5
    families: Count = 3
    ratio: Ratio = 0.5

    def __post_init__(self) -> None:
        checked(self, "shop")

    def make(self, seed: int = 0) -> JobShop:
        """The instance of this seed."""
        streams = Streams(seed)
        times, routes = (lehmer_seed(streams, f"setups.{part}") for part in ("times", "routes"))
        plain = classic(
            f"setups-{self.jobs}x{self.machines}-{seed}",
            routes_of(routes, self.jobs, self.machines),
            durations_of(times, self.jobs, self.machines),
            self.machines,
        )
        jobs = tuple(_of_family(job, f"f{i % self.families}") for i, job in enumerate(plain.jobs))
        return msgspec.structs.replace(plain, jobs=jobs, setups=tuple(self._setups(streams)))

    def _setups(self, streams: Streams) -> Iterator[Setup]:
        random = streams["setups.setups"]
        longest = max(1, round(99 * self.ratio))
        used = min(self.families, self.jobs)
        for m in range(self.machines):
            for before in range(used):
                for after in range(used):
                    if before != after:
                        yield Setup(
                            machine=f"m{m}",
                            before=f"f{before}",
                            after=f"f{after}",
                            duration=int(random.integers(1, longest + 1)),
                        )


def _of_family(job: Job, family: str) -> Job:
    replace = msgspec.structs.replace
    return replace(job, operations=tuple(replace(o, family=family) for o in job.operations))
