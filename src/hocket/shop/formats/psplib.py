"""The formats ``.sm`` and ``.mm`` of PSPLIB: projects with plain precedences, one mode or several.

Kolisch & Sprecher, "PSPLIB: a project scheduling problem library", European Journal of Operational
Research 96 (1997). Activities are called by their numbers in the file, of which ``1`` and the last
are the dummy source and sink; resources are ``R1``, ``N1`` and so on.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import NamedTuple

import msgspec

from hocket.core.domain import Format
from hocket.core.errors import InputError, NotApplicable, Problem
from hocket.core.files import stem
from hocket.core.findings import Findings, refuse_binary
from hocket.shop.formats.rows import Row, row_of
from hocket.shop.model.project import Activity, Lag, Mode, Project, Resource, find_cycle
from hocket.solvers.network import windows

_SECTIONS = {
    "PROJECTINFORMATION": "project",
    "PRECEDENCERELATIONS": "precedence",
    "REQUESTS/DURATIONS": "requests",
    "RESOURCEAVAILABILITIES": "capacities",
}
_RULER = re.compile(r"[*\-\s]*")
_COLUMN = re.compile(r"([RND])\s*(\d+)", re.ASCII)

Line = tuple[int, str]


def sniff(name: str, head: str) -> bool:
    """Whether the file looks like ``.sm`` or ``.mm``."""
    if PurePath(name).suffix.lower() in (".sm", ".mm"):
        return True
    return "supersource/sink" in head or "PRECEDENCE RELATIONS" in head


def read(text: str, name: str) -> Project:
    """A project from ``.sm`` or ``.mm`` text.

    The release date falls on the source; the due date and the cost of tardiness, if given, become
    due date and weight of the sink. Raises InputError with every problem and its line.
    """
    findings = Findings(name)
    refuse_binary(text, findings)
    sections = _sections(text, findings)
    findings.stop_if_any()
    resources = _resources(sections["capacities"], findings)
    findings.stop_if_any()
    successors = _successors(sections["precedence"], findings)
    _check_announced(sections["header"], len(successors), resources, findings)
    modes = _modes(sections["requests"], successors, resources, findings)
    findings.stop_if_any()
    lags = tuple(
        Lag(before=str(i + 1), after=str(j))
        for i, row in enumerate(successors)
        for j in row.successors
    )
    activities = [Activity(name=str(i + 1), modes=tuple(modes[i])) for i in range(len(modes))]
    _dates(sections["project"], activities, findings)
    _check_cycle(successors, findings)
    findings.stop_if_any()
    project = Project(
        name=stem(name),
        activities=tuple(activities),
        resources=tuple(resources),
        lags=lags,
    )
    return sound(project, name, [row.line for row in successors])


class _Successors(NamedTuple):
    """A row of the precedence section: its line, how many modes, which activities follow."""

    line: int
    modes: int
    successors: list[int]


def _sections(text: str, findings: Findings) -> dict[str, list[Line]]:
    """The lines of every section, without rulers and blank lines."""
    found: dict[str, list[Line]] = {"header": []}
    current = "header"
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = raw.strip()
        if _RULER.fullmatch(line):
            continue
        title = re.sub(r"\s", "", line).rstrip(":").upper()
        if title in _SECTIONS:
            current = _SECTIONS[title]
            if current in found:
                findings.add(f"a second section {line!r}", number)
            found[current] = []
        else:
            found[current].append((number, line))
    for title, key in _SECTIONS.items():
        if key not in found and key != "project":
            findings.add(f"there is no section {title}; is the file cut off?")
    found.setdefault("project", [])
    return found


def _resources(lines: list[Line], findings: Findings) -> list[Resource]:
    if len(lines) != 2:
        where = lines[-1][0] if lines else None
        findings.add("RESOURCEAVAILABILITIES has two lines: names and capacities", where)
        return []
    (number, names), (line, values) = lines
    columns = _COLUMN.findall(names)
    if "".join(kind + n for kind, n in columns) != re.sub(r"\s", "", names):
        findings.add(f"resources are called R 1, N 1, ..., not {names[:40]!r}", number)
    if any(kind == "D" for kind, _ in columns):
        findings.add("doubly constrained resources (D) are not supported", number)
    row = row_of(line, values, findings)
    if len(row.values) != len(columns):
        findings.add(f"{len(columns)} resources, but {len(row.values)} capacities", line)
        return []
    return [
        Resource(name=kind + n, capacity=capacity, renewable=kind == "R")
        for (kind, n), capacity in zip(columns, row.values, strict=True)
    ]


def _successors(lines: list[Line], findings: Findings) -> list[_Successors]:
    rows = [row_of(number, line, findings) for number, line in lines[1:]]
    result = []
    for i, row in enumerate(rows, 1):
        job, modes, count, *after = [*row.values, 0, 0, 0][: max(3, len(row.values))]
        if row.broken:
            pass
        elif len(row.values) < 3:
            findings.add("a row holds job, modes, number of successors, successors", row.line)
        elif job != i:
            findings.add(f"job {job} where {i} was expected", row.line)
        elif modes < 1:
            findings.add(f"job {job} has no mode", row.line)
        elif count != len(after):
            findings.add(f"{count} successors are announced, {len(after)} given", row.line)
        for j in after if not row.broken else ():
            if not 1 <= j <= len(rows):
                findings.add(f"successor {j}, but jobs are 1 to {len(rows)}", row.line)
        if len(set(after)) < len(after) and not row.broken:
            findings.add("a successor is named twice", row.line)
        result.append(_Successors(row.line, modes, after))
    if not rows:
        findings.add("PRECEDENCE RELATIONS has no rows", lines[0][0] if lines else None)
    return result


def _check_announced(
    lines: list[Line], jobs: int, resources: list[Resource], findings: Findings
) -> None:
    """Compare the counts that the header announces with what is there."""
    renewable = sum(r.renewable for r in resources)
    actual = {
        "projects": (1, "projects"),
        "jobs": (jobs, "jobs"),
        "-renewable": (renewable, "renewable resources"),
        "-nonrenewable": (len(resources) - renewable, "non-renewable resources"),
        "-doublyconstrained": (0, "doubly constrained resources"),
    }
    for number, line in lines:
        key, _, value = line.partition(":")
        key = re.sub(r"\s|\(.*", "", key).lower()
        words = value.split()
        if key not in actual or not words:
            continue
        count, what = actual[key]
        row = row_of(number, words[0], findings)
        if not row.broken and row.values[0] != count:
            findings.add(f"{row.values[0]} {what} are announced, {count} are there", number)


def _modes(
    lines: list[Line], jobs: list[_Successors], resources: list[Resource], findings: Findings
) -> list[list[Mode]]:
    """The modes of every job; the second and later modes of a job may leave out its number."""
    rows = iter([row_of(number, line, findings) for number, line in lines[1:]])
    names = [resource.name for resource in resources]
    result: list[list[Mode]] = []
    for i, job in enumerate(jobs, 1):
        modes: list[Mode] = []
        for k in range(1, min(job.modes, len(lines)) + 1):
            row = next(rows, None)
            if row is None:
                last = lines[-1][0] if lines else None
                findings.add(f"mode {k} of job {i} is missing; is the file cut off?", last)
                return result
            modes.append(_mode(row, i, k, names, findings))
        result.append(modes)
    if (row := next(rows, None)) is not None:
        findings.add("a row after the last mode of the last job", row.line)
    return result


def _mode(row: Row, job: int, mode: int, names: list[str], findings: Findings) -> Mode:
    width = len(names) + 2
    values = row.values
    if len(values) == width + 1:
        if values[0] != job and not row.broken:
            findings.add(f"job {values[0]} where {job} was expected", row.line)
        values = values[1:]
    elif len(values) != width or mode == 1:
        told = f"{len(values)} numbers; a row holds job, mode, duration, {len(names)} requests"
        findings.add(told, row.line)
        return Mode(duration=0)
    if values[0] != mode and not row.broken:
        findings.add(f"mode {values[0]} of job {job} where {mode} was expected", row.line)
    demands = {name: need for name, need in zip(names, values[2:], strict=True) if need}
    return Mode(duration=values[1], demands=demands)


def _dates(lines: list[Line], activities: list[Activity], findings: Findings) -> None:
    """Release, due date and cost of tardiness, from PROJECT INFORMATION; ``na`` where unknown."""
    if len(lines) < 2:
        return
    number, line = lines[1]
    words = line.split()
    known = row_of(number, " ".join(w for w in words if w.lower() != "na"), findings)
    if known.broken or len(words) < 5:
        if not known.broken:
            findings.add("project, jobs, release, due date, cost of tardiness expected", number)
        return
    release, due, cost = (None if w.lower() == "na" else int(w) for w in words[2:5])
    if release:
        activities[0] = msgspec.structs.replace(activities[0], release=release)
    if due is not None:
        weight = 1 if cost is None else cost
        activities[-1] = msgspec.structs.replace(activities[-1], due=due, weight=weight)


def _check_cycle(rows: list[_Successors], findings: Findings) -> None:
    graph = {str(i): [str(j) for j in row.successors] for i, row in enumerate(rows, 1)}
    if cycle := find_cycle(graph):
        line = rows[int(cycle[0]) - 1].line
        findings.add("precedences form a cycle: " + " -> ".join(cycle), line)


def sound(project: Project, source: str, lines: list[int]) -> Project:
    """The project, unless it has problems; those of an activity get its line, from `lines`."""
    problems = []
    for problem in project.problems():
        found = re.match(r"activities\[(\d+)\]", problem.path)
        line = lines[int(found[1])] if found else None
        problems.append(Problem(problem.path, problem.message, line))
    if problems:
        raise InputError(source, problems)
    try:  # the file's numbers have not yet been held against the limits of the model
        return msgspec.convert(msgspec.to_builtins(project), Project)
    except msgspec.ValidationError as error:
        raise InputError(source, [str(error)]) from None


def write(scenario: object) -> str:
    """``.sm`` or ``.mm`` text; the two differ in the number of modes alone.

    A dummy source and sink are added where missing. Names are lost: the format has numbers. Raises
    InputError naming what else the format cannot hold (time lags, releases, due dates), and
    NotApplicable for another problem.
    """
    if not isinstance(scenario, Project):
        raise NotApplicable(f"PSPLIB holds projects, and this is a {type(scenario).__name__}")
    project = _framed(scenario)
    _require_plain(scenario, framed=project is scenario)
    index = {a.name: i for i, a in enumerate(project.activities, 1)}
    follows: dict[str, list[int]] = {a.name: [] for a in project.activities}
    for lag in project.lags:
        if index[lag.after] not in follows[lag.before]:
            follows[lag.before].append(index[lag.after])
    resources = [*project.renewable, *project.consumed]
    columns = [f"R {n}" for n in range(1, len(project.renewable) + 1)]
    columns += [f"N {n}" for n in range(1, len(project.consumed) + 1)]
    ruler = "*" * 72
    lines = [ruler, *_heading(project), ruler, *_information(project), ruler]
    lines += ["PRECEDENCE RELATIONS:", "jobnr.    #modes  #successors   successors"]
    for i, activity in enumerate(project.activities, 1):
        after = follows[activity.name]
        tail = "".join(f" {j:3d}" for j in after)
        lines.append(f"{i:4d} {len(activity.modes):8d} {len(after):10d}        {tail}".rstrip())
    lines += [ruler, "REQUESTS/DURATIONS:", f"jobnr. mode duration  {'  '.join(columns)}"]
    lines.append("-" * 72)
    for i, activity in enumerate(project.activities, 1):
        for k, mode in enumerate(activity.modes, 1):
            needs = "".join(f" {mode.demands.get(r.name, 0):4d}" for r in resources)
            lines.append(f"{i if k == 1 else '':>3}{k:7d} {mode.duration:5d}   {needs}")
    lines += [ruler, "RESOURCEAVAILABILITIES:", "  " + "  ".join(columns)]
    lines += ["".join(f" {r.capacity:4d}" for r in resources), ruler]
    return "\n".join(lines) + "\n"


def _heading(project: Project) -> list[str]:
    longest = sum(max(m.duration for m in a.modes) for a in project.activities)
    return [
        f"file with basedata            : {' '.join(project.name.split()) or 'project'}",
        "initial value random generator: 0",
        "*" * 72,
        "projects                      :  1",
        f"jobs (incl. supersource/sink ):  {len(project.activities)}",
        f"horizon                       :  {longest}",
        "RESOURCES",
        f"  - renewable                 :  {len(project.renewable)}   R",
        f"  - nonrenewable              :  {len(project.consumed)}   N",
        "  - doubly constrained        :  0   D",
    ]


def _information(project: Project) -> list[str]:
    network = project.network()
    earliest = windows(network).earliest
    path = max(e + task.shortest for e, task in zip(earliest, network.tasks, strict=True))
    source, sink = project.activities[0], project.activities[-1]
    due, cost = ("na", "na") if sink.due is None else (str(sink.due), str(sink.weight))
    row = f"    1 {len(project.activities) - 2:6d} {source.release:6d} {due:>8} {cost:>8} {path:8d}"
    return ["PROJECT INFORMATION:", "pronr.  #jobs rel.date duedate tardcost  MPM-Time", row]


def _framed(project: Project) -> Project:
    """The project with one first and one last activity that take nothing."""
    after = {lag.after for lag in project.lags}
    before = {lag.before for lag in project.lags}
    names = [a.name for a in project.activities]
    first = [name for name in names if name not in after]
    last = [name for name in names if name not in before]
    empty = (Mode(duration=0),)
    source, sink = project.activities[0], project.activities[-1]
    framed = first == [source.name] and last == [sink.name] and len(names) > 1
    if framed and source.modes == sink.modes == empty:
        return project
    start, end = _free("source", names), _free("sink", names)
    return msgspec.structs.replace(
        project,
        activities=(
            Activity(name=start, modes=empty),
            *project.activities,
            Activity(name=end, modes=empty),
        ),
        lags=(
            *(Lag(before=start, after=name) for name in first),
            *project.lags,
            *(Lag(before=name, after=end) for name in last),
        ),
    )


def _free(name: str, taken: list[str]) -> str:
    while name in taken:
        name += "'"
    return name


def _require_plain(project: Project, *, framed: bool) -> None:
    """Raise InputError for what would be lost; `framed` says that source and sink are there."""
    problems = [
        Problem(f"lags[{i}]", "PSPLIB holds precedences without time lags")
        for i, lag in enumerate(project.lags)
        if not lag.plain
    ]
    last = len(project.activities) - 1
    for i, activity in enumerate(project.activities):
        path = f"activities[{i}]"
        if activity.release and not (framed and i == 0):
            problems.append(Problem(f"{path}.release", "PSPLIB has one, that of the source"))
        dated = activity.due is not None
        if dated and not (framed and i == last):
            problems.append(Problem(f"{path}.due", "PSPLIB has one, that of the sink"))
        if activity.weight != 1 and not (framed and i == last and dated):
            problems.append(
                Problem(f"{path}.weight", "PSPLIB has one, that of the sink's due date")
            )
    if problems:
        raise InputError(f"{project.name or 'project'} as PSPLIB", problems)


FORMAT = Format(
    name="psplib",
    summary="projects with one or several modes: PSPLIB .sm and .mm",
    suffixes=(".sm", ".mm"),
    sniff=sniff,
    read=read,
    write=write,
)
