"""The gateway as an ASGI application: what each path answers, and who may ask."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hocket.core.errors import HocketError
from hocket.core.load import load_policy
from hocket.serving.live.gateway import answers
from hocket.serving.live.gateway.admission import Admission
from hocket.serving.live.gateway.call import Call
from hocket.serving.live.gateway.client import Client, Message, Receive, Send
from hocket.serving.live.gateway.config import Config
from hocket.serving.live.gateway.decisions import Decider
from hocket.serving.live.gateway.fleet import Fleet
from hocket.serving.live.gateway.keys import Keys
from hocket.serving.live.gateway.logs import Log
from hocket.serving.live.gateway.migrate import Mover
from hocket.serving.live.gateway.parse import Ask, BadRequest, Kind, parse, with_priority
from hocket.serving.live.gateway.prometheus import CONTENT_TYPE, Metrics
from hocket.serving.live.gateway.proxy import Proxy
from hocket.serving.live.gateway.scrape import Poller
from hocket.serving.live.gateway.upstream import Upstreams

_ID = re.compile(rb"[A-Za-z0-9._:\-]{1,64}\Z")
_BODY_SECONDS = 30.0
"""Seconds in which a request's body has to be here."""
_MODEL = "/v1/models/"
_KINDS: dict[str, Kind] = {"/v1/completions": "completions", "/v1/chat/completions": "chat"}


class Clock:
    """Ticks of a microsecond since it was made."""

    def __init__(self) -> None:
        self._zero = time.monotonic_ns()

    def __call__(self) -> int:
        """The time in ticks."""
        return (time.monotonic_ns() - self._zero) // 1000


