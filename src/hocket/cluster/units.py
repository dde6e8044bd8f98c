"""Seconds in ticks of a scenario."""

from __future__ import annotations

from fractions import Fraction

from hocket.core.scenario import to_ticks


def second(unit: str) -> Fraction:
    """How many ticks of `unit` a second has; of abstract ticks, one."""
    return Fraction(1) if unit == "tick" else Fraction(to_ticks("1 day", unit), 86_400)
