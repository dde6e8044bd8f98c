"""First in, first out: Spark's default."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from hocket.cluster.roles.analytics import Ordering, StageState, View
from hocket.cluster.sharing.policy import SPARK, Setting, Sharer, SharingPolicy
from hocket.cluster.sharing.queue import StageQueue


class FIFO(SharingPolicy, frozen=True):
    """Jobs in the order of submission, stages of a job in the order of their numbers.

    Spark's ``FIFOSchedulingAlgorithm``: what the first stage leaves over goes to the next.
    """

    name: ClassVar[str] = "cluster/fifo"
    source: ClassVar[str] = SPARK

    def sharer(self, setting: Setting) -> Ordering:
        """See SharingPolicy.sharer."""
        return _FIFO(setting)


class _FIFO(Sharer):
    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.queue = StageQueue(lambda stage: (stage.job.number, stage.index))

    def note(self, view: View, stage: StageState) -> None:
        self.queue.add(stage)

    def order(self, view: View) -> Iterable[StageState]:
        return self.queue

    def why(self, view: View, stage: StageState) -> str:
        return f"job {stage.job.number}, stage {stage.index}"


POLICIES = (FIFO,)
