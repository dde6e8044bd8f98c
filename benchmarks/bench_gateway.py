"""What the gateway adds to a request: streams through it, and past it, in the same run.

    pytest benchmarks/bench_gateway.py -s -p no:xdist

An engine that answers by the clock, the gateway and the load are three processes. Requests arrive
open-loop, as a Poisson stream of 200 per second, in blocks of a few seconds that go directly and
through the gateway in turns; a request is timed from when it was due, so that a sender that lags
hides nothing. Direct blocks are compared with one another too: that is the noise floor, which on a
busy machine may be as large as what is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.request import urlopen

import pytest

pytest.importorskip("aiohttp")
uvloop = pytest.importorskip("uvloop")

RATE, BLOCK, ROUNDS = 200.0, 2.5, 4  # requests per second; seconds; blocks of each kind
TOKENS, GAP, PROMPT = 16, 0.012, 600  # of an answer; seconds between; characters
REPEATS = 3
TARGET = 0.005
QUANTILES = (50, 90, 99)
SHOWN = re.compile(rb'"text":"[^"]')  # the first byte of a character of two tokens shows nothing


class Took(NamedTuple):
    """Seconds from when a request was due: to its first token, and to its last."""

    first: float
    whole: float


class Connection(asyncio.Protocol):
    """One kept-alive connection: as little work as can be, so that it is not what is measured."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] | None = None
        self.first = 0.0
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self.first == 0.0 and SHOWN.search(data):
            self.first = time.perf_counter()
        self._tail = (self._tail + data)[-5:]
        if self._tail == b"0\r\n\r\n" and self.done is not None and not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_exception(error or ConnectionResetError())

    async def ask(self, request: bytes) -> float:
        """Send a request and wait for all of its answer; when its first token came."""
        self.first, self._tail = 0.0, b""
        self.done = asyncio.get_running_loop().create_future()
        assert self.transport is not None
        self.transport.write(request)
        await self.done
        return self.first


class Sender:
    """Requests to one server, on as many connections as it takes."""

    def __init__(self, port: int) -> None:
        self.port, self.idle = port, list[Connection]()

    async def send(self, due: float, request: bytes) -> Took:
        """One request that was due at a time of the performance counter."""
        loop = asyncio.get_running_loop()
        if self.idle:
            connection = self.idle.pop()
        else:
            _, connection = await loop.create_connection(Connection, "127.0.0.1", self.port)
        first = await connection.ask(request)
        self.idle.append(connection)
        return Took(first - due, time.perf_counter() - due)

    async def open_loop(self, seconds: float, rate: float, seed: int) -> list[Took]:
        """Requests of a Poisson stream, each sent when it is due, whatever became of the others."""
        luck, tasks = random.Random(seed), []
        due = end = time.perf_counter()
        end += seconds
        while (due := due + luck.expovariate(rate)) < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(self.send(due, asked(luck))))
        return await asyncio.gather(*tasks)

    async def closed_loop(self, seconds: float, clients: int, seed: int) -> int:
        """How many requests `clients` get answered, each asking again at once."""
        end = time.perf_counter() + seconds

        async def client(luck: random.Random) -> int:
            count = 0
            while (now := time.perf_counter()) < end:
                await self.send(now, asked(luck))
                count += 1
            return count

        return sum(await asyncio.gather(*(client(random.Random(seed + n)) for n in range(clients))))

    def close(self) -> None:
        """Close the connections."""
        for connection in self.idle:
            if connection.transport is not None:
                connection.transport.close()


