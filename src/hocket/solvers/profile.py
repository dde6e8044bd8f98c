"""The use of renewable resources over time."""

from __future__ import annotations

from bisect import bisect_right


class Profile:
    """The use of renewable resources over time, as steps."""

    def __init__(self, capacity: tuple[int, ...]) -> None:
        self.capacity = capacity
        self._times = [0]
        self._levels = [[0] * len(capacity)]

    def fit(self, after: int, duration: int, use: tuple[int, ...]) -> int:
        """The earliest time from `after` on (at least 0) at which the need fits throughout.

        Each need is within its capacity; a task of no duration fits anywhere.
        """
        if duration == 0 or not any(use):
            return after
        start = after
        k = bisect_right(self._times, start) - 1
        while k < len(self._times) and self._times[k] < start + duration:
            level = self._levels[k]
            if any(u + n > c for u, n, c in zip(level, use, self.capacity, strict=True)):
                start = self._times[k + 1]  # the last step is empty, so there is one
            k += 1
        return start

    def add(self, start: int, duration: int, use: tuple[int, ...]) -> None:
        """Occupy the resources from `start` on for `duration` ticks."""
        if duration == 0 or not any(use):
            return
        first, last = self._cut(start), self._cut(start + duration)
        for level in self._levels[first:last]:
            for r, need in enumerate(use):
                level[r] += need

    def peak(self) -> tuple[int, ...]:
        """The highest level of each resource at any time."""
        return tuple(max(column) for column in zip(*self._levels, strict=True))

    def _cut(self, time: int) -> int:
        """The index of the step that starts at `time`, made if there is none."""
        k = bisect_right(self._times, time) - 1
        if self._times[k] != time:
            k += 1
            self._times.insert(k, time)
            self._levels.insert(k, list(self._levels[k - 1]))
        return k
