"""What earlier stages took, and so what the next of their kind may take."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from statistics import median_low

RECENT = 101
"""So many of the latest stages of a kind and index are remembered."""


class History:
    """The median work of finished stages of the same kind and index, or a prior before any.

    The prior is `prior` units of work for each task. Knows nothing of a simulator: kinds are
    whatever tells jobs apart that are not alike.
    """

    def __init__(self, prior: float) -> None:
        """Nothing has been seen."""
        self.prior = prior
        self._seen: dict[Hashable, dict[int, deque[float]]] = {}

    def add(self, kind: Hashable, index: int, work: float) -> None:
        """A stage of such jobs has taken so much work."""
        self._seen.setdefault(kind, {}).setdefault(index, deque(maxlen=RECENT)).append(work)

    def estimate(self, kind: Hashable, index: int, tasks: int) -> float:
        """The work of a stage that is about to run as so many tasks."""
        seen = self._seen.get(kind, {}).get(index)
        return median_low(seen) if seen else self.prior * tasks

    def stages(self, kind: Hashable) -> Iterator[tuple[int, float]]:
        """The stages that jobs of this kind have had, each with its median work."""
        for index, seen in self._seen.get(kind, {}).items():
            yield index, median_low(seen)