def asked(luck: random.Random, tokens: int = TOKENS) -> bytes:
    """The bytes of a request for a stream, with a prompt of its own."""
    prompt = f"{luck.getrandbits(64):x} " + "word " * (PROMPT // 5)
    body = {"model": "tiny", "prompt": prompt, "max_tokens": tokens, "ignore_eos": True}
    data = json.dumps(body | {"stream": True, "temperature": 0}).encode()
    head = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


@contextmanager
def engine(gap: float = GAP) -> Iterator[int]:
    """An engine in a process of its own: its port."""
    words = [sys.executable, "-m", "tests.serving.live.gateway.engine", "--gap", str(gap)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline().rpartition(":")[2])
        finally:
            process.terminate()


@contextmanager
def gateway(*ports: int, policy: str = "serving/least-outstanding") -> Iterator[tuple[int, int]]:
    """A gateway before engines, as a user starts it: its port and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "hocket", "gateway", "--policy", policy]
    words += ["--listen", f"127.0.0.1:{port}"]
    for backend in ports:
        words += ["--backend", f"http://127.0.0.1:{backend}"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            ready(port)
            yield port, process.pid
        finally:
            process.terminate()


def ready(port: int) -> None:
    """Wait until a server says that it is ready."""
    for _ in range(400):
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise TimeoutError("the gateway did not come up")


def processor(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quantile(values: list[float], percent: int) -> float:
    """The value that `percent` of them do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def added(before: list[Took], after: list[Took]) -> dict[tuple[str, int], float]:
    """By how many seconds each quantile of `after` lies above that of `before`."""
    return {
        (field, percent): quantile([getattr(took, field) for took in after], percent)
        - quantile([getattr(took, field) for took in before], percent)
        for field in Took._fields
        for percent in QUANTILES
    }


async def turns(direct: Sender, through: Sender, seed: int) -> tuple[list[list[Took]], list[Took]]:
    """Blocks in turns: those that went directly, of even and of odd number, and the others."""
    plain: list[list[Took]] = [[], []]
    proxied: list[Took] = []
    for sender in (direct, through):
        await sender.open_loop(0.5, RATE, seed)
    for block in range(ROUNDS):
        plain[block % 2] += await direct.open_loop(BLOCK, RATE, seed + 2 * block)
        proxied += await through.open_loop(BLOCK, RATE, seed + 2 * block + 1)
    return plain, proxied


def told(name: str, values: dict[tuple[str, int], float]) -> str:
    """One line of quantiles in milliseconds."""
    parts = [
        f"{field} " + " ".join(f"{1e3 * values[field, percent]:+7.2f}" for percent in QUANTILES)
        for field in Took._fields
    ]
    return f"  {name:34}" + "   ".join(parts)


def test_what_it_adds_at_two_hundred_requests_per_second() -> None:
    worst: list[float] = []
    print(f"\nadded milliseconds, p50 p90 p99, at {RATE:.0f} requests/s of {TOKENS} tokens each")
    with engine() as port, gateway(port) as (front, pid):
        for repeat in range(REPEATS):

            async def run(seed: int = 1000 * repeat) -> tuple[list[list[Took]], list[Took]]:
                direct, through = Sender(port), Sender(front)
                found = await turns(direct, through, seed)
                direct.close()
                through.close()
                return found

            used = processor(pid)
            plain, proxied = uvloop.run(run())
            used = processor(pid) - used
            both = plain[0] + plain[1]
            through = added(both, proxied)
            worst.append(max(through["first", 99], through["whole", 99]))
            load = os.getloadavg()[0]
            each = 1e3 * used / (len(proxied) + RATE * 0.5)
            print(f"run {repeat + 1}: {len(proxied):,} requests, load average {load:.1f}, ", end="")
            print(f"{each:.2f} ms of processor per request in the gateway")
            print(told("direct, in all", added([Took(0.0, 0.0)] * 2, both)))
            print(told("noise: direct above direct", added(plain[0], plain[1])))
            print(told("through the gateway, added", through))
    assert min(worst) <= TARGET, f"p99 added {1e3 * min(worst):.1f} ms in the best of runs"


def test_how_much_it_can_take() -> None:
    print("\nclosed loop of 64 clients, engines without a clock")
    with engine(0.0) as port, engine(0.0) as other, gateway(port, other) as (front, pid):

        async def run(to: int) -> int:
            sender = Sender(to)
            await sender.closed_loop(0.5, 64, 1)
            count = await sender.closed_loop(4.0, 64, 100)
            sender.close()
            return count

        direct = uvloop.run(run(port))
        used = processor(pid)
        count = uvloop.run(run(front))
        used = processor(pid) - used
    each = used / (count * 4.5 / 4.0)
    print(f"one engine directly: {direct / 4.0:,.0f} requests/s of {TOKENS} tokens")
    print(
        f"two through the gateway: {count / 4.0:,.0f} requests/s; {1e3 * each:.2f} ms of ", end=""
    )
    print(f"processor each, {1 / each:,.0f} requests/s on a core of its own")
    assert 1 / each > 2 * RATE
