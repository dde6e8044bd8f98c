"""Logs as tables of raw cells, whether they are CSV or one JSON object per line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from hocket.core.findings import Findings, refuse_binary

_UNIT = re.compile(
    r"(?P<name>.+?)[ _]*(?:[\[(](?P<bracket>[a-zµ]+)[\])]|[ _](?P<bare>ns|us|µs|ms|sec|s))"
)
UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "sec": 10**9,
    "seconds": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
}
"""Nanoseconds in the units that a header may name: ``arrival_ms``, ``arrival [ms]``."""


class Column(NamedTuple):
    """Raw cells: text from CSV, plain data from JSON. `unit` is what the header says, or empty."""

    header: str
    unit: str
    cells: list[Any]


class Table(NamedTuple):
    """Columns by name (lower case, ``_`` for blanks, without unit), and the line of every row."""

    columns: dict[str, Column]
    lines: list[int]

    def first(self, names: Iterable[str]) -> Column | None:
        """The column of the first of these names that is there."""
        return next((self.columns[name] for name in names if name in self.columns), None)

    @property
    def found(self) -> str:
        """The headers, for a message about one that is missing."""
        return ", ".join(column.header for column in self.columns.values())


Flatten = Callable[[dict[str, Any]], dict[str, Any]]


def parsed(header: str) -> tuple[str, str]:
    """Name and unit of a header: ``("arrival", "ms")`` for ``Arrival [ms]`` or ``arrival_ms``."""
    text = header.strip().strip('"').lower()
    found = _UNIT.fullmatch(text)
    unit = (found["bracket"] or found["bare"]) if found else ""
    if found is None or unit not in UNITS:
        return _plain(text), ""
    return _plain(found["name"]), unit


def _plain(text: str) -> str:
    return re.sub(r"[ \-]+", "_", text.strip())


def header_of(head: str) -> set[str]:
    """The names in the first line that is not blank, if the text is CSV."""
    first = next((line for line in head.removeprefix("\ufeff").split("\n") if line.strip()), "")
    if first.lstrip().startswith(("{", "[")):
        return set()
    return {parsed(cell)[0] for cell in first.rstrip("\r").split(separator(first))}


def keys_of(head: str, flatten: Flatten = dict) -> set[str]:
    """The names in the first line that is not blank, if it is a JSON object."""
    first = next((line for line in head.removeprefix("\ufeff").split("\n") if line.strip()), "")
    try:
        row = msgspec.json.decode(first)
    except (msgspec.DecodeError, RecursionError):
        return set()
    return {parsed(str(key))[0] for key in flatten(row)} if isinstance(row, dict) else set()


def separator(header: str) -> str:
    """Comma, semicolon or tab: whichever the header has most of."""
    return max(",;\t", key=header.count)


def csv_table(text: str, findings: Findings) -> Table:
    """The table in CSV with a header. Raises InputError where rows do not fit it."""
    refuse_binary(text, findings)
    text = text.removeprefix("\ufeff")
    first = next(line for line in text.split("\n") if line.strip())
    rows = _rows(text, separator(first), findings)
    _, header = next(rows, (1, [""]))
    width = len(header)
    lines, found = [], []
    for line, cells in rows:
        if len(cells) == width:
            lines.append(line)
            found.append(cells)
        elif not findings.full:
            cut = "; is the file cut off?" if len(cells) < width else ""
            findings.add(f"{len(cells)} cells under a header of {width}{cut}", line)
    names = [parsed(cell) for cell in header]
    for i, (name, _) in enumerate(names):
        if name in [other for other, _ in names[:i]]:
            findings.add(f"column {header[i].strip()!r} stands there twice", 1)
    if not found:
        findings.add("there is no row under the header", 1)
    findings.stop_if_any()
    columns = {
        name: Column(header[i].strip(), unit, list(cells))
        for i, ((name, unit), cells) in enumerate(zip(names, zip(*found, strict=True), strict=True))
    }
    return Table(columns, lines)


def _rows(text: str, delimiter: str, findings: Findings) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the line on which each begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    begins = 1
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        findings.add(f"this is no table: {error}", reader.line_num)


def jsonl_table(text: str, findings: Findings, flatten: Flatten = dict) -> Table:
    """The table in lines that are JSON objects; a key that a row lacks is None there.

    `flatten` brings what lies deeper in a row to the top. Raises InputError naming the lines that
    cannot be read.
    """
    refuse_binary(text, findings)
    rows, lines = [], []
    decode = msgspec.json.Decoder().decode
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if not line.strip() or findings.full:
            continue
        try:
            row = decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            findings.add(_broken(line, error), number)
            continue
        if isinstance(row, dict):
            rows.append(flatten(row))
            lines.append(number)
        else:
            findings.add(f"expected an object such as {{...}}, got {line.strip()[:20]!r}", number)
    findings.stop_if_any()
    keys = dict.fromkeys(key for row in rows for key in row)
    columns: dict[str, Column] = {}
    for key in keys:
        name, unit = parsed(str(key))
        columns.setdefault(name, Column(str(key), unit, [row.get(key) for row in rows]))
    return Table(columns, lines)


def _broken(line: str, error: Exception) -> str:
    if not line.rstrip().endswith("}"):
        return f"the line is cut off: {line.rstrip()[-20:]!r} is its end"
    reason = str(error).partition(" (byte")[0]
    return f"not valid JSON: {reason}"
