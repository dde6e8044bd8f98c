"""Time as the engine's own thread uses it: for measuring on a machine that others use too.

A clock on the wall goes on while another program has the processor, and says more of that program
than of the engine. The clock here stands still meanwhile. An engine that waits uses none either, so
waiting moves the clock on instead, at once. It tells the truth only of an engine whose work is all
done by one thread, on the CPU.
"""

from __future__ import annotations

import time

from hocket.core.errors import UserError
from hocket.serving.live.vllm.clock import Clock


class ProcessorClock(Clock):
    """As `Clock`, from the processor time of the thread that makes it."""

    def __init__(self) -> None:
        super().__init__()
        self._used = time.thread_time_ns()
        self._waited = 0.0

    def now(self) -> int:
        """See Clock.now."""
        return round(self.seconds() * 1e6)

    def seconds(self) -> float:
        """Seconds since it began."""
        return (time.thread_time_ns() - self._used) / 1e9 + self._waited

    def sleep(self, seconds: float) -> None:
        """Wait: go on by so much."""
        self._waited += seconds


def processor_clock() -> ProcessorClock:
    """The clock, if one thread computes. Raises UserError if several do."""
    import torch

    threads = torch.get_num_threads()
    if threads > 1:
        raise UserError(
            f"{threads} threads compute, so the processor time of one says nothing; let one "
            "(--threads 1), or measure by the clock on the wall"
        )
    return ProcessorClock()
