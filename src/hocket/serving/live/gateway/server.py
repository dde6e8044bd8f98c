"""Starting a gateway: its address, and its process or processes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess

import msgspec

from hocket.core.errors import UserError
from hocket.core.extras import need
from hocket.serving.live.gateway.config import Config

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOOK = 1.0
"""Seconds between two looks at the workers, and so at least between two starts of one."""


def listening(config: Config) -> socket.socket:
    """A socket bound to the address of the config. Raises UserError if that cannot be had."""
    host, port = config.address
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if config.workers > 1:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind(where)
    except OSError as error:
        raise UserError(f"cannot listen on {config.listen}: {error.strerror or error}") from None
    return found


def serve(config: Config, told: Callable[[str], None] = lambda _: None) -> int:
    """Serve until a signal ends it; the exit code: 0 after a graceful end, 130 after a second one.

    `told` hears once of the URL, when requests are being taken. Raises MissingExtra, UserError and
    InputError before that.
    """
    for module in ("aiohttp", "uvicorn", "httptools", "uvloop", "prometheus_client"):
        need(module, "web")
    if config.workers > 1:
        return _supervise(config, told)
    from hocket.serving.live.gateway.process import Process

    return Process(config, listening(config), told).serve_all()


def _work(config: Config) -> None:
    """The life of one worker of several. Ctrl-C on a terminal reaches all: the parent takes it."""
    from hocket.serving.live.gateway.process import Process

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise SystemExit(Process(config, listening(config), lambda _: None, worker=True).serve_all())


class _Workers:
    """Processes on one port, among which the kernel spreads connections. What dies is restarted."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.stops = 0
        self.all: list[BaseProcess] = []

    def start(self) -> BaseProcess:
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_work, args=(self.config,))
        process.start()
        if self.stops:  # a signal came meanwhile, and this one has not heard of it
            process.terminate()
        return process

    def stop(self, number: int, frame: object) -> None:
        """A signal has come: pass it on."""
        self.stops += 1
        for process in self.all:
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGTERM)

    def run(self, told: Callable[[], None]) -> int:
        """Run to the end; the exit code."""
        from prometheus_client.multiprocess import mark_process_dead

        for _ in range(self.config.workers):
            self.all.append(self.start())
        told()
        while any(process.is_alive() for process in self.all):
            time.sleep(0.1 if self.stops else _LOOK)
            for place, process in enumerate(self.all):
                if not self.stops and not process.is_alive():
                    # Or its gauges would count for ever.
                    mark_process_dead(process.pid)  # type: ignore[no-untyped-call]
                    self.all[place] = self.start()
        return 130 if self.stops > 1 else 0


def _supervise(config: Config, told: Callable[[str], None]) -> int:
    """Several processes."""
    from hocket.serving.live.gateway.app import Gateway
    from hocket.serving.live.gateway.process import url_of

    Gateway(config)  # what is wrong with it is told once, and here
    bound = listening(config)  # keeps the port, and never listens itself
    url, port = url_of(bound), bound.getsockname()[1]
    workers = _Workers(msgspec.structs.replace(config, listen=f"{config.address[0]}:{port}"))
    folder = tempfile.mkdtemp(prefix="hocket-gateway-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    before = {number: signal.signal(number, workers.stop) for number in _SIGNALS}
    try:
        return workers.run(lambda: told(url))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        bound.close()
        shutil.rmtree(folder, ignore_errors=True)
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
