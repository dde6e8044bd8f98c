"""The gateway for tests: in the event loop of the test, or as the process that users start."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from hocket.serving.live.gateway.app import Gateway
from hocket.serving.live.gateway.config import from_data
from hocket.serving.live.gateway.logs import Log
from tests.serving.live.gateway.client import Client, until
from tests.serving.live.gateway.engine import Engine

_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Sample = tuple[str, dict[str, str], float]


def samples(page: str) -> list[Sample]:
    """The samples of a page of metrics."""
    found = []
    for line in page.splitlines():
        if line and not line.startswith("#"):
            match = _SAMPLE.fullmatch(line)
            assert match is not None, line
            found.append((match[1], dict(_LABEL.findall(match[2] or "")), float(match[3])))
    return found


class Front(Client):
    """A client of a gateway that knows what can be seen of it: metrics and logs."""

    def __init__(self, url: str, engines: Sequence[Engine], log: io.BytesIO) -> None:
        super().__init__(url)
        self.names = [f"127.0.0.1:{engine.port}" for engine in engines]
        self.log = log
        self.gateway: Gateway | None = None

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The lines of requests."""
        return [line for line in self.lines if line["event"] == "request"]

    @property
    def last(self) -> dict[str, Any]:
        """The line of the request that ended last."""
        return self.requests[-1]

    async def page(self) -> list[Sample]:
        """What its metrics are."""
        return samples((await self.get("/metrics")).body.decode())

    async def count(self, name: str, **labels: str) -> float:
        """The sum of all samples of a metric that have these labels."""
        wanted = f"hocket_gateway_{name}"
        return sum(
            value
            for found, given, value in await self.page()
            if found == wanted and labels.items() <= given.items()
        )

    async def until(self, name: str, *values: float, **labels: str) -> None:
        """Wait until a metric has one of these values."""
        async with asyncio.timeout(10):
            while await self.count(name, **labels) not in values:
                await asyncio.sleep(0.005)

    def later(self, seconds: float) -> None:
        """Let the gateway believe that so much time has passed, for all but its timeouts."""
        assert self.gateway is not None
        self.gateway.now._zero -= round(seconds * 1e9)

    async def settled(self) -> None:
        """Wait until it serves nothing any more."""
        assert self.gateway is not None
        calls = self.gateway.proxy.calls
        await until(lambda: not calls)


def settings(
    engines: Sequence[Engine],
    *,
    backend: Mapping[str, Any] | None = None,
    failures: int = 3,
    recovery: float = 60.0,
    **fields: Any,
) -> dict[str, Any]:
    """Those of a gateway before engines, with the patience of a test on a busy machine."""
    found: dict[str, Any] = {
        "backends": [{"url": engine.url} | dict(backend or {}) for engine in engines],
        "health": {"period": 0.03, "timeout": 30.0, "failures": failures, "recovery": recovery},
        "timeouts": {"connect": 60.0, "first": 60.0, "gap": 60.0, "total": 100.0},
        "scrape": 0.02,
    }
    return found | fields


@contextlib.asynccontextmanager
async def gateway(*engines: Engine, wait: bool = True, **fields: Any) -> AsyncIterator[Front]:
    """A gateway in this event loop; with `wait` its engines have all been found well."""
    log = io.BytesIO()
    app = Gateway(from_data(settings(engines, **fields)), log=Log(log))
    server = uvicorn.Server(
        uvicorn.Config(
            app, http="httptools", ws="none", lifespan="on", log_config=None, access_log=False,
            server_header=False, date_header=False, backlog=4096, timeout_graceful_shutdown=1,
        )
    )  # fmt: skip
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]
    # Named TCP, for asyncio sends without delay only on sockets of which it knows that.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.bind(("127.0.0.1", 0))
        task = asyncio.create_task(server.serve(sockets=[bound]))
        await until(lambda: server.started or task.done())
        if task.done():
            task.result()
        async with Front(f"http://127.0.0.1:{bound.getsockname()[1]}", engines, log) as front:
            front.gateway = app
            if wait:
                await until(lambda: all(one.healthy for one in app.upstreams.all.values()))
            try:
                yield front
            finally:
                server.should_exit = True
                await task


class Process:
    """``hocket gateway`` as users start it."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, folder: Path) -> None:
        self.process, self.url, self.folder = process, url, folder

    @property
    def log(self) -> bytes:
        """What it has written to standard error."""
        return (self.folder / "stderr").read_bytes()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of its log that are JSON."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith(b"{")]

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end; the exit code."""
        async with asyncio.timeout(60):
            return await self.process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.asynccontextmanager
async def process(
    folder: Path, *engines: Engine, flags: Sequence[str] = (), **fields: Any
) -> AsyncIterator[Process]:
    """A gateway in a process of its own, with a config file, once it can serve."""
    port = free_port()
    config = settings(engines, **fields) | {"listen": f"127.0.0.1:{port}"}
    (folder / "gateway.json").write_text(json.dumps(config))
    words = ["-m", "hocket", "gateway", str(folder / "gateway.json"), *flags]
    with (folder / "stderr").open("wb") as errors, (folder / "stdout").open("wb") as output:
        started = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdout=output, stderr=errors,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    found = Process(started, f"http://127.0.0.1:{port}", folder)
    try:
        async with Client(found.url) as client, asyncio.timeout(90):
            while (await client.get("/ready")).status != 200:
                assert started.returncode is None, found.log.decode()
                await asyncio.sleep(0.05)
        yield found
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()
