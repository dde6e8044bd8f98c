"""A circuit breaker: a backend that keeps failing is left alone for a while, then tried once.

M. Nygard, Release It!, 2nd edition, section 5.2. Closed lets everything through; after so many
failures in a row it is open and lets nothing through; after the time of recovery it is half open
and lets one request through, whose fate closes or opens it again.
"""

from __future__ import annotations

from typing import Literal

State = Literal["closed", "open", "half-open"]


class Breaker:
    """The breaker of one backend. Times are ticks of any clock that never goes back."""

    def __init__(self, failures: int, recovery: int) -> None:
        """Open after `failures` in a row, for `recovery` ticks."""
        self._most, self._recovery = failures, recovery
        self._failures = 0
        self._opened: int | None = None
        self._trial = False

    def state(self, now: int) -> State:
        """Its state at a time."""
        if self._opened is None:
            return "closed"
        return "half-open" if now - self._opened >= self._recovery else "open"

    def allows(self, now: int) -> bool:
        """Whether a request may be sent."""
        state = self.state(now)
        return state == "closed" or (state == "half-open" and not self._trial)

    def began(self, now: int) -> None:
        """A request is being sent; in the half-open state it is the trial."""
        if self.state(now) == "half-open":
            self._trial = True

    def answering(self) -> None:
        """A request has begun to be answered, which closes it; failures are not forgotten yet.

        So a backend that begins every answer and ends none is found out, too.
        """
        self._opened, self._trial = None, False

    def succeeded(self) -> None:
        """A request has been answered."""
        self._failures, self._opened, self._trial = 0, None, False

    def failed(self, now: int) -> None:
        """A request failed by the backend's fault.

        What fails while it is open was sent before, and does not put the recovery off.
        """
        if self.state(now) == "open":
            return
        self._failures += 1
        if self._opened is not None or self._failures >= self._most:
            self._opened = now
        self._trial = False

    def withdrawn(self) -> None:
        """A request ended without saying anything about the backend: its client went away."""
        self._trial = False
