"""From the checked rows of a table to a scenario. See `jobs_csv` for the columns."""

from __future__ import annotations

from typing import NamedTuple

from hocket.core.files import stem
from hocket.core.findings import Findings
from hocket.shop.model import (
    Alternative,
    Job,
    JobShop,
    Machine,
    Operation,
    SingleJob,
    SingleMachine,
)


class Record(NamedTuple):
    """A row: one way to do one operation. None stands for an empty cell; times are ticks."""

    line: int
    job: str
    order: int | None
    machine: str
    duration: int
    release: int | None
    due: int | None
    weight: int | None
    family: str


class Terms(NamedTuple):
    """What a job has beside its operations."""

    release: int
    due: int | None
    weight: int


def job_shop_of(name: str, records: list[Record], findings: Findings) -> JobShop:
    """Jobs and machines in the order in which they first occur; `findings` gets what is wrong."""
    jobs = []
    for job, rows in _by_job(records).items():
        terms = _terms(job, rows, findings)
        operations = [_operation(job, ways, findings) for ways in _by_operation(rows)]
        jobs.append(
            Job(
                name=job,
                operations=tuple(operations),
                release=terms.release,
                due=terms.due,
                weight=terms.weight,
            )
        )
    machines = dict.fromkeys(record.machine for record in records)
    return JobShop(
        name=stem(name),
        jobs=tuple(jobs),
        machines=tuple(Machine(name=machine) for machine in machines),
    )


def single_machine_of(name: str, records: list[Record], findings: Findings) -> SingleMachine:
    """The jobs of a table without machines, one per row."""
    jobs = []
    for job, rows in _by_job(records).items():
        for row in rows[1:]:
            said = f"job {job!r} has a row already (line {rows[0].line}); without a column"
            findings.add(f"{said} 'machine' a job is one row", row.line)
        if rows[0].family:
            findings.add("families need the column 'machine'", rows[0].line, "family")
        terms = _terms(job, rows, findings)
        jobs.append(
            SingleJob(
                name=job,
                duration=rows[0].duration,
                release=terms.release,
                due=terms.due,
                weight=terms.weight,
            )
        )
    return SingleMachine(name=stem(name), jobs=tuple(jobs))


def _by_job(records: list[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.job, []).append(record)
    return found


def _by_operation(rows: list[Record]) -> list[list[Record]]:
    """The rows of a job, grouped by the number of the operation and in that order."""
    if any(row.order is None for row in rows):
        return [[row] for row in rows]
    found: dict[int, list[Record]] = {}
    for row in sorted(rows, key=lambda row: row.order or 0):
        found.setdefault(row.order or 0, []).append(row)
    return list(found.values())


def _operation(job: str, ways: list[Record], findings: Findings) -> Operation:
    first, seen = ways[0], {ways[0].machine}
    for way in ways[1:]:
        if way.machine in seen:
            said = f"operation {way.order} of job {job!r} has machine {way.machine!r} already"
            findings.add(said, way.line)
        if way.family != first.family:
            said = f"{way.family!r}, but {first.family!r} in line {first.line}"
            findings.add(f"the alternatives of an operation have one family: {said}", way.line)
        seen.add(way.machine)
    if len(ways) == 1:
        return Operation(machine=first.machine, duration=first.duration, family=first.family)
    return Operation(
        alternatives=tuple(Alternative(machine=w.machine, duration=w.duration) for w in ways),
        family=first.family,
    )


def _terms(job: str, rows: list[Record], findings: Findings) -> Terms:
    given: dict[str, tuple[int, int]] = {}  # value and line
    for row in rows:
        for column in ("release", "due", "weight"):
            value = getattr(row, column)
            if value is None:
                continue
            first, line = given.setdefault(column, (value, row.line))
            if value != first:
                said = f"job {job!r} has {column} {value} here, but {first} in line {line}"
                findings.add(said, row.line, column)
    release, due = given.get("release", (0, 0))[0], given.get("due")
    if due is not None and due[0] < release:
        said = f"job {job!r} is due at {due[0]}, before its release {release}"
        findings.add(said, due[1], "due")
    return Terms(release, None if due is None else due[0], given.get("weight", (1, 0))[0])
