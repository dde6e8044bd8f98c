"""What the processes of this package share: types, the largest tick, checks of parameters.

The checks raise `ValueError`, which msgspec turns into a validation error with the path in a file.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

TickArray: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

LATEST = 2.0**62
"""Later ticks would not fit the 64-bit integers of an array."""


def positive(name: str, value: float) -> None:
    """`value` is finite and above zero."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive finite number, not {value!r}")


def not_negative(name: str, value: float) -> None:
    """`value` is finite and at least zero."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be a finite number of at least 0, not {value!r}")
