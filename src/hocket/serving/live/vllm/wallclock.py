"""Requests sent to an engine as time goes by.

They are handed over between two iterations, as an engine's own loop takes them from its server;
their time of arrival is when they were due, however busy the engine was then.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from hocket.serving.live.vllm.job import News
from hocket.serving.model.requests import Requests

NAP = 0.05
"""Seconds of sleep at most, after which signals are heard."""
OFTEN = 0.2
"""Seconds between two reports."""


class Engine(Protocol):
    """What the clock needs of an engine. Requests are named by their rows."""

    def send(self, row: int, arrival: float) -> None:
        """Take a request, which was due `arrival` seconds after the run began."""

    def abort(self, row: int) -> None:
        """The client of a request has gone away."""

    def iterate(self) -> Sequence[int]:
        """Carry out one iteration; the requests that are done after it."""

    @property
    def busy(self) -> bool:
        """Whether any request is under way."""


class Run:
    """One run: `asked` are its requests, a tick of which lasts `tick` seconds.

    - `limit`: seconds after which it ends, None for none
    - `tell`: is told from time to time how far it is; `stop`: is asked whether to end
    - `clock`, `sleep`: as those of `time`; tests put others in their place
    """

    def __init__(
        self,
        engine: Engine,
        asked: Requests,
        tick: float,
        *,
        limit: float | None = None,
        tell: Callable[[News], None] = lambda news: None,
        stop: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine, self._asked, self._tick = engine, asked, tick
        self._limit, self._tell, self._stop = limit, tell, stop
        self._clock, self._sleep = clock, sleep
        arrivals = asked.arrival.tolist()
        self._due = [(ticks * tick, row) for row, ticks in enumerate(arrivals) if ticks >= 0]
        heapq.heapify(self._due)
        self._leaving: list[tuple[float, int]] = []
        self._after: dict[int, list[int]] = {}
        for row, before in enumerate(asked.follows.tolist()):
            if before >= 0:
                self._after.setdefault(before, []).append(row)
        self._turn = asked.clients  # the next that a client of a closed loop sends
        self._over: set[int] = set()
        self._begun, self._told = clock(), 0.0

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return self._clock() - self._begun

    @property
    def news(self) -> News:
        """How far it is."""
        return News(done=len(self._over), count=len(self._asked), seconds=self.seconds)

    def go(self) -> None:
        """Until every request is done, time is up, or somebody asks to stop."""
        self._begun = self._clock()
        while len(self._over) < len(self._asked) and not self._stop():
            now = self.seconds
            if self._limit is not None and now >= self._limit:
                return
            self._let_in(now)
            self._let_go(now)
            if self._engine.busy:
                for row in self._engine.iterate():
                    self._ended(row)
            else:
                self._wait()
            if self.seconds - self._told >= OFTEN:
                self._told = self.seconds
                self._tell(self.news)

    def _let_in(self, now: float) -> None:
        """Hand over the requests that are due."""
        while self._due and self._due[0][0] <= now:
            at, row = heapq.heappop(self._due)
            self._engine.send(row, at)
            patience = int(self._asked.cancel[row])
            if patience >= 0:
                heapq.heappush(self._leaving, (at + patience * self._tick, row))

    def _let_go(self, now: float) -> None:
        """Clients go away who have waited long enough."""
        while self._leaving and self._leaving[0][0] <= now:
            _, row = heapq.heappop(self._leaving)
            if row not in self._over:
                self._engine.abort(row)
                self._ended(row)

    def _ended(self, row: int) -> None:
        """A request is over: those that waited for its end are sent."""
        if row in self._over:
            return
        self._over.add(row)
        following = self._after.get(row, [])
        if self._asked.clients and self._turn < len(self._asked):
            following = [*following, self._turn]
            self._turn += 1
        for other in following:
            pause = int(self._asked.delay[other]) * self._tick
            heapq.heappush(self._due, (self.seconds + pause, other))

    def _wait(self) -> None:
        """Nothing to do: sleep until the next request is due, or for a moment."""
        pause = self._due[0][0] - self.seconds if self._due else NAP
        if pause > 0:
            self._sleep(min(pause, NAP))
