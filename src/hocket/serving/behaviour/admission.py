"""The four rules of admission that the behaviour simulation compares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from hocket.core.errors import UserError
from hocket.serving.behaviour.work import Job, Luck
from hocket.serving.history import History
from hocket.serving.peak import Futures

LIMIT = 4096
"""Tokens that every answer is allowed; the answers of Dist-2 are longer and end where they end."""


class Admission(Protocol):
    """A rule of admission. `memory` and `capacity` are in tokens."""

    def begin(self, batch: Sequence[Job], clock: int, memory: int) -> None:
        """A round begins with this batch at decode step `clock`."""

    def admits(self, job: Job, memory: int, capacity: int) -> bool:
        """Whether the next of the queue comes in, after those that this round has let in."""

    def finished(self, length: int) -> None:
        """An answer of this length is complete."""


class _Plain:
    """Remembers nothing."""

    def begin(self, batch: Sequence[Job], clock: int, memory: int) -> None:
        """See Admission.begin."""

    def finished(self, length: int) -> None:
        """See Admission.finished."""


class Conservative(_Plain):
    """Room for every prompt and the longest answer it may have."""

    def __init__(self, luck: Luck) -> None:
        self._promised = 0

    def begin(self, batch: Sequence[Job], clock: int, memory: int) -> None:
        """See Admission.begin."""
        self._promised = sum(job.prompt for job in batch) + LIMIT * len(batch)

    def admits(self, job: Job, memory: int, capacity: int) -> bool:
        """See Admission.admits."""
        need = job.prompt + LIMIT
        if need > capacity:
            raise UserError(
                f"a prompt of {job.prompt} and {LIMIT} tokens exceed memory: {capacity}"
            )
        promised = self._promised + need
        if promised > capacity:
            return False
        self._promised = promised
        return True


class Aggressive(_Plain):
    """Room for the prompt now, up to 99 % of memory."""

    def __init__(self, luck: Luck) -> None:
        pass

    def admits(self, job: Job, memory: int, capacity: int) -> bool:
        """See Admission.admits."""
        return memory + job.prompt <= capacity * (1 - 0.01)


class PastFuture:
    """The peak of sampled lengths stays below 97 % of memory.

    A request that was evicted holds what it had produced and is given a fresh length on top, as in
    the artifact.
    """

    WINDOW, FIRST, RESERVE = 1000, 512, 0.03
    SAMPLES, LISTS = 200, 5

    def __init__(self, luck: Luck) -> None:
        self._luck = luck
        self._history = History(self.WINDOW, self.FIRST)
        self._futures = Futures([], np.empty((1, 0)))

    def begin(self, batch: Sequence[Job], clock: int, memory: int) -> None:
        """See Admission.begin."""
        if not batch:
            self._futures = Futures([], np.empty((1, 0)))
            return
        lists = min(self.LISTS, self.SAMPLES // len(batch) + 1)
        done = np.array([clock - job.born for job in batch])
        held = done + np.array([job.prompt for job in batch])
        uniform = self._luck.numpy.random_sample((len(batch), lists)).T
        limit = np.full_like(done, LIMIT)
        lengths = self._history.longer(done, limit, uniform, ends_at_limit=True)
        self._futures = Futures(held, lengths - done)

    def admits(self, job: Job, memory: int, capacity: int) -> bool:
        """See Admission.admits."""
        choose = self._luck.python.choice
        left = [choose(self._history.lengths) for _ in range(len(self._futures))]
        held = job.prompt + job.done
        if self._futures.peaks_with(held, left).max() >= capacity * (1 - self.RESERVE):
            return False
        self._futures.add(held, left)
        return True

    def finished(self, length: int) -> None:
        """See Admission.finished."""
        self._history.append(length)


class Optimum(_Plain):
    """The peak of the true lengths stays below memory."""

    def __init__(self, luck: Luck) -> None:
        self._futures = Futures([], np.empty((1, 0)))

    def begin(self, batch: Sequence[Job], clock: int, memory: int) -> None:
        """See Admission.begin."""
        done = [clock - job.born for job in batch]
        held = [job.prompt + tokens for job, tokens in zip(batch, done, strict=True)]
        left = [job.output - tokens for job, tokens in zip(batch, done, strict=True)]
        self._futures = Futures(held, [left])

    def admits(self, job: Job, memory: int, capacity: int) -> bool:
        """See Admission.admits."""
        held, left = job.prompt + job.done, job.output - job.done
        if self._futures.peaks_with(held, left).max() >= capacity:
            return False
        self._futures.add(held, left)
        return True


ADMISSIONS: dict[str, Callable[[Luck], Admission]] = {
    "conservative": Conservative,
    "aggressive": Aggressive,
    "past-future": PastFuture,
    "optimum": Optimum,
}
"""The rules by name; each is made with the random numbers that it may use."""
