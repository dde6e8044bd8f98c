"""The format ``.sch`` of ProGen/max: projects with minimum and maximum time lags (RCPSP/max).

Schwindt, "ProGen/max: a new problem generator for different resource-constrained project scheduling
problems with minimal and maximal time lags", report WIOR-449, Universität Karlsruhe, 1995.
Activities are called by their numbers in the file, of which ``0`` and the last are the dummy source
and sink; resources are ``R1``, ``R2`` and so on.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from hocket.core.domain import Format
from hocket.core.files import stem
from hocket.core.findings import Findings, refuse_binary
from hocket.shop.formats.psplib import sound
from hocket.shop.formats.rows import Row, row_of
from hocket.shop.model.project import Activity, Lag, Mode, Project, Resource

_WORD = re.compile(r"\[[^\]]*\]|\S+")


def sniff(name: str, head: str) -> bool:
    """Whether the file looks like ``.sch``: a row of counts, then rows with gaps in brackets."""
    lines = [line.split() for line in head.split("\n") if line.strip()]
    if len(lines) < 2 or not all(word.isdecimal() for word in lines[0]):
        return False
    return 2 <= len(lines[0]) <= 4 and (
        PurePath(name).suffix.lower() == ".sch" or any(w.startswith("[") for w in lines[1])
    )


def read(text: str, name: str) -> Project:
    """A project from ``.sch`` text: start-to-start time lags, negative ones being maximum lags.

    Raises InputError with every problem and its line.
    """
    findings = Findings(name)
    refuse_binary(text, findings)
    lines = [
        (number, line)
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1)
        if line.strip()
    ]
    head = row_of(*lines[0], findings)
    findings.stop_if_any()
    if not 2 <= len(head.values) <= 4:
        findings.add("activities, renewable, non-renewable, doubly constrained expected", head.line)
        findings.stop_if_any()
    count, renewable = head.values[0] + 2, head.values[1]
    if any(head.values[2:]):
        findings.add("only renewable resources are supported", head.line)
    if len(lines) != 2 * count + (2 if renewable else len(lines) - 2 * count):
        told = f"{count} rows of successors, {count} of requests and one of capacities expected"
        findings.add(f"{told}, {len(lines) - 1} rows are there; is the file cut off?", lines[-1][0])
    if len(lines) < 2 * count + 1:
        findings.add("too few rows", lines[-1][0])
    findings.stop_if_any()
    lags: list[Lag] = []
    for i, (number, line) in enumerate(lines[1 : count + 1]):
        lags += _gaps(number, line, i, count, findings)
    resources = _levels(lines[2 * count + 1 :], renewable, findings)
    activities = []
    for i, (number, line) in enumerate(lines[count + 1 : 2 * count + 1]):
        row = row_of(number, line, findings)
        activities.append(_request(row, i, [r.name for r in resources], findings))
    findings.stop_if_any()
    project = Project(
        name=stem(name),
        activities=tuple(activities),
        resources=tuple(resources),
        lags=tuple(lags),
    )
    return sound(project, name, [number for number, _ in lines[count + 1 :]])


def _gaps(number: int, line: str, i: int, count: int, findings: Findings) -> list[Lag]:
    """The time lags that a row of successors holds: ``i modes n  j1 ... jn  [gap1] ... [gapn]``."""
    words = _WORD.findall(line)
    gaps = [word for word in words if word.startswith("[")]
    row = row_of(number, " ".join(w for w in words if not w.startswith("[")), findings)
    if row.broken:
        return []
    if len(row.values) < 3 or row.values[0] != i:
        findings.add(f"activity {i}, modes, number of successors expected", number)
        return []
    _, modes, announced, *after = row.values
    if modes != 1:
        findings.add(f"activity {i} has {modes} modes; .sch is read with one", number)
    if not announced == len(after) == len(gaps):
        told = f"{announced} successors announced, {len(after)} given, with {len(gaps)} gaps"
        findings.add(told, number)
        return []
    lags = []
    for j, gap in zip(after, gaps, strict=True):
        if not 0 <= j < count:
            findings.add(f"successor {j}, but activities are 0 to {count - 1}", number)
        if not re.fullmatch(r"\[\s*-?[0-9]{1,18}\s*\]", gap):
            findings.add(f"{gap[:20]!r} is no whole number in brackets", number)
        else:
            least = int(gap[1:-1])
            lags.append(Lag(before=str(i), after=str(j), least=least, since="start", of="start"))
    return lags


def _levels(lines: list[tuple[int, str]], renewable: int, findings: Findings) -> list[Resource]:
    if not lines:
        return []
    row = row_of(*lines[0], findings)
    if len(row.values) != renewable:
        findings.add(f"{renewable} capacities expected, {len(row.values)} given", row.line)
    return [Resource(name=f"R{n}", capacity=capacity) for n, capacity in enumerate(row.values, 1)]


def _request(row: Row, i: int, names: list[str], findings: Findings) -> Activity:
    """A row ``i mode duration needs``."""
    if not row.broken and (len(row.values) != len(names) + 3 or row.values[0] != i):
        findings.add(f"activity {i}, mode, duration and {len(names)} requests expected", row.line)
    duration, *needs = [*row.values[2:], 0][: max(1, len(row.values) - 2)]
    demands = {name: need for name, need in zip(names, needs, strict=False) if need}
    return Activity(name=str(i), modes=(Mode(duration=duration, demands=demands),))


FORMAT = Format(
    name="progen-max",
    summary="projects with minimum and maximum time lags (RCPSP/max): ProGen/max .sch",
    suffixes=(".sch",),
    sniff=sniff,
    read=read,
)
