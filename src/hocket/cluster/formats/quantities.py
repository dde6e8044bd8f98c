"""Kubernetes quantities, ``500m`` or ``1.5Gi``, as whole numbers of a base unit.

The rules are those of ``k8s.io/apimachinery/pkg/api/resource``: a signed decimal number, then one
of the suffixes ``n u m k M G T P E`` (powers of 1000), ``Ki Mi Gi Ti Pi Ei`` (powers of 1024), or
an exponent such as ``e3``. So ``12E`` is 12 exa, and ``12E0`` is 12. What is finer than the base
unit is rounded up, so that whoever wants some of a resource gets some.

One thing differs: Kubernetes reads text without any digit, such as ``-`` or ``Gi``, as 0, which is
refused here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from hocket.core.errors import InputError, Problem
from hocket.core.structured import path_of

LARGEST = 2**62
"""The largest amount that a scenario holds."""

CPU = "cpu"
MILLI_CPU = "milli_cpu"
"""What Kubernetes calls ``cpu`` and counts in cores, scenarios count in thousandths."""

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_PARTS = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(.*)", re.ASCII | re.DOTALL)
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)", re.ASCII)
_LONGEST = 64
_FARTHEST = 100
_UNITS = "a number may be followed by n, u, m, k, M, G, T, P, E or by Ki, Mi, Gi, Ti, Pi, Ei"


def quantity(value: str | int | float, *, milli: bool = False) -> int:
    """A quantity in whole units, or in thousandths of a unit if `milli`, rounded up.

    Numbers count as the text that they are written with. Raises ValueError, whose text says what is
    wrong and what to write, for what is no quantity, negative, or above `LARGEST`.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{_shown(value)} is no quantity; write one such as '500m' or '1Gi'")
    if isinstance(value, int):
        return _bounded(value * 1000 if milli else value, _shown(value))
    return _parsed(str(value), milli)


def amount(resource: str, value: str | int | float) -> int:
    """A quantity of a resource in the unit that scenarios count it in; raises ValueError."""
    return quantity(value, milli=resource in (CPU, MILLI_CPU))


def written(resource: str, count: int) -> tuple[str, str]:
    """The name that Kubernetes has for a scenario's resource, and an amount of it as a quantity."""
    if resource == MILLI_CPU:
        return CPU, f"{count}m" if count % 1000 else str(count // 1000)
    if resource in ("memory", "ephemeral-storage") or resource.startswith("hugepages-"):
        for suffix, power in reversed(_BINARY.items()):
            if count and count % 2**power == 0:
                return resource, f"{count >> power}{suffix}"
    return resource, str(count)


def expand(data: dict[str, Any]) -> dict[str, Any]:
    """A scenario's data with every quantity as a whole number.

    Amounts stand in ``allocatable`` of nodes and ``requests`` of pods. There ``cpu`` means cores as
    in Kubernetes (``cpu: 2`` is ``milli_cpu: 2000``), text is a quantity, and other whole numbers
    count base units already. What has the wrong shape is left for the conversion to judge. Raises
    InputError without a source, with the path of every problem (``pods[3].requests.memory``).
    """
    problems: list[Problem] = []
    found = dict(data)
    for part, field in (("nodes", "allocatable"), ("pods", "requests")):
        listed = data.get(part)
        if isinstance(listed, list):
            found[part] = [
                _with_amounts(one, field, f"{part}[{i}].{field}", problems)
                for i, one in enumerate(listed)
            ]
    if problems:
        raise InputError("", problems)
    return found


def _with_amounts(one: Any, field: str, where: str, problems: list[Problem]) -> Any:
    amounts = one.get(field) if isinstance(one, dict) else None
    if not isinstance(amounts, dict):
        return one
    return one | {field: _amounts(amounts, where, problems)}


def _amounts(given: Mapping[str, Any], where: str, problems: list[Problem]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for resource, value in given.items():
        path = path_of(where, resource)
        if resource == CPU and MILLI_CPU in given:
            problems.append(Problem(path, f"stands beside {MILLI_CPU}; drop one of them"))
        elif resource == MILLI_CPU and isinstance(value, str):
            told = f"expected a whole number, got {_shown(value)}; or write {CPU}: {value[:24]}"
            problems.append(Problem(path, told))
        elif resource == MILLI_CPU or value is None or isinstance(value, (bool, list, dict)):
            found[resource] = value
        else:
            try:
                found[MILLI_CPU if resource == CPU else resource] = amount(resource, value)
            except ValueError as error:
                problems.append(Problem(path, str(error)))
    return found


@lru_cache(maxsize=4096)
def _parsed(text: str, milli: bool) -> int:
    """The value of a quantity's text; most of the texts in a snapshot are the same few."""
    match = _PARTS.fullmatch(text) if len(text) <= _LONGEST else None
    sign, whole, part, suffix = match.groups() if match else ("", "", "", "")
    digits = whole + (part or "")
    if not digits:
        raise ValueError(f"{_shown(text)} is no quantity; write one such as '500m' or '1Gi'")
    if suffix in _BINARY:
        numerator, exponent = int(digits) << _BINARY[suffix], 0
    else:
        numerator, exponent = int(digits), _power(suffix, text)
    exponent += 3 * milli - len(part or "")
    if not numerator:
        return 0
    if exponent > _FARTHEST:
        raise ValueError(_too_large(_shown(text)))
    if exponent >= 0:
        value = numerator * 10**exponent
    elif exponent < -_FARTHEST - _LONGEST:
        value = 1
    else:
        value = -(-numerator // 10**-exponent)
    return _bounded(-value if sign == "-" else value, _shown(text))


def _power(suffix: str, text: str) -> int:
    """The power of ten of a decimal suffix or an exponent."""
    if suffix in _DECIMAL:
        return _DECIMAL[suffix]
    if match := _EXPONENT.fullmatch(suffix):
        return int(match[1])
    raise ValueError(f"{_shown(text)} has the unknown unit {_shown(suffix)}; {_meant(suffix)}")


def _meant(suffix: str) -> str:
    """What a wrong suffix was probably meant to be."""
    bare = suffix.strip().removesuffix("ytes").removesuffix("B").removesuffix("b")
    near = {known.lower(): known for known in ("k", "M", "G", "T", "P", "E", *_BINARY)}
    if bare and bare.lower() in near:
        return f"write {near[bare.lower()]}, without a space and without B"
    return _UNITS


def _bounded(value: int, shown: str) -> int:
    if value < 0:
        raise ValueError(f"{shown} is negative; write 0 or more")
    if value > LARGEST:
        raise ValueError(_too_large(shown))
    return value


def _too_large(shown: str) -> str:
    return f"{shown} is too large; at most 2^62 base units can be counted"


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "this number"
    return text if len(text) <= 40 else text[:40] + "..."
