"""One attempt at a request: what is sent to one backend, and how its answer reaches the client.

What comes before the first token is held back, so that until then the request can be tried
elsewhere. From there on all is passed on as it comes, byte for byte.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from hocket.serving.live.gateway.answers import Headers
from hocket.serving.live.gateway.config import Timeouts
from hocket.serving.live.gateway.resume import Story
from hocket.serving.live.gateway.sse import Scanner, error_status, usage_of
from hocket.serving.live.gateway.upstream import Upstream, Upstreams, passed_on

if TYPE_CHECKING:
    from hocket.serving.live.gateway.call import Call

_HELD = 2**20
"""Bytes of an answer that are held before the first is sent."""
_AGAIN = (429, 500, 502, 503, 504)
"""Answers after which another backend may do better."""
_FAULTS = (502, 503, 504)
"""Answers that tell of a backend that is ill; 500 may be the request's fault, 429 is nobody's."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A backend's answer that was kept back."""

    status: int
    headers: Headers
    body: bytes


class Failed(Exception):
    """An attempt came to nothing, or broke off.

    - `reason`: one word for metrics; `status`: what to answer if nobody else can do better
    - `fault`: whether it speaks against the backend; `again`: whether another may be tried
    - `answer`: what the backend said, if it said anything; `event`: the same in a stream
    """

    def __init__(
        self,
        reason: str,
        status: int,
        *,
        fault: bool = True,
        again: bool = True,
        answer: Answer | None = None,
        event: bytes = b"",
    ) -> None:
        super().__init__(reason)
        self.reason, self.status, self.answer, self.event = reason, status, answer, event
        self.fault, self.again = fault, again


class Moved(Exception):
    """The stream was left at a point from which it goes on at `destination`."""

    def __init__(self, destination: str) -> None:
        super().__init__(destination)
        self.destination = destination


