"""Flexible job shops as text: Brandimarte's format, as FJSPLIB and most benchmark sets use it.

First the numbers of jobs n and machines m (a third number, the mean of machines per operation, is
ignored). Then a row per job: its number of operations, and per operation the number k of machines
that can do it, followed by k pairs "machine duration". Machines count from 1.
"""

from __future__ import annotations

from collections.abc import Iterator

from hocket.core.domain import Format
from hocket.core.findings import Findings, refuse_binary
from hocket.core.scenario import LONGEST
from hocket.shop.formats.plain import ALTERNATIVES, require_plain
from hocket.shop.formats.rows import (
    Row,
    check_count,
    data_lines,
    instance_name,
    row_of,
    sizes,
)
from hocket.shop.model import Alternative, Job, JobShop, Machine, Operation

Choices = list[tuple[int, int]]
"""The machines (from 1) that can do an operation, with their durations."""


def sniff(name: str, head: str) -> bool:
    """Whether this looks like a flexible job shop: the first job's row adds up."""
    if name.lower().endswith((".fjs", ".fjsp")):
        return True
    lines = [text.split() for _, text in data_lines(head)][:2]
    if len(lines) < 2 or len(lines[0]) not in (2, 3):
        return False
    words = lines[0][:2] + lines[1]
    if not all(word.isascii() and word.isdigit() for word in words):
        return False
    machines, row = int(lines[0][1]), [int(word) for word in lines[1]]
    at = 1
    for _ in range(row[0]):
        if at >= len(row):
            return False
        at += 1 + 2 * row[at]
    return at == len(row) and all(1 <= m <= machines for m in _machines(row))


def _machines(row: list[int]) -> list[int]:
    at, found = 1, []
    while at < len(row):
        found += row[at + 1 : at + 1 + 2 * row[at] : 2]
        at += 1 + 2 * row[at]
    return found


def read(text: str, name: str = "") -> JobShop:
    """The job shop in `text`; `name` is the file's. Raises InputError listing every problem."""
    findings = Findings(name or "text")
    refuse_binary(text, findings)
    lines = list(data_lines(text))
    if not lines:
        findings.add("there are no numbers in this file")
        findings.stop_if_any()
    opening = row_of(lines[0][0], " ".join(lines[0][1].split()[:2]), findings)
    if len(opening.values) < 2 or len(lines[0][1].split()) > 3:
        findings.add("the first line must hold the numbers of jobs and machines", opening.line)
        findings.stop_if_any()
    jobs, machines = sizes(opening, findings)
    rows = [row_of(line, data, findings) for line, data in lines[1:]]
    check_count(jobs, rows, findings)
    table = [_operations(f"jobs[{i}]", row, machines, findings) for i, row in enumerate(rows)]
    findings.stop_if_any()
    names = [f"m{m}" for m in range(machines)]
    return JobShop(
        name=instance_name(text, name),
        machines=tuple(Machine(name=machine) for machine in names),
        jobs=tuple(
            Job(name=f"j{i}", operations=tuple(_operation(choices, names) for choices in job))
            for i, job in enumerate(table)
        ),
    )


def _operation(choices: Choices, names: list[str]) -> Operation:
    if len(choices) == 1:
        ((machine, duration),) = choices
        return Operation(machine=names[machine - 1], duration=duration)
    return Operation(
        alternatives=tuple(Alternative(machine=names[m - 1], duration=d) for m, d in choices)
    )


def _operations(path: str, row: Row, machines: int, findings: Findings) -> list[Choices]:
    """The operations of one row. A row that breaks off is reported once, where it does."""
    values, found, at = row.values, list[Choices](), 1
    if row.broken:
        return found
    if not values[0]:
        findings.add("a job must have at least one operation", row.line, path)
    for k in range(values[0]):
        if at >= len(values):
            findings.add(f"the row ends after {k} of {values[0]} operations", row.line, path)
            return found
        count, end = values[at], at + 1 + 2 * values[at]
        if end > len(values):
            left = len(values) - at - 1
            message = f"{count} machines announced, so {2 * count} numbers; {left} are left"
            findings.add(message, row.line, f"{path}.operations[{k}]")
            return found
        choices = list(zip(values[at + 1 : end : 2], values[at + 2 : end : 2], strict=True))
        for complaint in _complaints(choices, machines):
            findings.add(complaint, row.line, f"{path}.operations[{k}]")
        found.append(choices)
        at = end
    if at < len(values):
        message = f"{len(values) - at} numbers too many after its {values[0]} operations"
        findings.add(message, row.line, path)
    return found


def _complaints(choices: Choices, machines: int) -> Iterator[str]:
    if not choices:
        yield "no machine can do this operation"
    able = [machine for machine, _ in choices]
    for machine, duration in choices:
        if not 1 <= machine <= machines:
            yield f"there is no machine {machine}; they are 1 to {machines}"
        if duration > LONGEST:
            yield f"longer than {LONGEST} ticks, the most there can be"
    if len(set(able)) < len(able):
        for machine in sorted({machine for machine in able if able.count(machine) > 1}):
            yield f"machine {machine} is given twice"


def write(scenario: JobShop) -> str:
    """FJSPLIB text. Raises InputError naming what the format cannot hold."""
    require_plain(scenario, "FJSPLIB", ALTERNATIVES)
    index = {machine.name: m for m, machine in enumerate(scenario.machines, 1)}
    lines = [f"{len(scenario.jobs)} {len(scenario.machines)}"]
    for job in scenario.jobs:
        words = [len(job.operations)]
        for operation in job.operations:
            choices = operation.choices()
            words.append(len(choices))
            for choice in choices:
                words += [index[choice.machine], choice.duration]
        lines.append(" ".join(map(str, words)))
    return "\n".join(lines) + "\n"


FORMAT = Format(
    name="fjsplib",
    summary="flexible job shops: Brandimarte's format, FJSPLIB",
    suffixes=(".fjs", ".fjsp", ".txt"),
    sniff=sniff,
    read=read,
    write=write,
)
