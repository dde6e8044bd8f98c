"""Columns of raw cells as arrays, with every cell that is no good reported by its line."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from hocket.core.findings import Findings
from hocket.serving.formats.table import UNITS, Column
from hocket.serving.model.requests import Ints
from hocket.serving.workload.lengths import MOST_TOKENS

Floats = npt.NDArray[np.float64]

_DATE = re.compile(
    r"\s*(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(?:Z| ?UTC|\+00(?::?00)?)?\s*",
    re.ASCII,
)
_ORIGIN = np.datetime64("2000-01-01", "ns")
_START = datetime(2000, 1, 1, tzinfo=UTC)

_CLOCK = 10**6
"""Seconds from which on a number is a reading of a clock, not a time since the start: 11 days."""


def tokens(column: Column, lines: list[int], findings: Findings) -> Ints:
    """Token counts of at least 0, shape (rows,)."""
    found = _whole(column.cells)
    if found is None or np.any(found < 0) or np.any(found > MOST_TOKENS):
        found = _each(column, lines, findings)
    return found


def _whole(cells: list[Any]) -> Ints | None:
    """All cells at once; None where they must be looked at one by one."""
    if not all(type(cell) is str or type(cell) is int for cell in cells):
        return None
    try:
        return np.array(list(map(int, cells)), dtype=np.int64)
    except (ValueError, OverflowError):
        return None


def _each(column: Column, lines: list[int], findings: Findings) -> Ints:
    found = np.zeros(len(column.cells), dtype=np.int64)
    for i, cell in enumerate(column.cells):
        if findings.full:
            break
        value, complaint = _count(cell)
        if complaint:
            findings.add(complaint, lines[i], column.header)
        found[i] = value
    return found


def _count(cell: Any) -> tuple[int, str]:
    """A number of tokens, or 0 and why it is none."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return 0, "missing"
    shown = repr(cell)[:24]
    try:
        value = math.nan if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError, OverflowError):
        return 0, f"{shown} is not a number"
    if not value.is_integer():
        return 0, f"{shown} is not a whole number of tokens"
    if value < 0:
        return 0, f"{shown} is negative"
    if value > MOST_TOKENS:
        return 0, f"{shown} is more than {MOST_TOKENS} tokens"
    return int(value), ""


def seconds(column: Column, lines: list[int], findings: Findings, unit: str = "s") -> Floats:
    """Times in seconds as they stand there, shape (rows,); cells that are none are reported.

    Numbers are of the header's unit, else of `unit`. Texts are dates with times (ISO 8601), UTC
    where they name no zone, and become seconds since the year 2000.
    """
    numbers = _numbers(column.cells)
    if numbers is not None and np.all(np.isfinite(numbers)):
        return _in_seconds(numbers, column.unit or unit)
    dates = None if numbers is not None else _dates(column.cells)
    if dates is not None:
        since: Floats = (dates - _ORIGIN) / np.timedelta64(1, "ns") / 1e9
        return since
    return _one_by_one(column, lines, findings, column.unit or unit)


def _in_seconds(numbers: Floats, unit: str) -> Floats:
    scale = UNITS[unit]
    return numbers * (scale / 10**9) if scale >= 10**9 else numbers / (10**9 / scale)


def _numbers(cells: list[Any]) -> Floats | None:
    """Cells as numbers, all at once; None if one is none."""
    if any(cell is None or type(cell) is bool for cell in cells):
        return None
    try:
        return np.array(list(map(float, cells)), dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None


def _dates(cells: list[Any]) -> npt.NDArray[np.datetime64] | None:
    """Dates with times, all at once; None if one is none, or is of another zone than UTC."""
    matches = [_DATE.fullmatch(cell) if type(cell) is str else None for cell in cells]
    if None in matches:
        return None
    try:
        return np.array([match[1] for match in matches if match], "datetime64[ns]")
    except ValueError:  # there is no 30 February
        return None


def _one_by_one(column: Column, lines: list[int], findings: Findings, unit: str) -> Floats:
    """Cell by cell: what is no time, or a number among dates, is reported."""
    found = np.zeros(len(column.cells))
    kind = ""
    for i, cell in enumerate(column.cells):
        if findings.full:
            break
        value, is_a = _time(cell)
        kind = kind or is_a
        if is_a and is_a == kind:
            found[i] = value
        elif cell is None or cell == "":
            findings.add("missing", lines[i], column.header)
        else:
            wanted = {"": "a time", "number": f"a time in {unit}", "date": "a date and time"}[kind]
            findings.add(f"{repr(cell)[:40]} is not {wanted}", lines[i], column.header)
    return found if kind == "date" else _in_seconds(found, unit)


def _time(cell: Any) -> tuple[float, str]:
    """A number or the seconds of a date, and which of both; an empty text for anything else."""
    if isinstance(cell, bool) or cell is None:
        return 0.0, ""
    try:
        value = float(cell)
        return (value, "number") if math.isfinite(value) else (0.0, "")
    except (TypeError, ValueError, OverflowError):
        pass
    try:
        date = datetime.fromisoformat(str(cell).strip())
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return (date - _START).total_seconds(), "date"
    except (ValueError, OverflowError):
        return 0.0, ""


def from_start(times: Floats) -> Floats:
    """Times since the start: readings of a clock, which are large, count from the least of them."""
    least = float(times.min())
    return times - least if least >= _CLOCK else times
