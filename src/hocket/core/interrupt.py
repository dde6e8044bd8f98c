"""Ctrl-C that waits for a good moment: between two steps, never within one.

SIGTERM, with which batch systems and containers ask a process to end, is taken as Ctrl-C. Signals
belong to the whole process, and so does the one `Interrupt` that is in force.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """In its ``with`` block the first Ctrl-C is only noted, for `check` to raise at a good moment.

    The second is raised where it falls. Python handles signals in the main thread alone: in others
    nothing changes.
    """

    current: Interrupt | None = None

    def __init__(self, told: Callable[[], None] | None = None) -> None:
        """Nobody has pressed Ctrl-C; `told` is called when somebody does for the first time."""
        self.asked = False
        self.told = told
        self.twice = False
        self._before: dict[signal.Signals, Any] = {}
        self._outer: Interrupt | None = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            self.twice = True
            raise KeyboardInterrupt
        self.asked = True
        if self.told is not None:
            self.told()

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
            self._outer, Interrupt.current = Interrupt.current, self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            Interrupt.current = self._outer
            for number, before in self._before.items():
                if before is not None:  # None: it was installed by a library in C
                    signal.signal(number, before)


def check() -> None:
    """A good moment: raise KeyboardInterrupt if Ctrl-C has been pressed."""
    if Interrupt.current is not None and Interrupt.current.asked:
        raise KeyboardInterrupt
