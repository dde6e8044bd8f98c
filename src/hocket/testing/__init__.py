"""The conformance kit: what every policy and every domain promises, checked.

For the built-in ones and for yours, from any test runner or none:

>>> from hocket.testing import check_policy
>>> print(check_policy("shop/spt"))  # doctest: +SKIP

`check_live` compares your own vLLM with the simulator, iteration by iteration.

A broken promise raises a subclass of `ConformanceError`, itself an AssertionError, that says which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hocket.testing.domain import check_domain
from hocket.testing.errors import (
    ClockError,
    ConfigurationError,
    ConformanceError,
    ConservationError,
    ContractError,
    DecisionError,
    FeasibilityError,
    IsolationError,
    LiveError,
    MutationError,
    ReplayError,
)
from hocket.testing.policy import check_policy
from hocket.testing.report import Report

if TYPE_CHECKING:
    from hocket.testing.live import check_live

__all__ = [
    "ClockError",
    "ConfigurationError",
    "ConformanceError",
    "ConservationError",
    "ContractError",
    "DecisionError",
    "FeasibilityError",
    "IsolationError",
    "LiveError",
    "MutationError",
    "ReplayError",
    "Report",
    "check_domain",
    "check_live",
    "check_policy",
]


def __getattr__(name: str) -> Any:
    """`check_live`, which needs the domain of serving, when it is first asked for."""
    if name == "check_live":
        from hocket.testing.live import check_live

        return check_live
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
