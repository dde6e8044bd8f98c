"""Job shops for these tests: two published ones, as numbers, and random ones with every option."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from hocket.core.disturb.arrivals import Poisson
from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.disturb.calendars import Calendar
from hocket.core.disturb.noise import LogNormal
from hocket.shop.model import Alternative, Job, JobShop, Machine, Operation, Setup


def parse(text: str, **options: object) -> JobShop:
    """A classic shop from its rows, with options of `JobShop`."""
    rows = [[int(word) for word in line.split()] for line in text.splitlines()]
    return shop([list(zip(row[::2], row[1::2], strict=True)) for row in rows], **options)


def shop(jobs: list[list[tuple[int, int]]], **options: object) -> JobShop:
    """Jobs j0, j1, ... given by (machine, duration) pairs, on machines m0, m1, ..."""
    count = 1 + max(m for job in jobs for m, _ in job)
    return JobShop(
        machines=tuple(Machine(name=f"m{m}") for m in range(count)),
        jobs=tuple(
            Job(
                name=f"j{j}",
                operations=tuple(Operation(machine=f"m{m}", duration=d) for m, d in job),
            )
            for j, job in enumerate(jobs)
        ),
        **options,
    )


def on_machine(machine: Machine, *jobs: Job, **options: object) -> JobShop:
    """A shop of one machine."""
    return JobShop(machines=(machine,), jobs=jobs, **options)


def job(name: str, duration: int, machine: str = "m0", family: str = "", **options: object) -> Job:
    """A job of one operation."""
    operation = Operation(machine=machine, duration=duration, family=family)
    return Job(name=name, operations=(operation,), **options)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    period = draw(st.integers(5, 20))
    start = draw(st.integers(0, period - 3))
    end = draw(st.integers(start + 2, period))
    holiday = draw(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=2))
    closed = tuple((at, at + length) for at, length in holiday)
    return Calendar(period=period, open=((start, end),), closed=closed)


@st.composite
def machines(draw: st.DrawFn, name: str, uncertain: bool, families: list[str]) -> Machine:
    breakdowns = st.builds(Breakdowns, mean_up=st.floats(3, 40), mean_down=st.floats(1, 10))
    return Machine(
        name=name,
        calendar=draw(st.none() | calendars()),
        breakdowns=draw(st.none() | breakdowns) if uncertain else None,
        family=draw(st.sampled_from(families)),
    )


@st.composite
def operations(draw: st.DrawFn, names: list[str], families: list[str]) -> Operation:
    able = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    durations = [draw(st.integers(0, 9)) for _ in able]
    family = draw(st.sampled_from(families))
    if len(able) == 1:
        return Operation(machine=able[0], duration=durations[0], family=family)
    choices = tuple(
        Alternative(machine=m, duration=d) for m, d in zip(able, durations, strict=True)
    )
    return Operation(alternatives=choices, family=family)


@st.composite
def shops(draw: st.DrawFn, blocking: tuple[str, ...] = ("no", "swap", "no-swap")) -> JobShop:
    """Any sound shop that is not no-wait: all options, combined freely."""
    names = [f"m{m}" for m in range(draw(st.integers(1, 4)))]
    families = ["", "a", "b"][: draw(st.integers(1, 3))]
    uncertain = draw(st.booleans())
    steps = operations(names, families)
    jobs = tuple(
        Job(
            name=f"j{j}",
            operations=tuple(draw(st.lists(steps, min_size=1, max_size=4))),
            release=release,
            due=draw(st.none() | st.integers(release, 60)),
            weight=draw(st.integers(0, 3)),
        )
        for j, release in enumerate(draw(st.lists(st.integers(0, 15), min_size=1, max_size=5)))
    )
    pairs = [(a, b) for a in families for b in families if a != b]
    setups = tuple(
        Setup(before=a, after=b, duration=draw(st.integers(0, 6)), machine=machine)
        for a, b in (draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else [])
        for machine in draw(st.lists(st.sampled_from(["", *names]), max_size=2, unique=True))
    )
    used = {o.family for j in jobs for o in j.operations}
    owners = tuple(draw(machines(name, uncertain, families)) for name in names)
    used |= {m.family for m in owners}
    drawn = JobShop(
        name="drawn",
        machines=owners,
        jobs=jobs,
        setups=tuple(s for s in setups if s.before in used and s.after in used),
        blocking=draw(st.sampled_from(blocking)),
        noise=draw(st.none() | st.just(LogNormal(cv=0.4))) if uncertain else None,
        arrivals=draw(st.none() | st.just(Poisson(rate=0.2))) if uncertain else None,
    )
    assert not list(drawn.problems())
    return drawn


def lasting(operation: Operation, least: int) -> Operation:
    """The operation, on every machine at least so long."""
    choices = tuple(
        msgspec.structs.replace(choice, duration=max(least, choice.duration))
        for choice in operation.choices()
    )
    return msgspec.structs.replace(operation, machine=None, duration=None, alternatives=choices)


@st.composite
def nowait_shops(draw: st.DrawFn) -> JobShop:
    """Any sound no-wait shop in which every job fits somewhere: without setups inside a job.

    Where there are setups every operation lasts: the checker cannot tell in which order operations
    of no length follow one another at one instant.
    """
    drawn = draw(shops(blocking=("no",)))
    least = 1 if drawn.setups else 0
    always = Calendar(period=1000, open=((0, 1000),), closed=((10, 15),))
    open_machines = tuple(
        msgspec.structs.replace(
            machine, breakdowns=None, calendar=None if machine.calendar is None else always
        )
        for machine in drawn.machines
    )
    # A job of one family never waits for a setup between two visits to one machine.
    jobs = tuple(
        msgspec.structs.replace(
            job,
            operations=tuple(
                msgspec.structs.replace(lasting(o, least), family=job.operations[0].family)
                for o in job.operations
            ),
        )
        for job in drawn.jobs
    )
    families = {job.operations[0].family for job in jobs} | {m.family for m in open_machines}
    return msgspec.structs.replace(
        drawn,
        jobs=jobs,
        machines=open_machines,
        setups=tuple(s for s in drawn.setups if {s.before, s.after} <= families),
        noise=None,
        arrivals=None,
        no_wait=True,
    )
