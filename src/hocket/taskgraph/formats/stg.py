"""Graphs of the Standard Task Graph Set: a row per task, of whole numbers.

T. Tobita, H. Kasahara, A standard task graph set for fair evaluation of multiprocessor scheduling
algorithms, Journal of Scheduling 5 (2002) 379-394. The first number is that of the tasks, without
the two dummies at the ends, which have time 0 and are numbered 0 and last::

    2
    0 0 0
    1 20 1 0
    2 3 1 1
    3 0 1 2

A row is task, time, number of tasks before it, and these. With communication costs each of these is
followed by the cost of its data, in the same row or in a row of its own; costs are read as volumes
at bandwidth 1. Whatever follows a ``#`` is a comment. The tasks are called t0, t1, ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from hocket.core.domain import Format
from hocket.core.files import stem
from hocket.core.findings import refuse_binary
from hocket.core.scenario import LONGEST
from hocket.taskgraph.formats.drawn import Drawn, graph_of, scenario_of
from hocket.taskgraph.formats.words import TASKS, Words
from hocket.taskgraph.model.scenario import TaskGraphs

_COSTS = int(1e12)

Row = tuple[int, list[str]]


def sniff(name: str, head: str) -> bool:
    """Whether this is an ``.stg`` file, or opens with a count and the dummy task ``0 0 0``."""
    if PurePath(name).suffix.lower() == ".stg":
        return True
    rows = [words for _, words in _rows(head)][:2]
    return len(rows) == 2 and len(rows[0]) == 1 and rows[0][0].isdigit() and rows[1] == ["0"] * 3


def read(text: str, name: str) -> TaskGraphs:
    """The graph on four equal processors. Raises InputError with every problem and its line."""
    return scenario_of(parse(text, name), stem(name))


def parse(text: str, name: str) -> Drawn:
    """The graph with its times. Raises InputError with every problem and its line."""
    findings = Words(name)
    refuse_binary(text, findings)
    rows = list(_rows(text))
    if not rows or len(rows[0][1]) != 1:
        findings.add("a row with the number of tasks expected", rows[0][0] if rows else None)
        findings.stop_if_any()
    announced = findings.whole(rows[0][1][0], "number of tasks", rows[0][0], 1)
    findings.stop_if_any()
    times, lines, arcs = _tasks(rows[1:], findings)
    count = len(times)
    if count not in (announced, announced + 2):
        told = f"{announced} tasks announced, so {announced + 2} rows with the two dummies"
        findings.add(f"{told}; there are {count}: is the file cut off?", rows[-1][0])
    for a, b, _ in arcs:
        if a >= count:
            findings.add(f"task {b} follows task {a}, which is not there", lines[b])
    findings.stop_if_any()
    if not any(times):
        findings.add("no task takes any time")
    tasks = [f"t{t}" for t in range(count)]
    kind = graph_of(stem(name) or "graph", tasks, arcs, lines, findings)
    return Drawn(type=kind, times=tuple(times))


def _rows(text: str) -> Iterator[Row]:
    """Numbers and words of the lines that hold data."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        words = line.partition("#")[0].split()
        if words:
            yield number, words


def _tasks(
    rows: Sequence[Row], findings: Words
) -> tuple[list[int], list[int], list[tuple[int, int, float]]]:
    """Times, lines, and arcs with their volumes."""
    times: list[int] = []
    lines: list[int] = []
    arcs: list[tuple[int, int, float]] = []
    at = 0
    while at < len(rows) and not findings.full:
        line, words = rows[at]
        at += 1
        if len(words) < 3:
            findings.add("task, time, number of tasks before it expected", line)
            continue
        number = findings.whole(words[0], "number of the task", line)
        if number != len(times):
            told = f"task {number}, where {len(times)} is expected"
            findings.add(f"{told}: tasks are numbered from 0 in order", line)
        times.append(findings.whole(words[1], "time", line, 0, LONGEST))
        lines.append(line)
        before = findings.whole(words[2], "number of tasks before it", line, 0, TASKS)
        pairs, at = _before(rows, at, before, words[3:], line, findings)
        seen = set()
        for other, volume in pairs:
            if other in seen:
                findings.add(f"task {other} is listed twice", line)
            seen.add(other)
            arcs.append((other, len(times) - 1, volume))
    return times, lines, arcs


def _before(
    rows: Sequence[Row], at: int, count: int, rest: Sequence[str], line: int, findings: Words
) -> tuple[list[tuple[int, float]], int]:
    """The tasks before one, with volumes, and where reading goes on."""
    words = [(line, word) for word in rest]
    costs = len(rest) == 2 * count
    if count and not rest:
        costs = True
        while at < len(rows) and len(rows[at][1]) == 2 and len(words) < 2 * count:
            words += [(rows[at][0], word) for word in rows[at][1]]
            at += 1
    if len(words) != (2 * count if costs else count):
        told = f"{count} tasks before it announced, with or without costs of their data"
        findings.add(f"{told}; {len(words)} numbers are there", line)
        return [], at
    found = []
    for k in range(count):
        where, word = words[2 * k if costs else k]
        other = findings.whole(word, "number of a task before", where)
        volume = 0
        if costs:
            volume = findings.whole(words[2 * k + 1][1], "cost of data", where, 0, _COSTS)
        found.append((other, float(volume)))
    return found, at


FORMAT = Format(
    name="stg",
    summary="a graph of the Standard Task Graph Set",
    suffixes=(".stg",),
    sniff=sniff,
    read=read,
)
