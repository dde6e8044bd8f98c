"""User-weighted fair queuing: the job that would be done first if its user shared fairly."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Annotated, ClassVar

import msgspec

from hocket.cluster.roles.analytics import Ordering, StageState, View
from hocket.cluster.sharing.policy import UWFQ as SOURCE
from hocket.cluster.sharing.policy import Setting, Sharer, SharingPolicy
from hocket.cluster.sharing.queue import StageQueue
from hocket.cluster.sharing.virtual_time import GRACE, VirtualTime


class UWFQ(SharingPolicy, frozen=True):
    """The job with the earliest deadline among users who share fairly, and so do their jobs.

    All stages of a job have its deadline, which is where it ends in virtual time if all that its
    user gets goes to one job after another: `hocket.cluster.sharing.virtual_time`. A later stage
    revises what its job is thought to need. A user who comes back within `grace` seconds of half
    of the cores with a stage of a job that is known keeps the place in the queue.
    """

    name: ClassVar[str] = "cluster/uwfq"
    source: ClassVar[str] = SOURCE

    grace: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = GRACE

    def sharer(self, setting: Setting) -> Ordering:
        """See SharingPolicy.sharer."""
        return _UWFQ(setting, self.grace)


class _UWFQ(Sharer):
    def __init__(self, setting: Setting, grace: float) -> None:
        super().__init__(setting)
        self.fluid = VirtualTime(setting.cores, grace * self.second)
        self.deadlines: dict[Hashable, float] = {}  # of jobs, by number
        self.queue = StageQueue(self._place)

    def note(self, view: View, stage: StageState) -> None:
        if view.cores != self.fluid.cores:
            self.fluid.resize(view.cores, view.now)
        job, known = stage.job, self.deadlines
        needs = self.estimator.job(stage)
        answer = self.fluid.submit(job.user, job.number, needs, view.now)
        # Jobs that have really ended may still be in the fluid system; they need no deadline.
        changed = {n: new for n, new in answer.items() if n in known and known[n] != new}
        known |= changed
        known[job.number] = answer[job.number]
        if changed:
            self.queue.resort()
        self.queue.add(stage)

    def order(self, view: View) -> Iterable[StageState]:
        return self.queue

    def why(self, view: View, stage: StageState) -> str:
        deadline = self.deadlines[stage.job.number] / self.second
        return f"deadline {deadline:.1f} s of user {stage.job.user}"

    def finish(self, view: View, stage: StageState, work: int) -> None:
        super().finish(view, stage, work)
        if not stage.job.left:
            self.fluid.done(stage.job.user, stage.job.number)
            self.deadlines.pop(stage.job.number, None)

    def _place(self, stage: StageState) -> tuple[float, int, int]:
        job = stage.job.number
        return (self.deadlines[job], job, stage.index)


POLICIES = (UWFQ,)
