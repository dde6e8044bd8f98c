"""The engine as a server, in the event loop of the test or in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from tests.serving.live.gateway.engine import model
from tests.serving.live.gateway.engine.faults import (
    Broken,
    Cut,
    Fault,
    Garbage,
    Hang,
    Length,
    Raw,
    Reset,
    Said,
    Shape,
    Slow,
    Status,
)
from tests.serving.live.gateway.engine.load import Load
from tests.serving.live.gateway.engine.wire import Call, Refused, dumps, event, refusal

LONGEST = 1 << 17
ROUGH = struct.pack("ii", 1, 0)  # linger for no time: closing then sends a reset


@dataclass
class Served:
    """One request for an answer, and what became of it.

    `outcome` is ``open``, then ``finished``, ``cancelled`` (its client went away), ``refused`` or
    the name of the fault that ended it.
    """

    path: str
    headers: dict[str, str]
    body: bytes
    outcome: str = "open"
    sent: int = 0
    prompt: list[int] = field(default_factory=list)

    @property
    def asked(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Struck(Exception):
    """A fault has ended the request and its connection."""


class Ended(Exception):
    """A fault has ended the answer, but properly: the connection stays."""


class Engine:
    """``async with Engine() as engine``: it listens at `engine.url`.

    - `gap`: seconds between tokens, 0 for as fast as possible; `prefill`: seconds per prompt token
    - `slots`: requests that run at a time; `blocks`: of 16 tokens, for the gauge alone
    - `told`: whether it has ``/metrics``
    """

    def __init__(
        self,
        *,
        name: str = "tiny",
        gap: float = 0.0,
        prefill: float = 0.0,
        slots: int = 1 << 20,
        blocks: int = 4096,
        told: bool = True,
        port: int = 0,
    ) -> None:
        self.name, self.gap, self.prefill, self.told, self.port = name, gap, prefill, told, port
        self.load = Load(slots=slots, blocks=blocks)
        self.served: list[Served] = []
        self.asked: Counter[str] = Counter()
        self.healthy = True
        self.faults: list[list[Any]] = []
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def outcomes(self) -> Counter[str]:
        """How many requests ended how."""
        return Counter(one.outcome for one in self.served)

    def fault(self, *faults: Fault) -> None:
        """From now on these faults befall requests, each as often as it says."""
        self.faults.extend([fault, fault.count] for fault in faults)

    async def start(self) -> None:
        """Listen, on the port of the last time if there was one."""
        self.load.began()
        app = web.Application(client_max_size=1 << 28)
        app.router.add_post("/v1/completions", self._completions)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/version", self._version)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=4096)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def kill(self) -> None:
        """As if the process were killed: every connection is reset, and none is taken."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        for site in tuple(runner.sites):
            await site.stop()
        for connection in tuple(runner.server.connections if runner.server else ()):
            if connection.transport is not None:
                reset(connection.transport)
        await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def _metrics(self, request: web.Request) -> web.Response:
        self.asked["metrics"] += 1
        if not self.told:
            raise web.HTTPNotFound
        return web.Response(text=self.load.metrics(self.name))

    async def _health(self, request: web.Request) -> web.Response:
        self.asked["health"] += 1
        return web.Response(status=200 if self.healthy else 503)

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": "0.32.0"})

    async def _models(self, request: web.Request) -> web.Response:
        self.asked["models"] += 1
        one = {"id": self.name, "object": "model", "created": 1, "owned_by": "tests"}
        one |= {"root": self.name, "parent": None, "max_model_len": LONGEST, "permission": []}
        return answer(200, {"object": "list", "data": [one]})

    async def _tokenize(self, request: web.Request) -> web.Response:
        self.asked["tokenize"] += 1
        asked = await request.json()
        whole = model.rendered(asked["messages"]) if "messages" in asked else asked["prompt"]
        tokens = model.tokenize(whole)
        return answer(
            200,
            {"count": len(tokens), "max_model_len": LONGEST, "tokens": tokens, "token_strs": None},
        )

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, chat=False)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, chat=True)

    async def _serve(self, request: web.Request, *, chat: bool) -> web.StreamResponse:
        one = Served(request.path, {k.lower(): v for k, v in request.headers.items()}, b"")
        self.served.append(one)
        try:
            one.body = await request.read()
            mark = one.headers.get("x-request-id", "")
            call = Call.read(one.body, chat=chat, request_id=mark, longest=LONGEST)
            if call.model != self.name:
                raise Refused(f"The model `{call.model}` does not exist.", 404)
            one.prompt = call.prompt
            return await Answer(self, one, call, request).give()
        except Refused as error:
            one.outcome = "refused"
            return answer(error.status, refusal(error.message, error.status))
        except Struck:
            return web.Response()  # its connection is gone
        except asyncio.CancelledError:
            one.outcome = "cancelled"
            self.load.finished["abort"] += 1
            raise
        except ConnectionError:
            one.outcome = "cancelled"
            self.load.finished["abort"] += 1
            return web.Response()  # to nobody


