"""What every scenario shares: an immutable description of work, resources and disturbances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from hocket.core.errors import Problem

TimeUnit = Literal["tick", "ns", "us", "ms", "s", "min", "h", "day"]

_NANOSECONDS: dict[str, int] = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "day": 86400 * 10**9,
}

LONGEST = 2**40
"""The most ticks that a time in a scenario may have; sums of them still fit in 64 bits."""

Ticks = Annotated[int, msgspec.Meta(ge=0, le=LONGEST, extra_json_schema={"x-hocket": "ticks"})]
"""A span of time in ticks of the scenario's unit: a non-negative integer.

In a file it may also be text with a unit, such as ``"90 s"``; the loader converts it exactly with
`to_ticks` or says why it cannot.
"""

SignedTicks = Annotated[
    int, msgspec.Meta(ge=-LONGEST, le=LONGEST, extra_json_schema={"x-hocket": "ticks"})
]
"""Ticks that may be negative, such as a time lag."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all scenarios. Times are integers in ticks; `time_unit` says how long one is."""

    name: str = ""
    time_unit: TimeUnit = "tick"

    @classmethod
    def expand(cls, data: dict[str, Any], folder: Path) -> dict[str, Any]:
        """The data of a structured file with everything in it that the file only refers to.

        A scenario holds all that it is made of. A type whose files may name others (a request log,
        a profile) reads them here, relative to `folder`. Raises InputError, without a source for
        what is wrong in `data` itself.
        """
        return data

    @classmethod
    def references(cls) -> Mapping[str, tuple[type[msgspec.Struct], ...]]:
        """The structs that `expand` understands, by type and field: ``{"Pool.cost": (CostFile,)}``.

        They may stand there in a file beside what the field itself allows, or with ``[]`` behind
        the field, in place of one of its entries; schemas name them.
        """
        return {}

    def problems(self) -> Iterator[Problem]:
        """Everything wrong with this scenario that types alone cannot see. Empty when sound."""
        yield from ()

    def notes(self) -> tuple[str, ...]:
        """What its reader should know of a sound scenario, such as rows of a log left out."""
        return ()


def repeated(path: str, names: Iterable[str]) -> Iterator[Problem]:
    """A problem for every name that occurs more than once, or is empty."""
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(path, f"{name!r} occurs {count} times; rename all but one")
        if not name:
            yield Problem(path, "a name is empty")


def to_ticks(text: str, unit: str) -> int:
    """Convert ``"1.5 h"`` to ticks of `unit`, exactly.

    Raises ValueError when the text has no known unit, when the scenario counts abstract ticks, or
    when the value is no whole number of ticks.
    """
    number, _, given = text.strip().partition(" ")
    try:
        if len(number) > 40 or ("e" in number.lower() and abs(float(number)) > 1e30):
            raise ValueError  # an exact fraction of such a number would never end
        value = Fraction(number)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{text!r} is not a time; write a number of ticks, or '90 s'") from None
    given = given.strip()
    if given not in _NANOSECONDS:
        known = ", ".join(_NANOSECONDS)
        raise ValueError(f"{text!r} has no known unit of time; the units are {known}")
    if unit not in _NANOSECONDS:
        raise ValueError(f"{text!r} has a unit, but time_unit is {unit!r}; set it, e.g. to {given}")
    ticks = value * _NANOSECONDS[given] / _NANOSECONDS[unit]
    if ticks.denominator != 1:
        raise ValueError(f"{text!r} is {float(ticks):g} {unit}, no whole number of ticks")
    return int(ticks)
