"""Seconds and ticks of a scenario; where ticks are abstract, one is a second."""

from __future__ import annotations

from fractions import Fraction

from hocket.core.scenario import to_ticks


def second(unit: str) -> Fraction:
    """How many ticks of `unit` a second has."""
    return Fraction(1) if unit == "tick" else Fraction(to_ticks("1 day", unit), 86_400)


def seconds_per_tick(unit: str) -> float:
    """The length of a tick in seconds."""
    return to_ticks("1 s" if unit == "tick" else f"1 {unit}", "ns") / 1e9
