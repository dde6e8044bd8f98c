"""Heads that are too large, or do not come, end the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("httptools")

import uvicorn

from hocket.serving.live.gateway import protocol
from hocket.serving.live.gateway.protocol import bounded

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def answers(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
        )
        await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def connected() -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
    settings = uvicorn.Config(answers, http=bounded(1000), lifespan="off", log_config=None)
    settings.load()
    server = uvicorn.Server(settings)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: settings.http_protocol_class(settings, server.server_state, {}), "127.0.0.1", 0
    )
    port = listener.sockets[0].getsockname()[1]
    try:
        yield lambda: asyncio.open_connection("127.0.0.1", port)
    finally:
        listener.close()


def run(work: Callable[[Callable[[], Awaitable[Streams]]], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        async with connected() as connect, asyncio.timeout(10):
            await work(connect)

    asyncio.run(all_of_it())


REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n" + b"b" * 5000


def test_bodies_are_no_heads() -> None:
    async def work(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        for _ in range(3):
            writer.write(REQUEST)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        for part in (REQUEST[:30], REQUEST[30:60], REQUEST[60:]):
            writer.write(part)
            await asyncio.sleep(0.01)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.close()

    run(work)


@pytest.mark.parametrize("piece", [b"x-more: 1\r\n", b"a", b"GET / HTTP/1.1\r\n"[:4] * 3])
def test_a_head_without_end(piece: bytes) -> None:
    async def work(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ")
        for _ in range(3000 // len(piece)):
            writer.write(piece)
        try:
            told = await reader.read()
        except ConnectionResetError:  # before all that was sent had been read
            return
        assert told.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400")) and b"200 OK" not in told

    run(work)


def test_a_further_head_without_end() -> None:
    async def work(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        writer.write(REQUEST)
        await reader.readuntil(b"ok")
        writer.write(b"GET / HTTP/1.1\r\nx: " + b"a" * 3000)
        try:
            assert (await reader.read()).startswith(b"HTTP/1.1 431")
        except ConnectionResetError:
            return

    run(work)


def test_heads_that_do_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)

    async def work(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        assert await reader.read() == b""  # it said nothing at all
        reader, writer = await connect()
        writer.write(b"GET / HT")
        assert await reader.read() == b""
        reader, writer = await connect()
        writer.write(REQUEST)
        await reader.readuntil(b"ok")
        writer.write(b"GET ")
        assert await reader.read() == b""

    run(work)
