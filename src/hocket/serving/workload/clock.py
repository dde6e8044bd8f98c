"""Seconds and ticks: workloads speak of requests per second, scenarios count ticks."""

from __future__ import annotations

from hocket.core.errors import UserError
from hocket.core.scenario import to_ticks


def ticks_per_second(unit: str) -> float:
    """How many ticks of `unit` one second has. Raises UserError for abstract ticks."""
    try:
        return 10**9 / to_ticks(f"1 {unit}", "ns")
    except ValueError:
        raise UserError(
            f"rates are per second, but time_unit is {unit!r}; set it, e.g. to us"
        ) from None
