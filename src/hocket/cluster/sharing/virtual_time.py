"""The two-level virtual time of user-weighted fair queuing (UWFQ), as one pure object.

In a fluid system that divides the cores equally among users, and what a user gets equally among
the user's jobs, the global virtual time V moves at cores / active users. A user who comes at V with
work L leaves when V is V + L, whoever else comes or goes. UWFQ gives a user's jobs the deadlines at
which they would be done if they had all that the user gets one after another, in the order in which
the fluid system finishes them; cores go to the stage of the job with the earliest deadline.

Source: Kažemaks, Versluis, Ozkan, Decouchant, "Balancing fairness and performance in multi-user
Spark workloads with dynamic scheduling", arXiv 2510.15485, and the scheduler released with it.
That one keeps whole milliseconds and rounds down at every step; here times are floats, with the
order of submission where they are equal. Given `fractions.Fraction`, results are exact.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heappop, heappush
from itertools import count

from hocket.cluster.sharing.user_time import UserTime

GRACE = 3.0
"""Seconds for which a user who has left is remembered: 3000 ms in the released scheduler."""


class VirtualTime:
    """Users and their jobs in the fluid system.

    Times are in any unit, such as ms, and work is in cores times that unit. Nothing here knows of
    a simulator: a live adapter calls `submit` with the time of the wall.

    - `cores`: cores that users share (R)
    - `grace`: a user who has left is remembered for this time of half of the cores
    - `now`, `virtual`: real and global virtual time (V) up to which it has been advanced. V stands
      still while no user is active
    """

    def __init__(self, cores: float, grace: float = 0) -> None:
        """A system without users at time 0."""
        self.cores, self.grace = cores, grace
        self.now: float = 0
        self.virtual: float = 0
        self._users: dict[Hashable, UserTime] = {}
        self._active = 0  # users in the system
        self._ends: list[tuple[float, int, UserTime]] = []  # a heap; some have got another end
        self._pushes = count()

    def submit(
        self, user: Hashable, job: Hashable, work: float, now: float
    ) -> dict[Hashable, float]:
        """A stage of `job` comes at time `now`; its whole job is thought to need `work`.

        The answer is the deadlines, in global virtual time, of this job and of all jobs of the user
        in the fluid system; those of other users have not changed. A job that has left keeps its
        deadline, unless its user has left too, and has been away for longer than `grace`: then it
        counts as new. A time before the last counts as that one, for clocks may be set back.
        """
        self.advance(now)
        found = self._users.get(user)
        if found is None:
            found = self._users[user] = UserTime(self.virtual)
        if found.inside:
            found.advance(self.virtual)
        else:
            self._welcome(found, job)
        share = found.put(job, work)
        if found.active:
            found.chain()
            self._active += not found.inside
            found.inside = True
            heappush(self._ends, (found.end, next(self._pushes), found))
        return {one.key: one.deadline for one in (*found.active, share)}

    def advance(self, now: float) -> None:
        """Let the fluid system run until `now`: users leave, the others get more."""
        now = max(now, self.now)
        while self._ends:
            end, _, first = self._ends[0]
            if not first.inside or first.end != end:
                heappop(self._ends)  # of a user who got another end
                continue
            pace = self.cores / self._active
            reached = self.now + max(end - self.virtual, 0) / pace
            if reached > now:
                self.virtual += (now - self.now) * pace
                break
            heappop(self._ends)
            self.now, self.virtual = reached, max(end, self.virtual)
            first.retire()
            self._active -= 1
        self.now = now

    def resize(self, cores: float, now: float) -> None:
        """From `now` on there are so many cores: executors have come or gone."""
        self.advance(now)
        self.cores = cores

    def done(self, user: Hashable, job: Hashable) -> None:
        """The job has really ended, and no stage of it will come; it need not be remembered."""
        if user in self._users:
            self._users[user].forget(job)

    def _welcome(self, user: UserTime, job: Hashable) -> None:
        """A user who was not in the system comes, with a stage of `job`.

        With a late stage of a job that is remembered, deadlines go on from where they were;
        otherwise they start anew.
        """
        if self.virtual - user.end > self.grace * self.cores / 2:
            user.known.clear()
        if job not in user.known:
            user.start = self.virtual
        user.at = self.virtual
