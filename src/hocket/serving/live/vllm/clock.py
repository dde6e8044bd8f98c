"""The time of a live engine, in microseconds since its scheduler began."""

from __future__ import annotations

import time


class Clock:
    """A monotonic clock, and the place of vLLM's arrival times on it.

    Tests replace it (``scheduler.clock``) by one that they drive.
    """

    def __init__(self) -> None:
        self.unix = time.time()
        self._began = time.monotonic_ns()

    def now(self) -> int:
        """Microseconds since it began."""
        return (time.monotonic_ns() - self._began) // 1000

    def at(self, unix: float) -> int:
        """The same of a time in seconds since 1970, such as vLLM gives requests; at least 0."""
        return max(0, round((unix - self.unix) * 1e6))
