"""Random tiny job shops with random options, small enough for brute force."""

from __future__ import annotations

import numpy as np

from hocket.core.disturb.calendars import Calendar
from hocket.shop.model import Alternative, Job, JobShop, Machine, Operation, Setup

FAMILIES = ("red", "blue")


def draw(
    seed: int,
    *,
    blocking: str | None = None,
    no_wait: bool | None = None,
    flexible: bool | None = None,
    setups: bool | None = None,
    calendars: bool | None = None,
    releases: bool | None = None,
    zero: bool = True,
) -> JobShop:
    """The shop of this seed. An option that is None is drawn."""
    rng = np.random.default_rng(seed)

    def option(given, chance=0.5):
        drawn = bool(rng.random() < chance)
        return drawn if given is None else given

    no_wait = option(no_wait, 0.25)
    mode = ("no", "swap", "no-swap")[int(rng.integers(3))]
    mode = "no" if no_wait else mode if blocking is None else blocking
    flexible, setups, calendars = option(flexible), option(setups), option(calendars)
    releases = option(releases)
    machines = int(rng.integers(2, 4))
    jobs = []
    count = int(rng.integers(2, 4))
    for j in range(count):
        # At most six operations: brute force tries every sequence of them.
        length = int(rng.integers(1, 4 if count == 2 else 3))
        steps = tuple(_operation(rng, machines, flexible, setups, zero) for _ in range(length))
        release = int(rng.integers(0, 8)) if releases else 0
        due = release + int(rng.integers(0, 15)) if j == 0 or rng.random() < 0.8 else None
        weight = int(rng.integers(0, 4))
        jobs.append(Job(name=f"J{j}", operations=steps, release=release, due=due, weight=weight))
    parts = tuple(_machine(rng, m, setups, calendars, no_wait) for m in range(machines))
    used = {o.family for job in jobs for o in job.operations} | {m.family for m in parts}
    return JobShop(
        name=f"draw-{seed}",
        jobs=tuple(jobs),
        machines=parts,
        setups=tuple(s for s in _setups(rng) if {s.before, s.after} <= used) if setups else (),
        blocking=mode,
        no_wait=no_wait,
    )


def _operation(rng, machines, flexible, setups, zero):
    family = FAMILIES[int(rng.integers(2))] if setups else ""
    chosen = rng.permutation(machines)
    if flexible and rng.random() < 0.4:
        options = tuple(
            Alternative(machine=f"M{m}", duration=int(rng.integers(1, 7))) for m in chosen[:2]
        )
        return Operation(alternatives=options, family=family)
    low = 0 if zero and rng.random() < 0.1 else 1
    duration = 0 if low == 0 else int(rng.integers(1, 7))
    return Operation(machine=f"M{chosen[0]}", duration=duration, family=family)


def _machine(rng, m, setups, calendars, no_wait):
    calendar = None
    if calendars and rng.random() < 0.7:
        a, b, c = sorted(int(x) for x in rng.choice(np.arange(1, 16), 3, replace=False))
        opens = ((0, a), (b, c)) if rng.random() < 0.5 else ((a, c),)
        if no_wait:
            opens = ((0, max(4, b)),)
        closed = ((5, 5 + b),) if rng.random() < 0.3 else ()
        calendar = Calendar(period=16, open=opens, closed=closed)
    family = FAMILIES[int(rng.integers(2))] if setups and rng.random() < 0.5 else ""
    return Machine(name=f"M{m}", calendar=calendar, family=family)


def _setups(rng):
    """Both changes everywhere, at times one within a family, and a time of the first machine."""
    found = [
        Setup(before=a, after=b, duration=int(rng.integers(0, 6)))
        for a in FAMILIES
        for b in FAMILIES
        if a != b or rng.random() < 0.3
    ]
    found.append(Setup(before="red", after="blue", duration=int(rng.integers(0, 6)), machine="M0"))
    return tuple(found)


def draw_larger(
    seed: int,
    *,
    blocking: str = "no",
    no_wait: bool = False,
    flexible: bool = False,
    setups: bool = False,
    calendars: bool = False,
) -> JobShop:
    """Four jobs of three operations on three machines, with releases and no further option."""
    rng = np.random.default_rng(1000 + seed)
    jobs = []
    for j in range(4):
        steps = []
        for first in rng.permutation(3):
            duration = int(rng.integers(1, 10))
            family = FAMILIES[int(rng.integers(2))] if setups else ""
            choices = [Alternative(machine=f"M{first}", duration=duration)]
            if flexible:
                other = int(first + rng.integers(1, 3)) % 3
                longer = duration + int(rng.integers(0, 5))
                choices.append(Alternative(machine=f"M{other}", duration=longer))
            steps.append(Operation(alternatives=tuple(choices), family=family))
        release = int(rng.integers(0, 10))
        due = release + int(rng.integers(10, 30))
        weight = int(rng.integers(1, 4))
        jobs.append(
            Job(name=f"J{j}", operations=tuple(steps), release=release, due=due, weight=weight)
        )
    week = Calendar(period=20, open=((0, 6), (8, 15)))
    return JobShop(
        name=f"larger-{seed}",
        jobs=tuple(jobs),
        machines=tuple(
            Machine(name=f"M{m}", calendar=week if calendars else None) for m in range(3)
        ),
        setups=(
            Setup(before="red", after="blue", duration=3),
            Setup(before="blue", after="red", duration=1),
            Setup(before="blue", after="red", duration=5, machine="M1"),
        )
        if setups
        else (),
        blocking=blocking,
        no_wait=no_wait,
    )