class Gateway:
    """The application. It serves from `startup` on, and no longer takes requests while draining."""

    def __init__(self, config: Config, *, log: Log | None = None) -> None:
        """Raises InputError and UserError for keys, policies and backends that cannot be used."""
        self.config, self.now = config, Clock()
        self.log = log or Log(requests=config.log == "all")
        self.keys = Keys(config.keys) if config.keys else None
        self.upstreams = Upstreams(config, self.now, own_keys=self.keys is not None)
        self.fleet = Fleet()
        for one in self.upstreams.all.values():
            self.fleet.add(
                one.name,
                blocks=one.config.blocks,
                block_size=one.config.block_size,
                in_flight=one.config.in_flight,
            )
        self.admission = Admission(config, self.fleet, self._names, self.now)
        self.decider = Decider(
            load_policy(config.policy),
            self.fleet,
            seed=config.seed,
            models={"engines": "all"},
            record=Path(config.record) if config.record else None,
        )
        self.metrics = Metrics(config.tenants)
        self.proxy = Proxy(
            config,
            self.upstreams,
            self.fleet,
            self.admission,
            self.decider,
            self.metrics,
            self.log,
            self.now,
        )
        self.mover = Mover(
            config, self.upstreams, self.fleet, self.decider, self.proxy.calls, self.now, self.log
        )
        self.poller = Poller(
            self.upstreams.page, self.fleet.scraped, self.now, period=config.scrape
        )
        self.draining = False
        self.held = 0  # bytes of bodies
        self._tasks: list[asyncio.Task[None]] = []
        self._routes: dict[str, tuple[str, Callable[..., Awaitable[None]]]] = {
            "/v1/completions": ("POST", self._generate),
            "/v1/chat/completions": ("POST", self._generate),
            "/v1/models": ("GET", self._models),
            "/health": ("GET", self._health),
            "/ready": ("GET", self._ready),
            "/metrics": ("GET", self._metrics),
        }

    def _names(self, ask: Ask) -> list[str]:
        return self.upstreams.names(ask.model, self.now())

    async def startup(self) -> None:
        """Look at all backends once, and go on looking."""
        await self.upstreams.probe()
        for one in self.upstreams.all.values():
            if not one.healthy:
                self.log.event("backend unhealthy", backend=one.name)
            if one.config.metrics:
                self.poller.watch(one.name)
        for work in (self._watch(), self.mover.run()):
            self._tasks.append(asyncio.create_task(work))

    async def shutdown(self) -> None:
        """Stop looking, and close every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.poller.close()
        await self.upstreams.close()
        self.decider.close()

    async def _watch(self) -> None:
        """Probe backends, and tell of those that come and go."""
        while True:
            await asyncio.sleep(self.config.health.period)
            try:
                await self._watched()
            except Exception as error:  # nobody else would notice that backends come and go
                self.log.event("internal error", why=f"{type(error).__name__}: {error}")

    async def _watched(self) -> None:
        before = {name: one.healthy for name, one in self.upstreams.all.items()}
        await self.upstreams.probe()
        for name, one in self.upstreams.all.items():
            if one.healthy != before[name]:
                self.log.event(
                    "backend healthy" if one.healthy else "backend unhealthy", backend=name
                )
                if one.healthy:
                    self.fleet.restarted(name, self.now())
        self.admission.changed(self.now())
        self._look()
        self.decider.flush()
        if self.decider.lost:
            self.log.event("record ended", why=self.decider.lost)
            self.decider.lost = ""
        if self.keys is not None:
            try:
                self.keys.refresh()
            except HocketError as error:
                self.log.event("keys unchanged", why=str(error))

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, Client(receive, send), receive)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.startup()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: Mapping[str, Any], client: Client, receive: Receive) -> None:
        path, method = scope["path"], scope["method"]
        found = self._routes.get(path)
        if found is None and path.startswith(_MODEL):
            found = ("GET", self._model)
        if found is None:
            message = f"there is nothing at {path[:100]}; this is an OpenAI-compatible gateway"
            await client.refuse(404, message, code="not_found")
        elif method != found[0] and not (method == "HEAD" and found[0] == "GET"):
            allow = "POST" if found[0] == "POST" else "GET, HEAD"
            why = f"{path[:100]} takes {allow}"
            await client.refuse(405, why, code="method_not_allowed", allow=allow)
        elif sum(len(n) + len(v) + 4 for n, v in scope["headers"]) > self.config.bounds.headers:
            await client.refuse(431, "the headers are too large", code="headers_too_large")
        else:
            await found[1](scope, client, receive)

    async def _generate(self, scope: Mapping[str, Any], client: Client, receive: Receive) -> None:
        """A completion or a chat."""
        arrival, headers = self.now(), dict(scope["headers"])
        tenant = self._tenant(headers)
        if tenant is None:
            await self._reject(client, 401, "no valid API key", code="invalid_api_key")
            return
        if self.draining:
            message = "the gateway is shutting down; try again"
            await self._reject(client, 503, message, code="draining", retry_after=1.0)
            return
        bounds = self.config.bounds
        if len(self.proxy.calls) >= bounds.requests or self.held >= bounds.memory:
            await self._overloaded(client)
            return
        parts: list[bytes] = []
        try:
            if await self._received(headers, client, receive, parts):
                parts[:] = [b"".join(parts)]
                await self._asked(scope, client, parts[0], tenant, arrival, headers)
        finally:
            self.held -= sum(map(len, parts))

    async def _asked(
        self,
        scope: Mapping[str, Any],
        client: Client,
        body: bytes,
        tenant: str,
        arrival: int,
        headers: Mapping[bytes, bytes],
    ) -> None:
        """Serve what a body asks for."""
        id = self._id(headers)
        try:
            ask = self._parsed(_KINDS[scope["path"]], body, id, tenant, arrival, headers)
        except BadRequest as error:
            code = "model_not_found" if error.status == 404 else "invalid_request"
            await self._reject(
                client, error.status, error.message, code=code, param=error.param, id=id
            )
            return
        await self.proxy.serve(Call(ask, client, scope["headers"]))

    def _parsed(
        self,
        kind: Kind,
        body: bytes,
        id: str,
        tenant: str,
        arrival: int,
        headers: Mapping[bytes, bytes],
    ) -> Ask:
        """The Ask, with the one model that there is where it names none. Raises BadRequest."""
        ask = parse(kind, body, id=id, tenant=tenant, arrival=arrival, headers=headers)
        if not ask.model and not self.upstreams.only_model():
            raise BadRequest("model: missing, and there are several", "model")
        if ask.model and not self.upstreams.known(ask.model):
            raise BadRequest(f"there is no model {ask.model[:100]!r}", "model", 404)
        ratio = self.proxy.estimator.ratio(ask.model)
        most_urgent = self.config.tenant(ask.tenant).priority
        priority = ask.priority if most_urgent is None else max(ask.priority, most_urgent)
        prompt = ask.prompt if ask.exact else max(1, round(ask.size * ratio))
        if (priority, prompt) == (ask.priority, ask.prompt):
            return ask
        body = ask.body
        if ask.priority < min(0, priority):  # or it would be more urgent in the engine
            body = with_priority(body, min(0, priority))
        return msgspec.structs.replace(ask, priority=priority, prompt=prompt, body=body)

    def _tenant(self, headers: Mapping[bytes, bytes]) -> str | None:
        """On whose behalf a request comes: empty if nobody is asked, None for a wrong key."""
        if self.keys is None:
            return ""
        scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        return self.keys.tenant(key.strip()) if scheme.lower() == "bearer" else None

    def _id(self, headers: Mapping[bytes, bytes]) -> str:
        """The id that the client gave, if it is sound and nobody else's; else a fresh one."""
        told = headers.get(b"x-request-id", b"")
        if _ID.match(told) and (id := told.decode()) not in self.proxy.calls:
            return id
        return secrets.token_hex(12)

    async def _received(
        self, headers: Mapping[bytes, bytes], client: Client, receive: Receive, parts: list[bytes]
    ) -> bool:
        """Add the body to `parts`, each counted in `held` as it comes.

        False if it is too large or does not come, which has been answered.
        """
        limit, memory = self.config.bounds.body, self.config.bounds.memory
        told = headers.get(b"content-length", b"0")
        size = int(told) if told.isdigit() and len(told) < 20 else 0
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                length = 0
                while size <= limit and length <= limit:
                    message: Message = await receive()
                    if message["type"] == "http.disconnect":
                        return False
                    parts.append(message.get("body", b""))
                    length += len(parts[-1])
                    self.held += len(parts[-1])
                    if self.held > memory:
                        await self._overloaded(client)
                        return False
                    if not message.get("more_body", False) and length <= limit:
                        return True
        except TimeoutError:
            await self._reject(client, 408, "the body did not come in time", code="timeout")
            return False
        why = f"the body is larger than {limit} bytes"
        await self._reject(client, 413, why, code="request_too_large")
        return False

    async def _overloaded(self, client: Client) -> None:
        message = "the gateway serves all the requests that it can hold; try again"
        await self._reject(client, 503, message, code="overloaded", retry_after=1.0)

    async def _reject(
        self,
        client: Client,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        retry_after: float | None = None,
        id: str = "",
    ) -> None:
        """Turn away what never became a request; counted and logged, but for its words."""
        self.metrics.rejected(status)
        self.log.event("rejected", id=id, status=status, why=code)
        await client.refuse(status, message, code=code, param=param, retry_after=retry_after, id=id)

    async def _models(self, scope: Mapping[str, Any], client: Client, receive: Receive) -> None:
        if self._tenant(dict(scope["headers"])) is None:
            await self._reject(client, 401, "no valid API key", code="invalid_api_key")
            return
        await self._json(client, 200, {"object": "list", "data": self.upstreams.listing()})

    async def _model(self, scope: Mapping[str, Any], client: Client, receive: Receive) -> None:
        """One entry of the list."""
        if self._tenant(dict(scope["headers"])) is None:
            await self._reject(client, 401, "no valid API key", code="invalid_api_key")
            return
        name = scope["path"].removeprefix(_MODEL)
        entry = next((one for one in self.upstreams.listing() if one["id"] == name), None)
        if entry is None:
            message = f"there is no model {name[:100]!r}"
            await client.refuse(404, message, code="model_not_found", param="model")
        else:
            await self._json(client, 200, entry)

    async def _health(self, scope: Mapping[str, Any], client: Client, receive: Receive) -> None:
        """Whether this process should go on: yes, unless it drains."""
        status = 503 if self.draining else 200
        await self._json(client, status, {"status": "draining" if self.draining else "ok"})

    async def _ready(self, scope: Mapping[str, Any], client: Client, receive: Receive) -> None:
        """Whether it can serve: it does not drain, and some backend takes requests."""
        now = self.now()
        states = {name: one.takes(now) for name, one in self.upstreams.all.items()}
        ready = any(states.values()) and not self.draining
        told = {"status": "ready" if ready else "not ready", "backends": states}
        await self._json(client, 200 if ready else 503, told)

    async def _metrics(self, scope: Mapping[str, Any], client: Client, receive: Receive) -> None:
        self._look()
        body = self.metrics.page()
        headers = [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        await client.answer(200, headers, body)

    def _look(self) -> None:
        calls, waiting = len(self.proxy.calls), self.admission.waiting
        self.metrics.look(self.upstreams.all.values(), calls, waiting, self.now())

    async def _json(self, client: Client, status: int, data: Any) -> None:
        body = msgspec.json.encode(data)
        await client.answer(status, answers.json_headers(body), body)
