"""Any order: what a policy has to beat to be worth its while."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from hocket.cluster.roles.analytics import Ordering, StageState, View
from hocket.cluster.sharing.policy import UWFQ, Setting, Sharer, SharingPolicy
from hocket.cluster.sharing.queue import StageQueue


class Random(SharingPolicy, frozen=True):
    """Stages in a random order: each draws its place when it is submitted.

    Drawn from the stream ``policy.order``.
    """

    name: ClassVar[str] = "cluster/random"
    source: ClassVar[str] = UWFQ

    def sharer(self, setting: Setting) -> Ordering:
        """See SharingPolicy.sharer."""
        return _Random(setting)


class _Random(Sharer):
    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.generator = setting.streams["policy.order"]
        self.places: dict[int, float] = {}
        self.queue = StageQueue(lambda stage: (self.places[stage.number], stage.number))

    def note(self, view: View, stage: StageState) -> None:
        self.places[stage.number] = float(self.generator.random())
        self.queue.add(stage)

    def order(self, view: View) -> Iterable[StageState]:
        return self.queue

    def why(self, view: View, stage: StageState) -> str:
        return f"drew {self.places[stage.number]:.3f}"

    def finish(self, view: View, stage: StageState, work: int) -> None:
        super().finish(view, stage, work)
        del self.places[stage.number]


POLICIES = (Random,)
