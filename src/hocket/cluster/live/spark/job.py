"""A job that a user has submitted to a live Spark application."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from itertools import count
from threading import Thread
from typing import Any

GROUP = "hocket-"
"""How the names of jobs' groups and tags begin."""

_GROUPS = count()


AGAIN = 0.2
"""Seconds after which what a cancelled job has started meanwhile is stopped too."""


class LiveJob(Future[Any]):
    """What `UserFairness.submit` returns: a future of the job's result.

    - `number`, `user`, `kind`: counted from 0; who submitted it; what it is like
    - `estimate`: core-milliseconds that whoever submitted it expects, or None
    - `done_work`: core-milliseconds that its finished stages took
    - `group`: the Spark job group in which it runs, and no other job of this process
    """

    def __init__(
        self,
        number: int,
        user: str,
        work: Callable[[Any], Any],
        *,
        kind: str,
        estimate: int | None,
        stop: Callable[[str], None],
    ) -> None:
        """`work` gets a SparkSession; `stop` cancels what runs in a job group."""
        super().__init__()
        self.number = number
        self.user = user
        self.work = work
        self.kind = kind
        self.estimate = estimate
        self.group = f"{GROUP}{next(_GROUPS)}"
        self.cancelling = self._stopping = False
        self.done_work = 0
        self._stop = stop

    @property
    def remaining(self) -> int | None:
        """Of the estimate, what finished stages have not used up; None without an estimate."""
        return None if self.estimate is None else max(self.estimate - self.done_work, 0)

    def cancel(self) -> bool:
        """Give the job up, whether it waits or runs; False if it is over already.

        What it has running on executors is stopped, and what it starts after that; `result` raises
        CancelledError in the end.
        """
        self.cancelling = True
        if super().cancel():
            return True
        if self.done():
            return False
        self._stop(self.group)
        if not self._stopping:
            self._stopping = True
            Thread(target=self._stop_again, name=f"{self.group}-stop", daemon=True).start()
        return True

    def _stop_again(self) -> None:
        while not wait([self], timeout=AGAIN).done:
            self._stop(self.group)
