"""One process of a gateway: uvicorn, but for how it ends."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import uvicorn

from hocket.serving.live.gateway.app import Gateway
from hocket.serving.live.gateway.config import Config
from hocket.serving.live.gateway.protocol import bounded

BACKLOG = 2048
_KEEP_ALIVE = 75
_LOOK = 1.0
"""Seconds between two looks at whether the parent is still there."""
_LAST_WORDS = 1.0
"""Seconds that streams get to say that they were cut."""


class Process(uvicorn.Server):
    """Serves until a signal comes, then drains, and stops at once at a second one.

    A `worker` of several is sent its signals by its parent, and drains if that is killed.
    """

    def __init__(
        self,
        config: Config,
        bound: socket.socket,
        told: Callable[[str], None],
        *,
        worker: bool = False,
    ) -> None:
        """`told` hears of the URL when requests are being taken."""
        self.gateway = Gateway(config)
        super().__init__(_settings(self.gateway, config))
        self.patience, self.bound, self.told, self.worker = config.drain, bound, told, worker
        self.stops = 0
        self.tasks: list[asyncio.Task[None]] = []

    def serve_all(self) -> int:
        """Serve to the end; the exit code: 0 after a graceful end, 130 after a second signal."""
        with _silent():
            self.run(sockets=[self.bound])
        self.gateway.log.event("stopped")
        return 130 if self.stops > 1 else 0

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn.Server, which would raise the signal once more when all is done."""
        loop = asyncio.get_running_loop()
        numbers = [signal.SIGTERM] if self.worker else [signal.SIGTERM, signal.SIGINT]
        for number in numbers:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn.Server."""
        await super().startup(sockets)
        if self.worker:
            self.tasks.append(asyncio.create_task(self._attend()))
        url = url_of(self.bound)
        self.told(url)
        self.gateway.log.event("serving", url=url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn.Server."""
        await super().shutdown(sockets)
        await self.gateway.shutdown()

    def stop(self) -> None:
        """Drain, or stop at once if it is being drained."""
        self.stops += 1
        for task in self.tasks:
            task.cancel()
        self.tasks = [asyncio.create_task(self._end(self.patience if self.stops == 1 else 0.0))]

    async def _end(self, patience: float) -> None:
        gateway = self.gateway
        gateway.draining = True
        calls = gateway.proxy.calls
        gateway.log.event("draining", requests=len(calls), seconds=patience)
        await _emptied(calls, patience)
        if calls:
            gateway.log.event("cutting", requests=len(calls))
            gateway.proxy.cut()
            await _emptied(calls, _LAST_WORDS)
        self.should_exit = True

    async def _attend(self) -> None:
        parent = multiprocessing.parent_process()
        while parent is not None and parent.is_alive():
            await asyncio.sleep(_LOOK)
        self.tasks.clear()
        self.stop()


def _settings(gateway: Gateway, config: Config) -> uvicorn.Config:
    return uvicorn.Config(
        gateway,
        http=bounded(config.bounds.headers),
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=1,
    )


async def _emptied(calls: Mapping[str, object], seconds: float) -> None:
    """Wait until no calls are left, but not for longer than `seconds`."""
    until = time.monotonic() + seconds
    while calls and time.monotonic() < until:
        await asyncio.sleep(0.02)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep uvicorn's own words from mixing with the log."""
    logger = logging.getLogger("uvicorn.error")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def url_of(bound: socket.socket) -> str:
    """The URL of a socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
