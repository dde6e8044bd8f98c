"""Jobs as a table: CSV with a header, as spreadsheets and planning systems export it.

A row is one way to do one operation:

    job, operation, machine, duration [min], release [h], due [h], weight, family

`job` and `duration` are required. `operation` (or `order`) is a number that orders the operations
of a job; rows with the same job and number are alternatives. Without that column every row is the
job's next operation. Release, due, weight need stand in one row of a job only. Without the column
`machine` the table is a single-machine problem, with a row per job.

Times are whole numbers of the unit in brackets after `duration`, or of abstract ticks. Another
column of times may have its own unit; it is converted, and must come out whole. The separator is a
comma, a semicolon or a tab, whichever the header uses.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple, get_args

import msgspec

from hocket.core.domain import Format
from hocket.core.errors import did_you_mean
from hocket.core.findings import Findings, refuse_binary
from hocket.core.scenario import LONGEST, Scenario, TimeUnit, to_ticks
from hocket.shop.formats.csv_shops import Record, job_shop_of, single_machine_of
from hocket.shop.formats.csv_write import write

COLUMNS = ("job", "operation", "machine", "duration", "release", "due", "weight", "family")
TIMES = ("duration", "release", "due")
UNITS = get_args(TimeUnit)

_HEADER = re.compile(r"([^\[\]()]*?)\s*(?:[\[(]\s*([^\[\]()]*?)\s*[\])])?")
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")


class Column(NamedTuple):
    """A column of the table; `unit` is that of its times."""

    name: str
    unit: str = ""


def sniff(name: str, head: str) -> bool:
    """Whether the first line is a header that names the job and another of the columns."""
    first = head.removeprefix("\ufeff").partition("\n")[0]
    names = {_parsed(cell)[0] for cell in first.split(_separator(first))}
    return "job" in names and len(names & set(COLUMNS)) > 1


def read(text: str, name: str = "") -> Scenario:
    """The JobShop or SingleMachine in `text`; `name` is the file's.

    Raises InputError listing every problem of the file.
    """
    findings = Findings(name or "table")
    refuse_binary(text, findings)
    text = text.removeprefix("\ufeff")
    first = next(line for line in text.split("\n") if line.strip())
    rows = _rows(text, _separator(first), findings)
    line, cells = next(rows, (1, []))
    columns = _columns(line, cells, findings)
    unit = next((c.unit for c in columns if c.name == "duration" and c.unit), "tick")
    columns = [c._replace(unit=c.unit or unit) if c.name in TIMES else c for c in columns]
    records = [r for line, cells in rows if (r := _record(line, cells, columns, unit, findings))]
    if not records and not findings.problems:
        findings.add("there is no row under the header", line)
    shop: Scenario
    if any(column.name == "machine" for column in columns):
        shop = job_shop_of(name, records, findings)
    else:
        shop = single_machine_of(name, records, findings)
    findings.stop_if_any()
    return msgspec.structs.replace(shop, time_unit=unit)


def _separator(header: str) -> str:
    return max(",;\t", key=header.count)


def _rows(text: str, separator: str, findings: Findings) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the line on which each begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begins, [cell.strip() for cell in cells]
            begins = reader.line_num + 1
    except csv.Error as error:
        findings.add(f"this is no table: {error}", reader.line_num)


def _parsed(cell: str) -> tuple[str, str]:
    """The name and unit of ``Duration [min]``: ``("duration", "min")``."""
    found = _HEADER.fullmatch(cell.strip().strip('"'))
    if not found:
        return cell.strip().lower(), ""
    column = found[1].lower()
    return "operation" if column == "order" else column, (found[2] or "")


def _columns(line: int, cells: list[str], findings: Findings) -> list[Column]:
    columns = []
    for cell in cells:
        column, unit = _parsed(cell)
        if column not in COLUMNS:
            near = did_you_mean(column, COLUMNS) or f"; there can be {', '.join(COLUMNS)}"
            findings.add(f"unknown column {cell!r}{near}", line)
        elif unit and (column not in TIMES or unit not in UNITS):
            known = f"the units are {', '.join(UNITS)}" if column in TIMES else "it holds no times"
            findings.add(f"{unit!r} is no unit for column {column!r}; {known}", line)
            unit = ""
        columns.append(Column(column, unit))
    names = [column.name for column in columns]
    for required in ("job", "duration"):
        if required not in names:
            findings.add(f"column {required!r} is missing", line)
    for repeated in sorted({name for name in names if name in COLUMNS and names.count(name) > 1}):
        findings.add(f"column {repeated!r} stands there twice", line)
    return columns


def _record(
    line: int, cells: list[str], columns: list[Column], unit: str, findings: Findings
) -> Record | None:
    """One row, checked cell by cell; None when a required cell cannot be used."""
    if len(cells) != len(columns):
        findings.add(f"{len(cells)} cells under a header of {len(columns)}", line)
        return None
    texts = {column.name: cell for column, cell in zip(columns, cells, strict=True)}
    numbers: dict[str, int | None] = {}
    for column in columns:
        text = texts[column.name]
        if column.name in TIMES:
            numbers[column.name] = _time(line, column, text, unit, findings)
        elif column.name in ("operation", "weight"):
            numbers[column.name] = _whole(line, column.name, text, findings)
    for required in ("job", "machine"):
        if texts.get(required) == "":
            findings.add(f"the {required} is missing", line)
    if texts.get("duration") == "":
        findings.add("the duration is missing", line)
    if texts.get("operation") == "":
        findings.add("the number of the operation is missing", line)
    return Record(
        line=line,
        job=texts.get("job", ""),
        order=numbers.get("operation"),
        machine=texts.get("machine", ""),
        duration=numbers.get("duration") or 0,
        release=numbers.get("release"),
        due=numbers.get("due"),
        weight=numbers.get("weight"),
        family=texts.get("family", ""),
    )


def _time(line: int, column: Column, text: str, unit: str, findings: Findings) -> int | None:
    """A cell of times in ticks of `unit`; None when it is empty or was reported."""
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        said = "is negative" if _NUMBER.fullmatch(text.removeprefix("-")) else "is not a time"
        findings.add(f"{text[:20]!r} {said}; write a number of {column.unit}", line, column.name)
        return None
    if column.unit == unit:
        whole, _, fraction = text.partition(".")
        if fraction.strip("0"):  # spreadsheets like to write 3.0
            findings.add(f"{text!r} is no whole number of {unit}", line, column.name)
            return None
        ticks = int(whole)
    else:
        try:
            ticks = to_ticks(f"{text} {column.unit}", unit)
        except ValueError as error:
            findings.add(str(error), line, column.name)
            return None
    if ticks > LONGEST:
        findings.add(f"longer than {LONGEST} ticks, the most there can be", line, column.name)
        return None
    return ticks


def _whole(line: int, column: str, text: str, findings: Findings) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        findings.add(f"{text[:20]!r} is not a whole number from 0 up", line, column)
        return None
    return int(text)


FORMAT = Format(
    name="jobs-csv",
    summary="a table of jobs: job, operation, machine, duration, release, due, weight, family",
    suffixes=(".csv", ".tsv"),
    sniff=sniff,
    read=read,
    write=write,
)
