"""The loop: ten decode steps, then a round of admission, until the queue has run dry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hocket.core.errors import UserError
from hocket.serving.behaviour.admission import Admission
from hocket.serving.behaviour.work import Job
from hocket.serving.peak import peak

CAPACITY = 120_000
STEPS = 10
PREFILL = 32_768


@dataclass(frozen=True)
class Behaviour:
    """What came of one simulation.

    - `steps`: decode steps until the last request had been admitted
    - `utilisation`: mean tokens in memory, over all steps and rounds, in per cent of the capacity
    - `peak`: mean over the rounds of the most that the batch would ever hold by its true lengths
    - `evictions`: per 100 finished requests
    """

    steps: int
    utilisation: float
    peak: float
    evictions: float


def simulate(
    queue: Iterator[Job],
    admission: Admission,
    *,
    capacity: int = CAPACITY,
    steps: int = STEPS,
    prefill: int = PREFILL,
) -> Behaviour:
    """Run `queue` through an engine that holds `capacity` tokens.

    A round admits from the front of the queue until the rule refuses or `prefill` tokens of prompts
    are in. When a decode step has left more in memory than there is room for, the latest admitted
    give way to the front of the queue and keep their place in their answer. Raises UserError for a
    request that does not fit alone.
    """
    engine = _Engine(admission, capacity)
    while True:
        engine.decode(steps)
        if not engine.admit(queue, prefill):
            return engine.result()


class _Engine:
    """Memory is `_offset` plus the clock for each request, so a step costs no work per request."""

    def __init__(self, admission: Admission, capacity: int) -> None:
        self._admission, self._capacity = admission, capacity
        self._batch: list[Job] = []
        self._waiting: list[Job] = []
        self._clock = 0
        self._offset = 0
        self._next_end = 0
        self._finished = self._evicted = 0
        self._used = self._readings = 0
        self._true_peak = 0
        self._peaks: list[int] = []

    def decode(self, steps: int) -> None:
        last = self._clock + steps
        size = len(self._batch)
        if last < self._next_end and self._offset + size * last <= self._capacity:
            self._used += steps * self._offset + size * sum(range(self._clock + 1, last + 1))
            self._readings += steps
            self._clock = last
            return
        for _ in range(steps):
            self._step()

    def _step(self) -> None:
        self._clock += 1
        if self._clock >= self._next_end:
            self._finish()
        self._read()
        evicted = False
        while self._memory > self._capacity:
            job = self._batch.pop()
            job.done = self._clock - job.born
            self._offset -= job.prompt - job.born
            self._waiting.insert(0, job)
            self._evicted += 1
            evicted = True
        if evicted:
            self._changed()

    def _finish(self) -> None:
        ended = [job for job in self._batch if job.born + job.output <= self._clock]
        for job in ended:
            self._admission.finished(self._clock - job.born)
        self._finished += len(ended)
        self._batch = [job for job in self._batch if job.born + job.output > self._clock]
        self._offset -= sum(job.prompt - job.born for job in ended)
        if ended:
            self._changed()

    def admit(self, queue: Iterator[Job], prefill: int) -> bool:
        """A round of admission; False when the queue has run dry."""
        self._admission.begin(self._batch, self._clock, self._memory)
        tokens, before = 0, len(self._batch)
        while tokens < prefill:
            if not self._waiting:
                job = next(queue, None)
                if job is None:
                    return False
                if (size := job.prompt + job.output) > self._capacity:
                    raise UserError(f"a request of {size} tokens exceeds memory: {self._capacity}")
                self._waiting.append(job)
            job = self._waiting[0]
            if not self._admission.admits(job, self._memory, self._capacity):
                break
            job.born = self._clock - job.done
            self._offset += job.prompt - job.born
            self._batch.append(self._waiting.pop(0))
            tokens += job.prompt
        if len(self._batch) > before:
            self._changed()
        self._read()
        self._peaks.append(self._true_peak)
        return True

    @property
    def _memory(self) -> int:
        return self._offset + len(self._batch) * self._clock

    def _read(self) -> None:
        self._used += self._memory
        self._readings += 1

    def _changed(self) -> None:
        """What holds until the batch changes again: who ends next, and its peak."""
        ends = [job.born + job.output for job in self._batch]
        self._next_end = min(ends, default=self._clock)
        held = [job.prompt + self._clock - job.born for job in self._batch]
        self._true_peak = int(peak(held, [end - self._clock for end in ends]))

    def result(self) -> Behaviour:
        share = 100 / self._capacity
        return Behaviour(
            steps=self._clock,
            utilisation=share * self._used / self._readings,
            peak=share * sum(self._peaks) / max(1, len(self._peaks)),
            evictions=100 * self._evicted / max(1, self._finished),
        )
