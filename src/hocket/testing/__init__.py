"""The conformance kit: what every policy and every domain promises, checked.

For the built-in ones and for yours, from any test runner or none:

>>> from hocket.testing import check_policy
>>> print(check_policy("shop/spt"))  # doctest: +SKIP

A broken promise raises a subclass of `ConformanceError`, itself an AssertionError, that says which.
"""

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
    MutationError,
    ReplayError,
)
from hocket.testing.policy import check_policy
from hocket.testing.report import Report

__all__ = [
    "ClockError",
    "ConfigurationError",
    "ConformanceError",
    "ConservationError",
    "ContractError",
    "DecisionError",
    "FeasibilityError",
    "IsolationError",
    "MutationError",
    "ReplayError",
    "Report",
    "check_domain",
    "check_policy",
]
