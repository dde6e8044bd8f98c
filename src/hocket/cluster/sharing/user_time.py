"""The lower level of user-weighted fair queuing: the virtual time of one user.

What a user gets is shared equally by the user's jobs, so that user's virtual time v moves, for
each of them, at the rate of the global one over their number. A job that arrives at v and needs L
core-time is done in this fluid system when v reaches d = v + L. As nothing but the global virtual
time drives it, a user is brought up to date only when it is looked at.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable


class JobShare:
    """A job in the fluid system of its user.

    - `start`, `end`: the user's virtual time when it came, and when it will be done (d)
    - `work`: what it is thought to need between them (L); `before`: what it was given in earlier
      stays, for a job may come back with a late stage that needs more than was thought
    - `deadline`: in global virtual time; `active`: whether it is in the system
    - `over`: whether it has really ended, so that it need not be remembered
    """

    __slots__ = ("active", "before", "deadline", "end", "key", "order", "over", "start", "work")

    def __init__(self, key: Hashable, order: int) -> None:
        """A job that has not come yet; `order` breaks ties."""
        self.key, self.order = key, order
        self.start: float = 0
        self.end: float = 0
        self.work: float = 0
        self.before: float = 0
        self.deadline: float = 0
        self.active = self.over = False

    def __lt__(self, other: JobShare) -> bool:
        return (self.end, self.order) < (other.end, other.order)


class UserTime:
    """A user: jobs in the fluid system in the order in which it finishes them.

    - `start`: the global virtual time from which the deadlines of the active jobs are chained (S)
    - `end`: the last of these deadlines (E), when the user leaves the system
    - `time`: the user's virtual time (v); `at`: the global one at which it was right
    - `inside`: whether the user is in the system
    """

    __slots__ = ("active", "at", "count", "end", "inside", "known", "start", "time")

    def __init__(self, now: float) -> None:
        """A user without jobs at the global virtual time `now`."""
        self.inside = False
        self.start = self.end = self.at = now
        self.time: float = 0
        self.count = 0  # jobs so far
        self.active: list[JobShare] = []
        self.known: dict[Hashable, JobShare] = {}

    def advance(self, to: float) -> None:
        """Let the jobs share what the user gets until the global virtual time `to`."""
        given, self.at = to - self.at, to
        while self.active:
            first, count = self.active[0], len(self.active)
            needed = (first.end - self.time) * count
            if needed > given:
                self.time += given / count
                return
            given -= needed
            self._leave(first)

    def retire(self) -> None:
        """The global virtual time has reached `end`: all jobs are done."""
        for job in tuple(self.active):  # but for rounding, they have come to their ends together
            self._leave(job)
        self.start = self.at = self.end
        self.inside = False

    def put(self, key: Hashable, work: float) -> JobShare:
        """A stage of the job `key` has come, and in all the job is thought to need `work`.

        An active job gets another end, though what it was given cannot be taken back. One that has
        left comes back only with what it needs beyond what was thought.
        """
        job = self.known.get(key)
        if job is None:
            self.count += 1
            job = self.known[key] = JobShare(key, self.count)
            self._enter(job, work)
        elif job.active:
            self.active.remove(job)
            job.work = max(work - job.before, self.time - job.start)
            job.end = job.start + job.work
            insort(self.active, job)
        elif work > job.before:
            self._enter(job, work - job.before)
        return job

    def chain(self) -> None:
        """Set the deadlines of the active jobs: one after another, in the order of their ends."""
        deadline = self.start
        for job in self.active:
            deadline += job.work
            job.deadline = deadline
        self.end = deadline

    def forget(self, key: Hashable) -> None:
        """The job has really ended; what the fluid system still owes it, it still does."""
        job = self.known.get(key)
        if job is None:
            return
        if job.active:
            job.over = True
        else:
            del self.known[key]

    def _enter(self, job: JobShare, work: float) -> None:
        job.start, job.work, job.active = self.time, work, True
        job.end = self.time + work
        insort(self.active, job)

    def _leave(self, job: JobShare) -> None:
        """The first job is done; the deadlines after its own stay where they are."""
        del self.active[0]
        self.time = job.end
        self.start += job.work
        job.before += job.work
        job.active = False
        if job.over:
            del self.known[job.key]
