"""A queue of stages by a key that rarely changes, from which those without waiting tasks drop."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from typing import Any

from hocket.cluster.roles.analytics import StageState


class StageQueue:
    """Stages in the order of ``key(stage)``, which should end with something unique."""

    def __init__(self, key: Callable[[StageState], Any]) -> None:
        """An empty queue."""
        self.key = key
        self.stages: list[StageState] = []

    def add(self, stage: StageState) -> None:
        """Put a stage in its place."""
        self._drop()
        insort(self.stages, stage, key=self.key)

    def resort(self) -> None:
        """Keys have changed."""
        self._drop()
        self.stages.sort(key=self.key)

    def __iter__(self) -> Iterator[StageState]:
        """The stages that have tasks waiting."""
        stages = self.stages
        while stages and not stages[0].waiting:
            del stages[0]  # most often those that were served first
        return (stage for stage in stages if stage.waiting)

    def _drop(self) -> None:
        """Let go of stages without waiting tasks, whose keys may be no more."""
        self.stages = [stage for stage in self.stages if stage.waiting]
