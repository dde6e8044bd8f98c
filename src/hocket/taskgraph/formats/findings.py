"""The problems found in one file, and words read as numbers within bounds."""

from __future__ import annotations

import math
import re

from hocket.core.errors import InputError, Problem

MOST = 1000
"""So many problems are told; a mistake on every line need not be told every time."""

TASKS = 100_000
"""More tasks, processors or the like than this are taken for a slip of the pen."""

LARGEST = 1e12
"""The largest volume, bandwidth, power or time that a scenario holds."""

_BINARY = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufffd]")
_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][-+]?\d{1,3})?", re.ASCII)


class Findings:
    """The problems found so far in one file, and what its reader should know besides."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    @property
    def full(self) -> bool:
        """Whether there are so many problems that no more are told."""
        return len(self.problems) >= MOST

    def add(self, message: str, line: int | None = None, path: str = "") -> None:
        """Note a problem; `line` is 1-based."""
        if not self.full:
            self.problems.append(Problem(path, message, line))

    def stop_if_any(self) -> None:
        """Raise InputError, problems in order of lines, if there are any."""
        if self.problems:
            by_line: list[Problem | str] = [*sorted(self.problems, key=lambda p: p.line or 0)]
            raise InputError(self.source, by_line)

    def whole(self, word: str, what: str, line: int, low: int = 0, high: int = TASKS) -> int:
        """`word` as a whole number from `low` to `high`; `low`, and a problem, if it is none."""
        if _WHOLE.fullmatch(word) and low <= int(word) <= high:
            return int(word)
        self.add(f"{what}: expected a whole number from {low} to {high}, got {cut(word)}", line)
        return low

    def decimal(self, word: str, what: str, line: int, *, positive: bool = False) -> float:
        """`word` as a number from 0 up; 1, and a problem, if it is none.

        Numbers that are infinite, not numbers, or beyond `LARGEST` are none.
        """
        value = float(word) if _DECIMAL.fullmatch(word) else math.nan
        if value <= LARGEST and (value > 0 or (value == 0 and not positive)):
            return value
        range_ = "above 0" if positive else "from 0"
        told = f"expected a number {range_} to {LARGEST:g}, got {cut(word)}"
        self.add(f"{what}: {told}", line)
        return 1.0


def cut(word: str) -> str:
    """How messages show a word of any length."""
    return repr(word if len(word) <= 24 else word[:24] + "...")


def refuse_binary(text: str, findings: Findings) -> None:
    """Raise InputError when `text` is empty or no text at all."""
    if not text.strip("\ufeff \t\r\n"):
        findings.add("the file is empty")
    elif found := _BINARY.search(text):
        line = text.count("\n", 0, found.start()) + 1
        findings.add(f"this is no text file: it holds the character {found[0]!r}", line)
    findings.stop_if_any()
