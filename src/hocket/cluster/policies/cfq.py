"""Cluster fair queuing: the stage that would be done first if all had equal shares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from hocket.cluster.roles.analytics import Ordering, StageState, View
from hocket.cluster.sharing.fair_queue import FairQueue
from hocket.cluster.sharing.policy import Setting, Sharer, SharingPolicy
from hocket.cluster.sharing.queue import StageQueue


class CFQ(SharingPolicy, frozen=True):
    """The stage that would be done first if all stages had equal shares of the cores.

    See `hocket.cluster.sharing.fair_queue`. Users do not count: who has more stages gets more.
    """

    name: ClassVar[str] = "cluster/cfq"
    source: ClassVar[str] = (
        "C. Chen, W. Wang, S. Zhang, B. Li, Cluster fair queueing: speeding up data-parallel jobs "
        "with delay guarantees, INFOCOM 2017"
    )

    def sharer(self, setting: Setting) -> Ordering:
        """See SharingPolicy.sharer."""
        return _CFQ(setting)


class _CFQ(Sharer):
    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.fluid = FairQueue(setting.cores)
        self.deadlines: dict[int, float] = {}
        self.queue = StageQueue(lambda stage: (self.deadlines[stage.number], stage.number))

    def note(self, view: View, stage: StageState) -> None:
        if view.cores != self.fluid.cores:
            self.fluid.resize(view.cores, view.now)
        deadline = self.fluid.submit(self.estimator.stage(stage), view.now)
        self.deadlines[stage.number] = deadline
        self.queue.add(stage)

    def order(self, view: View) -> Iterable[StageState]:
        return self.queue

    def why(self, view: View, stage: StageState) -> str:
        return f"deadline {self.deadlines[stage.number] / self.second:.1f} s"

    def finish(self, view: View, stage: StageState, work: int) -> None:
        super().finish(view, stage, work)
        del self.deadlines[stage.number]


POLICIES = (CFQ,)
