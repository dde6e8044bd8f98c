"""Random scenarios that the text formats can hold."""

import hypothesis.strategies as st

from hocket.shop.model import (
    Alternative,
    Job,
    JobShop,
    Machine,
    Operation,
    SingleJob,
    SingleMachine,
)

TIMES = st.integers(0, 200) | st.integers(0, 2**40)
NAMES = st.text("abcXYZ019 ,;\"'é-_#", min_size=1, max_size=8).map(str.strip).filter(bool)


@st.composite
def classic_shops(draw: st.DrawFn, ragged: bool = False) -> JobShop:
    """One machine per operation; all jobs with as many operations as there are machines or not."""
    machines = draw(st.integers(1, 5))
    count = st.integers(1, 7) if ragged else st.just(machines)
    jobs = [
        Job(
            name=f"j{i}",
            operations=tuple(
                Operation(machine=f"m{draw(st.integers(0, machines - 1))}", duration=draw(TIMES))
                for _ in range(draw(count))
            ),
        )
        for i in range(draw(st.integers(1, 5)))
    ]
    name = draw(st.just("") | st.from_regex(r"[a-z]{1,5}[0-9]{2}", fullmatch=True))
    return JobShop(name=name, jobs=tuple(jobs), machines=machines_of(machines))


@st.composite
def flexible_shops(draw: st.DrawFn) -> JobShop:
    """One or several machines per operation."""
    machines = draw(st.integers(1, 5))
    jobs = [
        Job(
            name=f"j{i}",
            operations=tuple(
                draw(operations([f"m{m}" for m in range(machines)]))
                for _ in range(draw(st.integers(1, 4)))
            ),
        )
        for i in range(draw(st.integers(1, 5)))
    ]
    return JobShop(name="shop", jobs=tuple(jobs), machines=machines_of(machines))


@st.composite
def operations(draw: st.DrawFn, machines: list[str], family: str = "") -> Operation:
    """An operation on one machine, or on several."""
    able = draw(st.lists(st.sampled_from(machines), min_size=1, unique=True))
    if len(able) == 1:
        return Operation(machine=able[0], duration=draw(TIMES), family=family)
    choices = tuple(Alternative(machine=m, duration=draw(TIMES)) for m in able)
    return Operation(alternatives=choices, family=family)


@st.composite
def shops_with_terms(draw: st.DrawFn) -> JobShop:
    """Any names, releases, due dates, weights, families, a unit; every machine in use."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    jobs = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        family = draw(st.sampled_from(["", "red", "blue, dark"]))
        some = draw(st.lists(operations(names, family), min_size=1, max_size=3))
        jobs.append(Job(name=name, operations=tuple(some), **draw(terms())))
    used = dict.fromkeys(c.machine for j in jobs for o in j.operations for c in o.choices())
    return JobShop(
        jobs=tuple(jobs),
        machines=tuple(Machine(name=name) for name in used),
        time_unit=draw(st.sampled_from(["tick", "s", "min"])),
    )


@st.composite
def terms(draw: st.DrawFn) -> dict:
    """Release, due date and weight of a job."""
    release = draw(TIMES)
    due = draw(st.none() | st.integers(release, 2**40))
    return {"release": release, "due": due, "weight": draw(st.integers(0, 9))}


@st.composite
def single_machines(draw: st.DrawFn) -> SingleMachine:
    """Jobs on one machine."""
    jobs = [
        SingleJob(name=name, duration=draw(TIMES), **draw(terms()))
        for name in draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    ]
    return SingleMachine(jobs=tuple(jobs), time_unit=draw(st.sampled_from(["tick", "h"])))


def machines_of(count: int) -> tuple[Machine, ...]:
    """m0, m1, ..."""
    return tuple(Machine(name=f"m{m}") for m in range(count))
