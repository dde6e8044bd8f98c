"""Submit work as a user; the policy decides whose work gets the cores."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from statistics import median
from threading import Event, Lock
from types import TracebackType
from typing import Any, Literal

from hocket.cluster.live.spark.book import Book, Noted
from hocket.cluster.live.spark.gate import Gate
from hocket.cluster.live.spark.job import GROUP, LiveJob
from hocket.cluster.live.spark.partitions import session_for
from hocket.cluster.live.spark.ranker import Ranker
from hocket.cluster.live.spark.ranking import JOB, POOL, USER, reason_against
from hocket.core.errors import UserError
from hocket.core.extras import need
from hocket.core.load import load_policy
from hocket.core.policy import Policy

LEVELS = ("auto", "live", "public")

PAST = 20
"""Of so many past jobs of a kind the median is what the next one is expected to take."""


class UserFairness:
    """Shares a SparkSession among users by a policy of ``cluster/analytics``.

    Two levels. ``live`` re-orders the stages that Spark runs at this moment, where the version of
    Spark is known to allow it and the scheduler's mode is FIFO, its default. ``public`` uses
    documented interfaces alone: a queue of whole jobs in the driver, and one FAIR pool per user
    where ``spark.scheduler.mode`` is FAIR. ``auto`` takes the first if it can, and `level` and
    `why` tell what was taken.

    Work that users start past `submit` runs as ever; with ``live`` it is ordered too, under the
    name of its pool.
    """

    def __init__(
        self,
        spark: Any,
        policy: Policy | str = "cluster/uwfq",
        *,
        level: Literal["auto", "live", "public"] = "auto",
        seed: int = 0,
        record: bool = False,
    ) -> None:
        """`spark` is a classic SparkSession; `record` keeps every decision (`decisions`).

        Raises UserError for a policy that cannot run live, for a session of Spark Connect or one
        that has been stopped, and where `level` is ``live`` and this Spark does not allow it;
        MissingExtra without PySpark.
        """
        need("pyspark", "spark")
        if level not in LEVELS:
            raise UserError(f"level is {level!r}; it is one of {', '.join(LEVELS)}")
        self.policy = policy if isinstance(policy, Policy) else load_policy(policy)
        self.spark, self.context = spark, _context(spark)
        self.cores = int(self.context.defaultParallelism)
        self.book = Book(self.policy, self.cores, seed, record=record)
        self.why = reason_against(self.context) if level != "public" else "it was asked for"
        if level == "live" and self.why:
            raise UserError(
                f"the order of stages cannot be changed: {self.why}; use level='public'"
            )
        self.level: Literal["live", "public"] = "public" if self.why else "live"
        self._begun = time.monotonic()
        order = Gate if self.level == "public" else Ranker
        self._order: Gate | Ranker = order(self.context, self.book, self._clock)
        self._jobs: dict[int, LiveJob] = {}
        self._past: dict[str, deque[int]] = {}
        self._count = 0
        self._lock = Lock()
        self._idle = Event()
        self._idle.set()
        self._open = self._entered = False

    @property
    def failed(self) -> str:
        """Why the policy no longer decides, although jobs go on; empty while it does."""
        return self._order.failed

    @property
    def decisions(self) -> list[Noted]:
        """Every question to the policy and its answer, if they are recorded."""
        return list(self.book.noted) if self.book.record else []

    def submit(
        self,
        user: str,
        work: Callable[[Any], Any],
        *,
        kind: str = "",
        estimate: float | None = None,
    ) -> LiveJob:
        """Run ``work(session)`` as a user, in a thread of its own; its future.

        `session` shares tables and context with the one given, but has settings of its own, into
        which the policy's partitioning goes. `kind` names jobs that are much alike, by default
        after the function; `estimate` is what all its tasks will take, in core-seconds. What `work`
        raises, `result` raises.
        """
        if not user or not isinstance(user, str):
            raise UserError(f"a job needs the name of its user, not {user!r}")
        if not callable(work):
            raise UserError(f"work is a function of a session, not {type(work).__name__}")
        if estimate is not None and not (math.isfinite(estimate) and estimate >= 0):
            raise UserError(f"an estimate is core-seconds, 0 or more, not {estimate!r}")
        with self._lock:
            if not self._open:
                raise UserError("submit inside `with UserFairness(...)`: it is closed")
            job = LiveJob(
                self._count,
                user,
                work,
                kind=kind or getattr(work, "__qualname__", ""),
                estimate=None if estimate is None else round(estimate * 1000),
                stop=self._stop,
            )
            self._count += 1
            self._jobs[job.number] = job
            self._idle.clear()
        job.add_done_callback(self._over)
        self._order.admit(job, self._begin)
        return job

    def __enter__(self) -> UserFairness:
        """Begin to order the jobs.

        Raises UserError a second time, and while another one orders the jobs of this SparkContext.
        """
        if self._entered:
            raise UserError("a UserFairness serves for one `with`; make another")
        with _TAKEN_LOCK:
            if id(self.context) in _TAKEN:
                raise UserError(
                    "another UserFairness orders the jobs of this SparkContext; submit to that one"
                )
            _TAKEN.add(id(self.context))
        self._entered = True
        try:
            self._order.start()
        except BaseException:
            self._leave()
            raise
        self._open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until all jobs are over; after an error, or if interrupted, cancel them first."""
        with self._lock:
            self._open = False
        try:
            if kind is not None:
                self._cancel_all()
            self._idle.wait()
        except BaseException:
            self._cancel_all()
            raise
        finally:
            self._order.close()
            self._leave()

    def _cancel_all(self) -> None:
        with self._lock:
            left = list(self._jobs.values())
        for job in left:
            job.cancel()

    def _leave(self) -> None:
        with _TAKEN_LOCK:
            _TAKEN.discard(id(self.context))

    def _begin(self, job: LiveJob) -> None:
        """Start a job's thread, which Spark ties to the local properties that are set in it.

        Where there is no Spark any more, that is how the job ends: here, or in its thread, where
        PySpark sets the properties before it calls anything of ours.
        """
        try:
            thread = need("pyspark", "spark").InheritableThread(target=self._run, args=(job,))
            thread.run = partial(self._guarded, job, thread.run)
            thread.daemon = True
            thread.start()
        except BaseException as error:
            self._never_began(job, error)

    def _guarded(self, job: LiveJob, run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException as error:
            self._never_began(job, error)

    def _never_began(self, job: LiveJob, error: BaseException) -> None:
        if job.set_running_or_notify_cancel():
            job.set_exception(self._told(error))

    def _run(self, job: LiveJob) -> None:
        if not job.set_running_or_notify_cancel():
            return
        try:
            self.context.setJobGroup(job.group, f"{job.user}: {job.kind}", interruptOnCancel=False)
            for key, value in ((USER, job.user), (JOB, str(job.number)), (POOL, job.user)):
                self.context.setLocalProperty(key, value)
            self._tag(job.group)
            if job.cancelling:  # between its turn and this line
                raise CancelledError
            result = job.work(self._session(job))
            if job.cancelling:  # it has caught what stopped it
                raise CancelledError
        except BaseException as error:
            job.set_exception(CancelledError() if job.cancelling else self._told(error))
        else:
            job.set_result(result)

    def _tag(self, group: str) -> None:
        """Mark what this thread starts, from Spark 3.5 on; the tag of a job that submits is off."""
        if hasattr(self.context, "addJobTag"):
            for tag in self.context.getJobTags():
                if tag.startswith(GROUP):
                    self.context.removeJobTag(tag)
            self.context.addJobTag(group)

    def _told(self, error: BaseException) -> BaseException:
        """The error of a job; PySpark has no words for a context that has been stopped."""
        if getattr(self.context, "_jsc", None) is not None:
            return error
        found = UserError("there is no Spark any more: the SparkContext has been stopped")
        found.__cause__ = error
        return found

    def _session(self, job: LiveJob) -> Any:
        """The session of a job, cut by what it or earlier jobs of its kind were said to take."""
        with self._lock:
            past = list(self._past.get(job.kind, ()))
        work = job.estimate if job.estimate is not None else median(past) if past else None
        advised = getattr(self.policy, "partition", None)
        return session_for(self.spark, advised, None if work is None else int(work), self.cores)

    def _over(self, job: Any) -> None:
        self._order.over(job)
        with self._lock:
            if job.done_work:
                self._past.setdefault(job.kind, deque(maxlen=PAST)).append(job.done_work)
            self._jobs.pop(job.number, None)
            if not self._jobs:
                self._idle.set()

    def _stop(self, group: str) -> None:
        """Stop what runs in a job's group, or with its tag where the job has set its own group."""
        with suppress(Exception):  # the context may be gone, and what ran with it
            self.context.cancelJobGroup(group)
            if hasattr(self.context, "cancelJobsWithTag"):
                self.context.cancelJobsWithTag(group)

    def _clock(self) -> int:
        return int((time.monotonic() - self._begun) * 1000)


_TAKEN: set[int] = set()
_TAKEN_LOCK = Lock()
"""The contexts whose jobs are being ordered; there is one order of each."""


def _context(spark: Any) -> Any:
    """The SparkContext of a session, which Spark Connect has none of."""
    try:
        found = spark.sparkContext
    except Exception as error:
        raise UserError(
            "this session has no SparkContext of its own (Spark Connect?); users are told apart in "
            "the driver, so run there, with a classic SparkSession"
        ) from error
    if getattr(found, "_jsc", None) is None:
        raise UserError("the SparkContext of this session has been stopped; make a new session")
    if os.environ.get("PYSPARK_PIN_THREAD", "true").lower() != "true":
        raise UserError("Spark tells users apart by their threads; unset PYSPARK_PIN_THREAD=false")
    return found
