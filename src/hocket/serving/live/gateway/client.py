"""The client of one request: what has been sent to it, and whether it is still there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from hocket.serving.live.gateway import answers
from hocket.serving.live.gateway.answers import Headers

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


_CLOSING = (408, 413, 431)
"""Answers to requests of which more may be coming that nobody wants to read."""


class Client:
    """Wraps the two callables of ASGI. Writing waits while the client is slow to read."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.status = 0
        self.ended = False

    @property
    def started(self) -> bool:
        """Whether anything has been sent to it."""
        return self.status != 0

    async def begin(self, status: int, headers: Headers) -> None:
        """Send the head of the answer."""
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the answer."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self, chunk: bytes = b"") -> None:
        """Send the last piece."""
        self.ended = True
        await self._send({"type": "http.response.body", "body": chunk, "more_body": False})

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer."""
        await self.begin(status, headers)
        await self.end(body)

    async def refuse(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        id: str = "",
        allow: str = "",
    ) -> None:
        """Send an error of the gateway's own; `allow`: the methods that there are instead."""
        body = answers.error(status, message, code=code, param=param)
        headers = answers.json_headers(body, retry_after=retry_after)
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if allow:
            headers.append((b"allow", allow.encode()))
        if status in _CLOSING:
            headers.append((b"connection", b"close"))
        if id:
            headers.append((b"x-request-id", id.encode("latin-1")))
        await self.answer(status, headers, body)

    async def gone(self) -> None:
        """Return when the client has gone away. Its whole request must have been received."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
