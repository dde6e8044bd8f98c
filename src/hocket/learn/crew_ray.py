"""Workers as actors of a Ray cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hocket.core.errors import RunError
from hocket.core.extras import need
from hocket.core.interrupt import check
from hocket.core.pool import DIED
from hocket.learn.crew import PULSE, lost
from hocket.learn.workers import Player


class RayCrew:
    """`count` actors, one processor each. A cluster is started here if none is connected."""

    def __init__(self, count: int) -> None:
        """Raises MissingExtra without Ray."""
        self._ray = ray = need("ray", "ray")
        self._mine = not ray.is_initialized()
        if self._mine:
            ray.init(num_cpus=count, log_to_driver=False, include_dashboard=False)
        actor = ray.remote(num_cpus=1)(Player)
        self._actors = [actor.remote() for _ in range(count)]

    def ask(self, tasks: Sequence[Any]) -> list[Any]:
        """What comes of one task per worker: a result or an error. Raises RunError if one died."""
        pending = [actor.play.remote(task) for actor, task in zip(self._actors, tasks, strict=True)]
        found = []
        for reference, task in zip(pending, tasks, strict=True):
            while not self._ray.wait([reference], timeout=PULSE)[0]:
                check()
            try:
                found.append(self._ray.get(reference))
            except self._ray.exceptions.RayActorError:
                raise RunError(lost(task, DIED)) from None
        return found

    def close(self) -> None:
        """End the actors, and the cluster if it was started here."""
        for actor in self._actors:
            self._ray.kill(actor)
        if self._mine:
            self._ray.shutdown()
