"""The problems found in one text file, collected, so that all of them are told at once."""

from __future__ import annotations

import re

from hocket.core.errors import InputError, Problem

MOST = 1000
"""So many problems are told; a mistake on every line need not be told every time."""

_BINARY = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufffd]")


class Findings:
    """The problems found so far in one file, and what its reader should know besides."""

    def __init__(self, source: str) -> None:
        """`source` names the file in messages."""
        self.source = source
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    @property
    def full(self) -> bool:
        """Whether there are so many problems that no more are told."""
        return len(self.problems) >= MOST

    def add(self, message: str, line: int | None = None, path: str = "") -> None:
        """Note a problem; `line` is 1-based, `path` such as a column."""
        if not self.full:
            self.problems.append(Problem(path, message, line))

    def stop_if_any(self) -> None:
        """Raise InputError, problems in order of lines, if there are any."""
        if self.problems:
            by_line: list[Problem | str] = [*sorted(self.problems, key=lambda p: p.line or 0)]
            raise InputError(self.source, by_line)


def refuse_binary(text: str, findings: Findings) -> None:
    """Raise InputError when `text` is empty or no text at all."""
    if not text.removeprefix("\ufeff").strip():
        findings.add("the file is empty")
    elif found := _BINARY.search(text):
        line = text.count("\n", 0, found.start()) + 1
        findings.add(f"this is no text file: it holds the character {found[0]!r}", line)
    findings.stop_if_any()
