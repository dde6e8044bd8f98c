"""How full an engine was over time, from its record: the gauges of a timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from hocket.core.timeline import Timeline
from hocket.serving.live.record import Began, Step


class Share(NamedTuple):
    """A running request's part of memory.

    `computed`: tokens that lie there; `cached`: those of them that were there when it came in;
    `prefix`: the digests of its prompt's blocks.
    """

    computed: int
    cached: int
    prefix: tuple[int, ...]


class Levels:
    """Collects readings and writes those that a reader who looks every `every` ticks would see.

    ``batch`` and ``waiting`` are requests, ``kv`` blocks in use, ``wasted`` tokens that fit in
    these but are not there. With an `every` of 0 nothing is written, as in simulations.
    """

    def __init__(self, began: Began, every: int) -> None:
        self._began, self._every = began, every
        self._found: dict[str, list[tuple[int, float]]] = {
            name: [] for name in ("batch", "waiting", "kv", "wasted")
        }

    def composed(
        self,
        step: Step,
        until: int,
        running: int,
        waiting: int,
        shares: Callable[[], Iterable[Share]],
    ) -> None:
        """An iteration begins and its memory is taken; nothing else is read before `until`."""
        if not self._every:
            return
        self.counted(step.at, running, waiting)
        used = self._began.blocks - step.free
        self._found["kv"].append((step.at, used))
        if -(-step.at // self._every) * self._every < until:  # somebody looks
            wasted = used * self._began.block_size - self._there(shares())
            self._found["wasted"].append((step.at, max(0, wasted)))

    def counted(self, time: int, running: int, waiting: int) -> None:
        """Requests came or went. While none runs, what the prefix cache keeps is free."""
        if not self._every:
            return
        self._found["batch"].append((time, running))
        self._found["waiting"].append((time, waiting))
        if not running:
            self._found["kv"].append((time, 0))
            self._found["wasted"].append((time, 0))

    def _there(self, shares: Iterable[Share]) -> int:
        """Tokens in memory: what each request computed, and what was found there, once."""
        size = self._began.block_size
        own = 0
        found, made = set[int](), set[int]()
        for share in shares:
            shared = share.prefix[: share.cached // size]
            found.update(shared)
            made.update(share.prefix[len(shared) : share.computed // size])
            own += share.computed - len(shared) * size
        return own + len(found - made) * size

    def write(self, timeline: Timeline, lane: str) -> None:
        """Put the readings into a timeline, by time."""
        if not self._every:
            return
        rows = [row for name in self._found for row in self._sampled(name, timeline.end)]
        for time, name, value in sorted(rows, key=lambda row: row[0]):
            timeline.gauge(name, lane, time, value)

    def _sampled(self, name: str, end: int) -> Iterable[tuple[int, str, float]]:
        """The changes of one level, at multiples of `every` before the end."""
        found = sorted(self._found[name], key=lambda reading: reading[0])
        times = np.array([time for time, _ in found], dtype=np.int64)
        ticks = np.arange(self._every, end, self._every)
        shown = None
        for tick, place in zip(ticks, np.searchsorted(times, ticks, side="right"), strict=True):
            value = found[place - 1][1] if place else 0
            if value != shown:
                shown = value
                yield int(tick), name, value
