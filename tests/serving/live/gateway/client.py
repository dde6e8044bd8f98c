"""What a client sees: answers with every byte, and the end that they came to."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp


@dataclass
class Reply:
    """One answer. `error` is empty if the body came to its proper end."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def events(self) -> list[bytes]:
        """The data of server-sent events, in order."""
        lines = self.body.replace(b"\r\n", b"\n").split(b"\n")
        return [line[len(b"data: ") :] for line in lines if line.startswith(b"data: ")]

    @property
    def chunks(self) -> list[Any]:
        """The events that are JSON objects, up to the end mark."""
        return [json.loads(data) for data in self.events if data != b"[DONE]"]

    @property
    def text(self) -> str:
        """The text of the first choice, whatever kind of answer it is."""
        if self.headers.get("Content-Type", "").startswith("application/json"):
            choice = self.json["choices"][0]
            return str(choice["message"]["content"] if "message" in choice else choice["text"])
        choices = [choice for chunk in self.chunks for choice in chunk.get("choices", ())]
        said = [one["delta"].get("content") if "delta" in one else one["text"] for one in choices]
        return "".join(piece or "" for piece in said)

    @property
    def tokens(self) -> list[int]:
        """The tokens of the first choice, where they were asked for."""
        if self.headers.get("Content-Type", "").startswith("application/json"):
            return list(self.json["choices"][0]["token_ids"])
        choices = [choice for chunk in self.chunks for choice in chunk.get("choices", ())]
        return [token for choice in choices for token in choice.get("token_ids") or ()]

    @property
    def done(self) -> bool:
        """Whether a stream said that it is complete."""
        return bool(self.events) and self.events[-1] == b"[DONE]"


class Client:
    """``async with Client(url) as client``: asks one server."""

    def __init__(self, url: str, *, seconds: float = 100.0) -> None:
        self.url = url
        self.seconds = seconds

    async def __aenter__(self) -> Client:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=self.seconds),
            auto_decompress=False,
            read_bufsize=1 << 16,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def get(self, path: str, **options: Any) -> Reply:
        """The answer to a GET."""
        return await self._ask("GET", path, options)

    async def post(self, path: str, body: Any, **options: Any) -> Reply:
        """The answer to a POST of JSON, or of bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        options["headers"] = {"Content-Type": "application/json"} | options.get("headers", {})
        return await self._ask("POST", path, {"data": data} | options)

    async def complete(self, prompt: Any, limit: int = 16, **fields: Any) -> Reply:
        """The answer to a completion."""
        headers = fields.pop("headers", {})
        asked = {"model": "tiny", "prompt": prompt} | greedy(limit) | fields
        return await self.post("/v1/completions", asked, headers=headers)

    async def chat(self, prompt: str, limit: int = 16, **fields: Any) -> Reply:
        """The answer to a conversation of one message."""
        headers = fields.pop("headers", {})
        messages = [{"role": "user", "content": prompt}]
        asked = {"model": "tiny", "messages": messages} | greedy(limit) | fields
        return await self.post("/v1/chat/completions", asked, headers=headers)

    async def _ask(self, method: str, path: str, options: dict[str, Any]) -> Reply:
        reply = Reply()
        try:
            async with self.session.request(method, self.url + path, **options) as response:
                reply.status, reply.headers = response.status, response.headers
                async for data in response.content.iter_any():
                    reply.body += data
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            reply.error = type(error).__name__
        return reply


def greedy(limit: int) -> dict[str, Any]:
    """Fields that ask for exactly `limit` tokens, the same every time."""
    return {"max_tokens": limit, "temperature": 0, "ignore_eos": True}


@dataclass
class Raw:
    """A connection of bare bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, url: str) -> Raw:
        """Connect to ``http://host:port``."""
        host, port = url.removeprefix("http://").split(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def until(self, mark: bytes, seconds: float = 10.0) -> bytes:
        """What comes, up to this mark or the end."""
        held = b""
        async with asyncio.timeout(seconds):
            while mark not in held:
                more = await self.reader.read(1 << 16)
                if not more:
                    break
                held += more
        return held

    async def rest(self, seconds: float = 10.0) -> bytes:
        """What comes until the other side closes."""
        async with asyncio.timeout(seconds):
            return await self.reader.read(-1)

    async def close(self) -> None:
        """Go away."""
        self.writer.close()


def posted(path: str, body: bytes, *headers: str, version: str = "1.1") -> bytes:
    """The bytes of a POST."""
    lines = [f"POST {path} HTTP/{version}", "Host: test", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


async def until(true: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait until something is so. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.002)


def live(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test in an event loop of its own, and give it up after two minutes."""

    @functools.wraps(test)
    def run(*args: Any, **options: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(120):
                await test(*args, **options)

        asyncio.run(bounded())

    return run