class Attempt:
    """Sends `call` to a backend; `tokens` hears of every piece of an answer."""

    def __init__(
        self,
        call: Call,
        one: Upstream,
        upstreams: Upstreams,
        timeouts: Timeouts,
        now: Callable[[], int],
        tokens: Callable[[int], None],
    ) -> None:
        self.call, self.one, self.upstreams = call, one, upstreams
        self.timeouts, self.now, self.tokens = timeouts, now, tokens
        self.answered = False
        self.held = b""

    async def run(self, path: str, body: bytes) -> None:
        """Send and relay. Raises Failed, or Moved."""
        timeouts = self.timeouts
        until = timeouts.connect + timeouts.first if timeouts.first else None
        headers = self.upstreams.headers(self.one, self.call.headers, self.call.ask.id)
        try:
            async with asyncio.timeout(until) as deadline:
                self.deadline = deadline
                response = await self.upstreams.post(self.one, path, body, headers)
                try:
                    await self._relay(response)
                finally:
                    response.close()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _failed(error) from None

    async def _relay(self, response: aiohttp.ClientResponse) -> None:
        if response.status in _AGAIN:
            answer = await self._kept(response)
            fault = answer.status in _FAULTS
            raise Failed(f"status {answer.status}", answer.status, fault=fault, answer=answer)
        if response.content_type == "text/event-stream":
            await self._events(response)
        else:
            await self._whole(response)

    async def _kept(self, response: aiohttp.ClientResponse, body: bytes = b"") -> Answer:
        """An answer that tells of an error, as far as it comes; `body` has come already."""
        while len(body) < _HELD and (chunk := await response.content.readany()):
            body += chunk
        headers = [pair for pair in passed_on(response) if pair[0] != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        return Answer(status=response.status, headers=headers, body=body)

    async def _whole(self, response: aiohttp.ClientResponse) -> None:
        """An answer without events: held until it is whole, or longer than anyone would expect."""
        if self.call.client.started:
            raise Failed("no events", 502)
        client, content = self.call.client, response.content
        chunks: list[bytes] = []
        size = 0
        while chunk := await content.readany():
            if client.started:
                await self._write(chunk)
                continue
            chunks.append(chunk)
            size += len(chunk)
            self._wait(self.timeouts.gap)
            if size > _HELD:
                await self._begin(response)
                await self._write(b"".join(chunks))
                chunks.clear()
        body = b"".join(chunks)
        if not client.started:
            await self._begin(response)
            if usage := usage_of(body):
                self.tokens(usage.completion_tokens)
                self.call.counted(usage)
        self.one.breaker.succeeded()
        self._wait(0.0)
        await client.end(body)

    async def _events(self, response: aiohttp.ClientResponse) -> None:
        """A stream of events."""
        if b"content-encoding" in _names(response):  # which was not asked for
            self.call.story = None
        if self.call.story is None:
            await self._passed(response)
        else:
            await self._told(response, self.call.story)

    async def _passed(self, response: aiohttp.ClientResponse) -> None:
        """A stream passed on byte for byte."""
        call, scanner = self.call, Scanner()
        try:
            while chunk := await response.content.readany():
                found = scanner.feed(chunk)
                await self._check(response, scanner.error, chunk)
                await self._pass(response, chunk, scanner.shows or bool(scanner.error))
                if found:
                    self.tokens(found)
            scanner.finish()
        finally:
            call.within = scanner.within
            call.entry.malformed += scanner.malformed
            if usage := scanner.usage:
                if (more := usage.completion_tokens - scanner.tokens) > 0:
                    self.tokens(more)  # the engine sends several with one event
                call.counted(usage)
        if not scanner.done and b"transfer-encoding" not in _names(response):
            raise Failed("cut off", 502)  # without chunks nothing else tells an end from a break
        if scanner.error:
            call.entry.why = "the engine sent an error event"
        await self._end(response)

    async def _told(self, response: aiohttp.ClientResponse, story: Story) -> None:
        """A stream passed on event by event, and remembered, so that it could go on elsewhere."""
        call = self.call
        try:
            while chunk := await response.content.readany():
                passed, found = story.feed(chunk)
                await self._check(response, story.error, passed + story.error)
                await self._pass(response, passed, story.shows)
                if found:
                    self.tokens(found)
                if story.error:
                    raise Failed("error event", 500, event=story.error)
                if found and call.destination not in ("", self.one.name) and story.clean:
                    raise Moved(call.destination)
        finally:
            call.entry.malformed = story.malformed
            call.counted(story.usage)
        if not story.done:
            raise Failed("cut off", 502)
        await self._end(response, story.rest_of_bytes())

    async def _check(self, response: aiohttp.ClientResponse, error: bytes, chunk: bytes) -> None:
        """Raise Failed where a stream tells of an error before the client has been told anything.

        What the engine said is kept, in case nobody can do better.
        """
        if not error or self.call.client.started:
            return
        status = error_status(error)
        answer = await self._kept(response, self.held + chunk)
        raise Failed("error event", status, fault=False, again=status >= 500, answer=answer)

    async def _pass(self, response: aiohttp.ClientResponse, chunk: bytes, shows: bool) -> None:
        """Pass a piece on; held until it `shows` anything, as another backend may be asked then."""
        if self.call.client.started:
            self._answering()
            if chunk:
                await self._write(chunk)
            return
        self.held += chunk
        if shows or len(self.held) > _HELD:
            await self._begin(response)
            held, self.held = self.held, b""
            await self._write(held)

    async def _end(self, response: aiohttp.ClientResponse, rest: bytes = b"") -> None:
        """The stream has ended as it should."""
        if not self.call.client.started:
            if not self.held:
                raise Failed("empty stream", 502)
            await self._begin(response)
        self.one.breaker.succeeded()
        self._wait(0.0)
        await self.call.client.end(self.held + rest)

    async def _begin(self, response: aiohttp.ClientResponse) -> None:
        self._answering()
        headers = passed_on(response)
        if response.content_type == "text/event-stream":  # which may yet get shorter or longer
            headers = [pair for pair in headers if pair[0] != b"content-length"]
        if all(name != b"x-request-id" for name, _ in headers):
            headers.append((b"x-request-id", self.call.ask.id.encode()))
        self.call.first = self.now()
        await self.call.client.begin(response.status, headers)

    async def _write(self, chunk: bytes) -> None:
        """Pass on. However long the client takes, it is not the backend that is slow."""
        self._wait(0.0)
        await self.call.client.write(chunk)
        self._wait(self.timeouts.gap)

    def _wait(self, seconds: float) -> None:
        """Give the backend so many seconds from now on; 0 is for ever."""
        loop = asyncio.get_running_loop()
        self.deadline.reschedule(loop.time() + seconds if seconds else None)

    def _answering(self) -> None:
        if not self.answered:
            self.answered = True
            self.one.breaker.answering()


def _names(response: aiohttp.ClientResponse) -> set[bytes]:
    return {name.lower() for name, _ in response.raw_headers}


def _failed(error: Exception) -> Failed:
    """What an exception of the connection means."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Failed("connect timeout", 504)
    if isinstance(error, TimeoutError):
        return Failed("timeout", 504)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Failed("unknown host", 502)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return Failed("disconnected", 502)
    if isinstance(error, OSError):
        refused = error.errno == errno.ECONNREFUSED
        return Failed("refused" if refused else "reset", 502)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Failed("cut off", 502)
    return Failed("bad response", 502)
