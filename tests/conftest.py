"""One Hypothesis profile for all, and no test leaves signal handlers behind."""

import signal

import pytest
from hypothesis import HealthCheck, settings

# Examples are repeatable, and there is no deadline on shared machines.
settings.register_profile(
    "hocket", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("hocket")

HANDLERS = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """PySpark, for one, takes Ctrl-C over for good; the next test may be about Ctrl-C."""
    for number, handler in HANDLERS.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)
