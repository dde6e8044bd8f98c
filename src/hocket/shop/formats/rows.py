"""Rows of whole numbers with their line numbers: what the classic text formats are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hocket.core.files import stem
from hocket.core.findings import Findings
from hocket.core.scenario import LONGEST

MOST = 1_000_000
"""More jobs or machines than this are taken for a slip of the pen."""

_WHOLE = re.compile(r"[0-9 \t\r]*")
_LONG = re.compile(r"[0-9]{19}")
_INSTANCE = re.compile(r"^[# \t]*instance[ \t]+(\S.*?)\s*$", re.IGNORECASE | re.MULTILINE)


class Row(NamedTuple):
    """A line of numbers. In a `broken` row some were none; these are 0 and already reported."""

    line: int
    values: list[int]
    broken: bool = False


def data_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that hold data, with their numbers: neither blank, nor comment, nor ruler (+++)."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        data = line.partition("#")[0].strip() if "#" in line else line.strip()
        if data and not data.startswith("++"):
            yield number, data


def row_of(line: int, text: str, findings: Findings) -> Row:
    """The whole numbers in `text`; every word that is none is reported."""
    if _WHOLE.fullmatch(text) and not _LONG.search(text):
        return Row(line, [int(word) for word in text.split()])
    values, broken = [], False
    for word in text.split():
        if complaint := _complaint(word):
            findings.add(complaint, line)
            values.append(0)
            broken = True
        else:
            values.append(int(word))
    return Row(line, values, broken)


def _complaint(word: str) -> str:
    """Why `word` is no whole number from 0 up, or an empty string."""
    if word.isascii() and word.isdigit():
        return "" if len(word) < 19 else f"a number of {len(word)} digits"
    shown = word if len(word) <= 20 else word[:20] + "..."
    if word.startswith("-") and word[1:].isdigit():
        return f"{shown!r} is negative"
    return f"{shown!r} is not a whole number"


def sizes(row: Row, findings: Findings) -> tuple[int, int]:
    """The numbers of jobs and machines that open a file; without them nothing else can be judged.

    Raises InputError unless both are from 1 to `MOST`.
    """
    jobs, machines = row.values[:2]
    usable = not row.broken
    for what, count in (("jobs", jobs), ("machines", machines)):
        if not row.broken and not 0 < count <= MOST:
            findings.add(f"{count} {what}; there must be from 1 to {MOST}", row.line)
            usable = False
    if not usable:
        findings.stop_if_any()
    return jobs, machines


def check_count(jobs: int, rows: list[Row], findings: Findings, what: str = "job") -> None:
    """Report rows missing from the `jobs` promised, or beyond them."""
    if len(rows) < jobs:
        line = rows[-1].line if rows else None
        findings.add(f"{len(rows)} rows of {jobs}: a row per {what}; is the file cut off?", line)
    for row in rows[jobs : jobs + 1]:
        findings.add(f"{len(rows)} rows, but only {jobs} {what}s are announced", row.line)


def check_times(row: Row, times: Iterable[int], path: str, findings: Findings) -> None:
    """Report durations beyond what a scenario can hold."""
    for i, time in enumerate(times):
        if time > LONGEST:
            where = f"{path}.operations[{i}].duration"
            findings.add(f"longer than {LONGEST} ticks, the most there can be", row.line, where)


def instance_name(text: str, source: str) -> str:
    """The name a comment gives (``instance ft06``), or that of the file without its suffix."""
    found = _INSTANCE.search(text[:4096])
    return found[1] if found else stem(source)


def titled(name: str) -> list[str]:
    """The comment that gives the instance its name, if it has one: see `instance_name`."""
    words = name.split()
    return [f"# instance {' '.join(words)}"] if words else []
