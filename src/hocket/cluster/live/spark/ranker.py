"""Level 2: a thread that keeps Spark's task sets in the order that the policy wants."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any

from hocket.cluster.live.spark.book import Book
from hocket.cluster.live.spark.events import StageEvents, attach
from hocket.cluster.live.spark.job import LiveJob
from hocket.cluster.live.spark.ranking import TaskSet, TaskSets

LOG = logging.getLogger("hocket.spark")

SOON = 0.01
"""Seconds: Spark tells of a stage a moment before its task set is there."""

PATIENCE = 0.2
"""Seconds after which running tasks are counted again although no stage began or ended."""

IDLE = 1.0
"""The same while no stage is known: an event may be lost, Spark drops what comes too fast."""

UNHEARD = 2.0
"""Seconds for which the end of a stage is waited for when its task set has gone, and without a
stage after which work that did not come through `submit` is over."""


class Ranker:
    """Feeds the policy with what Spark runs, and Spark with the policy's order.

    Should Spark or the policy fail, the ranking ends, the reason is logged and kept in `failed`,
    and Spark goes on in its own order: jobs are never held up by this.
    """

    def __init__(self, context: Any, book: Book, clock: Callable[[], int]) -> None:
        """Nothing happens before `start`."""
        self.failed = ""
        self.ranked = 0
        self._context, self._book, self._clock = context, book, clock
        self._sets = TaskSets(context)
        self._jobs: dict[int, LiveJob] = {}
        self._over: list[int] = []
        self._lock = Lock()
        self._news, self._closed = Event(), Event()
        self._detach: Callable[[], None] = _nothing
        self._events = StageEvents(self._news.set)
        self._gone: dict[int, float] = {}
        self._others: dict[tuple[str, str], int] = {}  # numbers of jobs by user and cause
        self._foreigners = 0
        self._quiet: dict[int, float] = {}  # since when these jobs have no stage
        self._thread = Thread(target=self._run, name="hocket-ranker", daemon=True)

    def start(self) -> None:
        """Attach the listener and begin."""
        self._detach = attach(self._context, self._events)
        self._thread.start()

    def admit(self, job: LiveJob, begin: Callable[[LiveJob], None]) -> None:
        """Let a job begin at once; its stages will be ranked."""
        with self._lock:
            if not self.failed:
                self._jobs[job.number] = job
        begin(job)

    def over(self, job: LiveJob) -> None:
        """Note that a job is over."""
        with self._lock:
            if not self.failed:
                self._over.append(job.number)
        self._news.set()

    def close(self) -> None:
        """End the ranking and detach the listener."""
        self._closed.set()
        self._news.set()
        self._thread.join(timeout=5)
        self._detach()

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                heard = self._news.wait(PATIENCE if self._book.stages else IDLE)
                self._news.clear()
                self._look()
                if heard:  # what was told may only now be there
                    time.sleep(SOON)
                    self._look()
        except Exception as error:
            with self._lock:
                self.failed = f"{type(error).__name__}: {error}".splitlines()[0]
                self._jobs, self._over = {}, []
            if not self._closed.is_set():
                LOG.warning("ranking has ended, Spark's own order goes on: %s", self.failed)

    def _look(self) -> None:
        found = self._sets.now()
        now = self._clock()
        self._finish({one.stage for one in found}, now)
        for one in found:
            self._note(one, now)
        busy = {stage.job.number for stage in self._book.stages.values()}
        with self._lock:  # what is cancelled may have stages for a moment yet
            over = [number for number in self._over if number not in busy]
            self._over = [number for number in self._over if number in busy]
        for number in over + self._quiet_since(busy):
            self._book.job_done(number, now)
            with self._lock:
                self._jobs.pop(number, None)
        if self._book.stages:
            self._sets.rank([stage.number for stage in self._book.order(now)])
            self.ranked += 1

    def _note(self, one: TaskSet, now: int) -> None:
        """Tell the policy of a stage, and count its tasks."""
        stage = self._book.stages.get(one.stage)
        if stage is None:
            with self._lock:
                live = self._jobs.get(one.job) if one.job is not None else None
            number = self._foreign(one) if live is None else live.number
            kind = "" if live is None else live.kind
            job = self._book.job(number, one.user, kind, f"{one.user}#{number}", now)
            given = None if live is None else live.remaining
            self._book.submit(one.stage, job, one.tasks, given, now)
            stage = self._book.stages[one.stage]
        stage.running = one.running
        stage.waiting = max(one.tasks - one.done - one.running, 0)

    def _foreign(self, one: TaskSet) -> int:
        """What did not come through `submit` is a job for each SQL query, else for each Spark job.

        Its number is negative.
        """
        key = (one.user, one.cause)
        if key not in self._others:
            self._foreigners += 1
            self._others[key] = -self._foreigners
        return self._others[key]

    def _quiet_since(self, busy: set[int]) -> list[int]:
        """Those jobs that are over, as far as can be told: nobody says so of foreign ones."""
        seconds = time.monotonic()
        foreign = [number for number in self._others.values() if number not in busy]
        self._quiet = {number: self._quiet.get(number, seconds) for number in foreign}
        over = [number for number, since in self._quiet.items() if seconds - since > UNHEARD]
        self._others = {key: number for key, number in self._others.items() if number not in over}
        return over

    def _finish(self, alive: set[int], now: int) -> None:
        """Tell the policy of stages whose task sets have gone, with the work that was measured."""
        seconds = time.monotonic()
        for number in [number for number in self._book.stages if number not in alive]:
            work = self._events.work(number)
            since = self._gone.setdefault(number, seconds)
            if work is None and seconds - since < UNHEARD:
                self._book.stages[number].waiting = self._book.stages[number].running = 0
                continue
            del self._gone[number]
            job = self._book.stages[number].job
            with self._lock:
                live = self._jobs.get(job.number)
            if live is not None:
                live.done_work += work or 0
            self._book.finish(number, work or 0, now)


def _nothing() -> None:
    """There is no listener to detach."""
