"""Level 1: jobs wait in the driver and are let in, in the policy's order, as cores come free.

It uses public interfaces alone: the status tracker, local properties and pools.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any

from hocket.cluster.live.spark.book import Book
from hocket.cluster.live.spark.job import LiveJob

LOG = logging.getLogger("hocket.spark")

EVERY = 0.02
"""Seconds between two looks at what Spark has to do."""

SETTLING = 0.25
"""Seconds for which a job that was let in keeps out others while no stage of it has been seen."""


class Gate:
    """A queue of whole jobs before Spark. A job counts to the policy as a stage of one task.

    The next job is let in when no task of those inside waits for a core. A failure opens the gate:
    everything that waits is let in, and `failed` says why.
    """

    def __init__(self, context: Any, book: Book, clock: Callable[[], int]) -> None:
        """Nothing happens before `start`."""
        self.failed = ""
        self.ranked = 0
        self._context, self._book, self._clock = context, book, clock
        self._new: list[tuple[LiveJob, Callable[[LiveJob], None]]] = []
        self._waiting: dict[int, tuple[LiveJob, Callable[[LiveJob], None]]] = {}
        self._inside: dict[int, tuple[LiveJob, int]] = {}  # by number, and when it was let in
        self._over: list[LiveJob] = []
        self._lock = Lock()
        self._news, self._closed = Event(), Event()
        self._thread = Thread(target=self._run, name="hocket-gate", daemon=True)

    def start(self) -> None:
        """Begin to let jobs in."""
        self._thread.start()

    def admit(self, job: LiveJob, begin: Callable[[LiveJob], None]) -> None:
        """Queue a job; `begin` is called when its turn has come."""
        with self._lock:
            if not self.failed:
                self._new.append((job, begin))
                self._news.set()
                return
        begin(job)

    def over(self, job: LiveJob) -> None:
        """Note that a job is over, or will never begin."""
        with self._lock:
            if not self.failed:
                self._over.append(job)
        self._news.set()

    def close(self) -> None:
        """Stop; whatever still waits is let in."""
        self._closed.set()
        self._news.set()
        self._thread.join(timeout=5)
        self._open("")

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                self._news.wait(EVERY if self._waiting else None)
                self._news.clear()
                self._look()
        except Exception as error:
            why = f"{type(error).__name__}: {error}".splitlines()[0]
            LOG.warning("queueing has ended, jobs begin as they come: %s", why)
            self._open(why)

    def _look(self) -> None:
        now = self._clock()
        with self._lock:
            new, self._new = self._new, []
            over, self._over = self._over, []
            self._waiting |= {job.number: (job, begin) for job, begin in new}
        for job, _ in new:
            state = self._book.job(job.number, job.user, job.kind, f"{job.user}#{job.number}", now)
            self._book.submit(job.number, state, 1, job.estimate, now)
        for job in over:
            if job.number in self._waiting:  # cancelled before its turn
                del self._waiting[job.number]
            self._inside.pop(job.number, None)
            if job.number in self._book.stages:
                self._book.finish(job.number, job.done_work, now)
                self._book.job_done(job.number, now)
        while self._waiting and self._room(now):
            number = self._book.order(now)[0].number
            self.ranked += 1
            job, begin = self._waiting.pop(number)
            self._book.stages[number].waiting, self._book.stages[number].running = 0, 1
            self._inside[number] = (job, now)
            begin(job)

    def _room(self, now: int) -> bool:
        """Whether another job would find a core, or soon will."""
        if not self._inside:
            return True
        tracker = self._context.statusTracker()
        active = tracker.getActiveStageIds()
        for job, since in self._inside.values():
            if now - since < SETTLING * 1000 and not _seen(tracker, job, active):
                return False
        stages = [tracker.getStageInfo(stage) for stage in active]
        return not any(
            info.numTasks - info.numCompletedTasks - info.numActiveTasks > 0
            for info in stages
            if info is not None
        )

    def _open(self, why: str) -> None:
        with self._lock:
            self.failed = why or self.failed
            left = [*self._waiting.values(), *self._new]
            self._waiting, self._new, self._over = {}, [], []
        for job, begin in left:
            begin(job)


def _seen(tracker: Any, job: LiveJob, active: list[int]) -> bool:
    """Whether a stage of a job runs, or has run."""
    for number in tracker.getJobIdsForGroup(job.group):
        found = tracker.getJobInfo(number)
        if found is None or found.status != "RUNNING" or not set(active).isdisjoint(found.stageIds):
            return True
    return False
