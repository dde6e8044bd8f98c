"""Checks of parameters, shared by the processes of this package.

They raise `ValueError`, which msgspec turns into a validation error with the path in the file.
"""

from __future__ import annotations

import math


def positive(name: str, value: float) -> None:
    """`value` is finite and above zero."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive finite number, not {value!r}")


def not_negative(name: str, value: float) -> None:
    """`value` is finite and at least zero."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be a finite number of at least 0, not {value!r}")
