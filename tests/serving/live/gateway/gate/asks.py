"""Requests for tests, and event loops whose time is virtual."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Coroutine
from typing import Any, TypeVar

from hocket.serving.live.gateway.config import Backend, Config
from hocket.serving.live.gateway.parse import Ask

T = TypeVar("T")
SECOND = 1_000_000


def ask(id: str = "r", **fields: Any) -> Ask:
    """A request, streamed, of 100 tokens for tenant ``t``, unless `fields` say otherwise."""
    told: dict[str, Any] = {
        "tenant": "t",
        "kind": "completions",
        "model": "m",
        "prompt": 100,
        "stream": True,
    }
    return Ask(id=id, **(told | {"exact": True} | fields))


def config(**fields: Any) -> Config:
    """The settings of a gateway before two backends, ``a:1`` and ``b:1``."""
    backends = (Backend(url="http://a:1"), Backend(url="http://b:1"))
    return Config(backends=backends, **fields)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which sleeping takes no time: its clock leaps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def time(self) -> float:
        return self.seconds

    def ticks(self) -> int:
        """The clock of a gateway in this loop."""
        return round(self.seconds * SECOND)

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            while self._scheduled and self._scheduled[0]._cancelled:  # type: ignore[attr-defined]
                heapq.heappop(self._scheduled)._scheduled = False  # type: ignore[attr-defined]
            if self._scheduled:  # type: ignore[attr-defined]
                self.seconds = max(self.seconds, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def run(loop: VirtualLoop, main: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, run to its end in virtual time."""
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()
