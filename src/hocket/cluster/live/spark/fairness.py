"""Submit work as a user; the policy decides whose work gets the cores."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from statistics import median
from threading import Event, Lock
from types import TracebackType
from typing import Any, Literal

from hocket.cluster.live.spark.book import Book, Noted
from hocket.cluster.live.spark.gate import Gate
from hocket.cluster.live.spark.job import LiveJob
from hocket.cluster.live.spark.partitions import session_for
from hocket.cluster.live.spark.ranker import Ranker
from hocket.cluster.live.spark.ranking import JOB, POOL, USER, reason_against
from hocket.core.errors import UserError
from hocket.core.extras import need
from hocket.core.load import load_policy
from hocket.core.policy import Policy

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

        Raises UserError for a policy that cannot run live, for a session of Spark Connect, and
        where `level` is ``live`` and this Spark does not allow it; MissingExtra without PySpark.
        """
        need("pyspark", "spark")
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
        self._open = False

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
        """Begin to order the jobs."""
        self._order.start()
        self._open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until all jobs are over; after an error, cancel them first."""
        with self._lock:
            self._open = False
            left = list(self._jobs.values())
        if kind is not None:
            for job in left:
                job.cancel()
        self._idle.wait()
        self._order.close()

    def _begin(self, job: LiveJob) -> None:
        """Start a job's thread, which Spark ties to the local properties that are set in it."""
        thread = need("pyspark", "spark").InheritableThread(target=self._run, args=(job,))
        thread.daemon = True
        thread.start()

    def _run(self, job: LiveJob) -> None:
        if not job.set_running_or_notify_cancel():
            return
        try:
            self.context.setJobGroup(job.group, f"{job.user}: {job.kind}", interruptOnCancel=False)
            for key, value in ((USER, job.user), (JOB, str(job.number)), (POOL, job.user)):
                self.context.setLocalProperty(key, value)
            if job.cancelling:  # between its turn and this line
                raise CancelledError
            result = job.work(self._session(job))
        except BaseException as error:
            job.set_exception(CancelledError() if job.cancelling else error)
        else:
            job.set_result(result)

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
        self.context.cancelJobGroup(group)

    def _clock(self) -> int:
        return int((time.monotonic() - self._begun) * 1000)


def _context(spark: Any) -> Any:
    """The SparkContext of a session, which Spark Connect has none of."""
    try:
        return spark.sparkContext
    except Exception as error:
        raise UserError(
            "this session has no SparkContext of its own (Spark Connect?); users are told apart in "
            "the driver, so run there, with a classic SparkSession"
        ) from error