class Answer:
    """One answer on its way, with the faults that befall it."""

    def __init__(self, engine: Engine, one: Served, call: Call, request: web.Request) -> None:
        self.engine, self.one, self.call, self.request = engine, one, call, request
        self.stream = web.StreamResponse()
        self.shape, self.held, self.pieces = Shape(), b"", 0

    async def give(self) -> web.StreamResponse:
        """Serve the request."""
        early = self._due(Status, Raw)
        if isinstance(early, Status):
            self.one.outcome = "Status"
            return web.Response(
                status=early.status,
                headers={"Content-Type": "application/json"} | dict(early.headers),
                body=early.body,
            )
        if isinstance(early, Raw):
            await self._end(early, early.data)
        shape = self._due(Shape)
        if isinstance(shape, Shape):
            self.shape = shape
        load, engine = self.engine.load, self.engine
        async with load.place(self.call):
            if engine.prefill:
                await asyncio.sleep(engine.prefill * (len(self.call.prompt) - self.call.cached))
            try:
                response = await (self._streamed() if self.call.stream else self._whole())
            except Ended:
                await self.stream.write_eof()
                return self.stream
        self.one.outcome = "finished"
        return response

    def _due(self, *kinds: type[Fault]) -> Fault | None:
        """The next fault of one of these kinds that befalls the request now."""
        if not self.engine.faults:
            return None
        prompt = bytes(token for token in self.call.prompt if token < 256).decode(errors="replace")
        for entry in self.engine.faults:
            fault, left = entry
            fits = isinstance(fault, kinds) and fault.match in prompt
            if left and fits and fault.after <= self.one.sent:
                entry[1] -= 1
                return fault
        return None

    async def _streamed(self) -> web.StreamResponse:
        self.stream.headers["Content-Type"] = "text/event-stream; charset=utf-8"
        await self._befall()
        await self._open()
        await self._write(self.call.opening())
        for step in self.call.steps():
            await self._befall()
            if self.engine.gap:
                await asyncio.sleep(self.engine.gap)
            for choice, token, text, why in step:
                await self._write(self.call.told(choice, token, text, why))
                self._count(why)
            self.one.sent += 1
        await self._befall()
        await self._write(self.call.closing(), last=True)
        await self.stream.write_eof()
        return self.stream

    async def _whole(self) -> web.StreamResponse:
        answers: dict[int, tuple[list[int], str, str]] = {}
        for step in self.call.steps():
            await self._befall()
            if self.engine.gap:
                await asyncio.sleep(self.engine.gap)
            for choice, token, text, why in step:
                tokens, before, _ = answers.get(choice, ([], "", ""))
                answers[choice] = ([*tokens, token], before + text, why or "")
                self.call.said[choice] = self.call.said.get(choice, 0) + 1
                self._count(why)
            self.one.sent += 1
        body = dumps(self.call.whole(answers))
        wrong = self._due(Length)
        if isinstance(wrong, Length):
            head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            head += f"Content-Length: {len(body) + wrong.more}\r\n\r\n"
            await self._end(wrong, head.encode() + body)
        return web.Response(body=body, content_type="application/json")

    def _count(self, why: str | None) -> None:
        self.engine.load.answered += 1
        if why is not None:
            self.engine.load.finished[why] += 1

    async def _open(self) -> None:
        if not self.stream.prepared:
            await self.stream.prepare(self.request)

    async def _write(self, data: bytes, *, last: bool = False) -> None:
        """Send events, in the pieces that the shape asks for."""
        if self.shape.pad and data:
            data = b": " + b"x" * self.shape.pad + b"\n\n" + data
        if self.shape.crlf:
            data = data.replace(b"\n", b"\r\n")
        self.held += data
        self.pieces += 1
        if not last and self.pieces % self.shape.merge:
            return
        data, self.held = self.held, b""
        size = self.shape.size or len(data)
        for start in range(0, len(data), max(1, size)):
            await self.stream.write(data[start : start + size])
            if self.shape.size:
                await asyncio.sleep(0)

    async def _befall(self) -> None:
        """Let come what must at this point."""
        fault = self._due(Reset, Cut, Hang, Slow, Garbage, Said, Broken)
        match fault:
            case None:
                return
            case Slow():
                await asyncio.sleep(fault.seconds)
            case Garbage():
                await self._open()
                await self._write(fault.data)
            case Hang():
                if self.call.stream and (fault.headers or self.one.sent):
                    await self._open()
                await asyncio.Event().wait()
            case Said():
                await self._open()
                error = {"message": fault.message, "type": "InternalServerError", "code": 500}
                await self._write(event({"error": error}) + b"data: [DONE]\n\n", last=True)
                self.one.outcome = "Said"
                raise Ended
            case Broken():
                await self._open()
                await self._write(b'data: {"id":"cmpl-1","choices":[{"index":0,"te', last=True)
                await self._end(fault)
            case Cut():
                await self._open()
                if fault.clean:
                    self.one.outcome = "Cut"
                    raise Ended
                await self._end(fault)
            case Reset():
                if self.call.stream and (fault.headers or self.one.sent):
                    await self._open()
                    await asyncio.sleep(0.01)  # a reset overtakes what is still on its way
                self.one.outcome = "Reset"
                if self.request.transport is not None:
                    reset(self.request.transport)
                raise Struck

    async def _end(self, fault: Fault, data: bytes = b"") -> None:
        """Send what is left and close the connection."""
        self.one.outcome = type(fault).__name__
        transport = self.request.transport
        if transport is not None:
            transport.write(data)
            transport.close()
        raise Struck


def answer(status: int, body: Any) -> web.Response:
    """A response of JSON."""
    return web.Response(status=status, body=dumps(body), content_type="application/json")


def reset(transport: asyncio.BaseTransport) -> None:
    """Close a connection so that its other end sees a reset."""
    one = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ROUGH)
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
