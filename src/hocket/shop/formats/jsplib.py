"""Classic job shops as text: JSPLIB, OR-Library, and Taillard's two matrices.

JSPLIB and OR-Library: the numbers of jobs n and machines m, then a row per job of m pairs "machine
duration" in the order of its operations; machines count from 0. Lines of text, comments (#) and
rulers (+++) may stand before. Without the line "n m", n and m are those of the rows.

Taillard: a line that starts with n and m, the word Times, n rows of m durations, the word Machines,
n rows of m machines, counted from 1.

A job with another number of operations than m ends its row with "-1 -1", as in the re-entrant sets
of Da Col and Teppan, "Industrial-size job shop scheduling with constraint programming" (2022). Any
other row of the wrong length is an error, so that a file that was cut off is found out.
"""

from __future__ import annotations

import re

from hocket.core.domain import Format
from hocket.core.findings import Findings, refuse_binary
from hocket.shop.formats.plain import require_plain
from hocket.shop.formats.rows import (
    Row,
    check_count,
    check_times,
    data_lines,
    instance_name,
    row_of,
    sizes,
    titled,
)
from hocket.shop.generate.classic import classic
from hocket.shop.model import JobShop

_TITLE = re.compile(r"\s*[a-z]", re.IGNORECASE)
_END = re.compile(r"(?:^|\s)-1\s+-1$")
_TIMES = re.compile(r"^[ \t]*times[ \t\r]*$", re.IGNORECASE | re.MULTILINE)


def sniff(name: str, head: str) -> bool:
    """Whether this looks like one of the three forms."""
    if name.lower().endswith(".jsp") or _TIMES.search(head):
        return True
    lines = [text for _, text in data_lines(head) if not _TITLE.match(text)][:2]
    if len(lines) < 2:
        return False
    opening, row = lines[0].split(), _END.sub("", lines[1]).split()
    if not all(word.isascii() and word.isdigit() for word in opening + row) or len(row) % 2:
        return False
    if len(opening) == 2:
        machines = int(opening[1])
        complete = len(row) == 2 * machines or _END.search(lines[1]) is not None
        return complete and all(int(machine) < machines for machine in row[::2])
    return len(opening) == len(row)


def read(text: str, name: str = "") -> JobShop:
    """The job shop in `text`; `name` is the file's. Raises InputError listing every problem."""
    findings = Findings(name or "text")
    refuse_binary(text, findings)
    title = instance_name(text, name)
    if _TIMES.search(text):
        machines, routes, durations = _two_matrices(text, findings)
    else:
        machines, routes, durations = _pairs(text, findings)
    return classic(title, routes, durations, machines)


Tables = tuple[int, list[list[int]], list[list[int]]]
"""Machines, routes (from 0) and durations."""


def _pairs(text: str, findings: Findings) -> Tables:
    rows: list[Row] = []
    ended: set[int] = set()  # lines that end with -1 -1
    for line, data in data_lines(text):
        if rows and data.lower().startswith("instance"):
            findings.add("a second instance starts here; keep one per file", line)
            break
        if rows or not _TITLE.match(data):
            if data.endswith("-1") and (end := _END.search(data)):
                data = data[: end.start()]
                ended.add(line)
            rows.append(row_of(line, data, findings))
    if not rows:
        findings.add("there are no numbers in this file")
        findings.stop_if_any()
    if len(rows[0].values) % 2:
        findings.add("the first line must hold the numbers of jobs and machines", rows[0].line)
        findings.stop_if_any()
    if len(rows[0].values) == 2 and rows[0].line not in ended:
        jobs, machines = sizes(rows.pop(0), findings)
    else:
        jobs, machines = len(rows), max(1, len(rows[0].values) // 2)
    check_count(jobs, rows, findings)
    for i, row in enumerate(rows):
        wanted = len(row.values) // 2 if row.line in ended else machines
        _check_pairs(f"jobs[{i}]", row, max(1, wanted), machines, findings)
    findings.stop_if_any()
    return machines, [row.values[::2] for row in rows], [row.values[1::2] for row in rows]


def _check_pairs(path: str, row: Row, wanted: int, machines: int, findings: Findings) -> None:
    if len(row.values) != 2 * wanted:
        message = (
            f"{len(row.values)} numbers, but {wanted} operations need {2 * wanted}: machine and "
            "duration of each (a job with fewer or more operations ends its row with -1 -1)"
        )
        findings.add(message, row.line, path)
    _check_machines(path, row, row.values[::2], range(machines), findings)
    check_times(row, row.values[1::2], path, findings)


def _check_machines(
    path: str, row: Row, route: list[int], known: range, findings: Findings
) -> None:
    if row.broken or (route and min(route) >= known.start and max(route) < known.stop):
        return
    for i, machine in enumerate(route):
        if machine not in known:
            message = f"there is no machine {machine}; they are {known.start} to {known.stop - 1}"
            findings.add(message, row.line, f"{path}.operations[{i}]")


def _two_matrices(text: str, findings: Findings) -> Tables:
    opening: list[Row] = []
    parts: dict[str, list[Row]] = {"times": [], "machines": []}
    rows = opening
    for line, data in data_lines(text):
        word = data.lower()
        if word in parts:
            if parts[word]:
                findings.add("a second instance starts here; keep one per file", line)
                break
            rows = parts[word]
        elif rows is not opening or not _TITLE.match(data):
            rows.append(row_of(line, data, findings))
    if len(opening) != 1 or len(opening[0].values) < 2:
        findings.add("before Times there must be one row, starting with jobs and machines")
        findings.stop_if_any()
    jobs, machines = sizes(opening[0], findings)
    for title, part in parts.items():
        check_count(jobs, part, findings, f"job under {title.capitalize()}")
        for i, row in enumerate(part):
            if len(row.values) != machines:
                message = f"{len(row.values)} numbers where there must be {machines}"
                findings.add(message, row.line, f"jobs[{i}]")
    for i, row in enumerate(parts["times"]):
        check_times(row, row.values, f"jobs[{i}]", findings)
    for i, row in enumerate(parts["machines"]):
        _check_machines(f"jobs[{i}]", row, row.values, range(1, machines + 1), findings)
    findings.stop_if_any()
    routes = [[machine - 1 for machine in row.values] for row in parts["machines"]]
    return machines, routes, [row.values for row in parts["times"]]


def write(scenario: JobShop) -> str:
    """JSPLIB text. Raises InputError naming what the format cannot hold."""
    require_plain(scenario, "JSPLIB")
    index = {machine.name: m for m, machine in enumerate(scenario.machines)}
    lines = [*titled(scenario.name), f"{len(scenario.jobs)} {len(scenario.machines)}"]
    for job in scenario.jobs:
        choices = [operation.choices()[0] for operation in job.operations]
        words = [f"{index[choice.machine]} {choice.duration}" for choice in choices]
        end = [] if len(words) == len(index) else ["-1 -1"]
        lines.append(" ".join(words + end))
    return "\n".join(lines) + "\n"


FORMAT = Format(
    name="jsplib",
    summary="classic job shops: JSPLIB, OR-Library rows, Taillard's two matrices",
    suffixes=(".jsp", ".txt", ""),
    sniff=sniff,
    read=read,
    write=write,
)
