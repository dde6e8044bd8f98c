"""Words read as numbers within bounds; those that are none are problems of the file."""

from __future__ import annotations

import math
import re

from hocket.core.findings import Findings

TASKS = 100_000
"""More tasks, processors or the like than this are taken for a slip of the pen."""

LARGEST = 1e12
"""The largest volume, bandwidth, power or time that a scenario holds."""

_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][-+]?\d{1,3})?", re.ASCII)


class Words(Findings):
    """The problems found so far in a file that is made of words and numbers."""

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
