"""Fewest running tasks first: Spark's FAIR mode, with one pool for all or one for each user."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import ClassVar

from hocket.cluster.roles.analytics import Ordering, StageState, View
from hocket.cluster.sharing.policy import SPARK, UWFQ, Setting, Sharer, SharingPolicy
from hocket.cluster.sharing.queue import StageQueue

RUNNING = attrgetter("running")


class Fair(SharingPolicy, frozen=True):
    """Of all stages the one with the fewest running tasks first, whoever's they are.

    Spark's ``FairSchedulingAlgorithm`` with one pool whose weights are 1 and whose minimal shares
    are 0: running tasks over weight, then the name of the task set, which Spark compares as text,
    so that stage 10 comes before stage 2.
    """

    name: ClassVar[str] = "cluster/fair"
    source: ClassVar[str] = SPARK

    def sharer(self, setting: Setting) -> Ordering:
        """See SharingPolicy.sharer."""
        return _Fair(setting)


class _Fair(Sharer):
    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.queue = StageQueue(task_set)

    def note(self, view: View, stage: StageState) -> None:
        self.queue.add(stage)

    def order(self, view: View) -> Iterable[StageState]:
        return sorted(self.queue, key=RUNNING)

    def why(self, view: View, stage: StageState) -> str:
        return f"{stage.running} tasks running"


class UJF(SharingPolicy, frozen=True):
    """User-job fair: the user with the fewest running tasks first, then that user's stages so.

    A FAIR pool for each user, named like the user, with weight 1 and minimal share 0: what Spark
    offers to users who want to share fairly, and what UWFQ is measured against.
    """

    name: ClassVar[str] = "cluster/ujf"
    source: ClassVar[str] = UWFQ

    def sharer(self, setting: Setting) -> Ordering:
        """See SharingPolicy.sharer."""
        return _UJF(setting)


class _UJF(Sharer):
    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.queues: dict[str, StageQueue] = {}  # of users, each of stages that wait
        self.stages: dict[str, list[StageState]] = {}  # of users, all that are not done

    def note(self, view: View, stage: StageState) -> None:
        user = stage.job.user
        if user not in self.queues:
            self.queues[user], self.stages[user] = StageQueue(task_set), []
        self.queues[user].add(stage)
        self.stages[user].append(stage)

    def order(self, view: View) -> Iterable[StageState]:
        running = {user: self._running(user) for user in self.stages}
        for user in sorted(running, key=lambda user: (running[user], user)):
            yield from sorted(self.queues[user], key=RUNNING)

    def why(self, view: View, stage: StageState) -> str:
        user = stage.job.user
        return f"{self._running(user)} tasks of user {user} running"

    def finish(self, view: View, stage: StageState, work: int) -> None:
        super().finish(view, stage, work)
        user = stage.job.user
        self.stages[user].remove(stage)
        if not self.stages[user]:
            del self.stages[user], self.queues[user]

    def _running(self, user: str) -> int:
        return sum(map(RUNNING, self.stages[user]))


def task_set(stage: StageState) -> str:
    """The name that Spark gives to a stage's tasks; where running tasks are equal, they decide."""
    return f"TaskSet_{stage.number}.0"


POLICIES = (Fair, UJF)
