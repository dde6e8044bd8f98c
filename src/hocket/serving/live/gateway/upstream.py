"""The backends as the gateway deals with them: connections, health, and the models they serve."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Sequence

import aiohttp
import msgspec

from hocket.core.errors import UserError
from hocket.serving.live.gateway.answers import Headers
from hocket.serving.live.gateway.config import Backend, Config
from hocket.serving.live.gateway.health import Breaker
from hocket.serving.live.gateway.scrape import LONGEST

_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"trailers transfer-encoding upgrade".split()
)
_NOT_SENT = _HOP_BY_HOP | {
    b"host",
    b"content-length",
    b"content-type",
    b"accept-encoding",
    b"expect",
    b"x-request-id",
}
_KEEP_ALIVE = 3.0
"""Seconds that an idle connection is kept: fewer than engines keep theirs (uvicorn: 5 s), so that
no request is sent on one that the engine is closing."""

_READ = 2**16
_LISTED_EVERY = 10
_MOST_LISTED = 2**20


class _Listing(msgspec.Struct, frozen=True, kw_only=True):
    data: list[dict[str, object]] = []


class Upstream:
    """One backend: what it is, what it serves, and whether it does.

    `models` maps what it serves to the entry of its list; `healthy` is what its last probes said,
    `breaker` what became of the requests sent to it; `sent` are those under way.
    """

    def __init__(self, config: Backend, breaker: Breaker) -> None:
        """Raises UserError if the variable that holds its key is not set."""
        self.config = config
        self.name = config.label
        self.base = config.base
        self.breaker = breaker
        self.healthy = False
        self.sent = 0
        self.models: dict[str, dict[str, object]] = {
            name: {"id": name, "object": "model"} for name in config.models
        }
        self.probes = 0
        self._failures = 0
        self.authorization = _authorization(config)

    def serves(self, model: str) -> bool:
        """Whether it serves a model; a request that names none goes anywhere."""
        return not model or model in self.models

    def longest(self, model: str) -> int:
        """Most tokens of prompt and answer together; 0 where it does not tell."""
        found = self.models.get(model, {}).get("max_model_len")
        return found if isinstance(found, int) else 0

    def takes(self, now: int) -> bool:
        """Whether it may be sent a request now."""
        return self.healthy and not self.config.draining and self.breaker.allows(now)

    def probed(self, healthy: bool, failures: int) -> None:
        """A probe has come back; `failures` in a row make it unhealthy, one success healthy."""
        self.probes += 1
        self._failures = 0 if healthy else self._failures + 1
        if healthy or self._failures >= failures:
            self.healthy = healthy


def _authorization(config: Backend) -> str:
    if not config.key_env:
        return ""
    key = os.environ.get(config.key_env)
    if not key:
        raise UserError(
            f"backend {config.label}: the environment variable {config.key_env}, which holds its "
            "API key, is not set"
        )
    return f"Bearer {key}"


class Upstreams:
    """All backends, and the one session through which they are reached."""

    def __init__(self, config: Config, now: Callable[[], int], *, own_keys: bool) -> None:
        """`own_keys`: whether clients' keys are the gateway's, to be kept from the backends."""
        self._config, self._now, self._own_keys = config, now, own_keys
        recovery = round(config.health.recovery * 1e6)
        self.all = {
            backend.label: Upstream(backend, Breaker(config.health.failures, recovery))
            for backend in config.backends
        }
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session; begun with the first use, so in the loop that uses it."""
        if self._session is None:
            connect = self._config.timeouts.connect or None
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                read_bufsize=_READ,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def names(self, model: str, now: int, avoid: Collection[str] = ()) -> list[str]:
        """The backends that may be sent a request for a model now, in the order of the config."""
        return [
            name
            for name, one in self.all.items()
            if name not in avoid and one.serves(model) and one.takes(now)
        ]

    def known(self, model: str) -> bool:
        """Whether any backend, lost or not, serves a model; yes while a list is missing."""
        return any(one.serves(model) or not one.models for one in self.all.values())

    def only_model(self) -> str:
        """The one model that all backends serve; empty if there are several, or none is known."""
        models = {model for one in self.all.values() for model in one.models}
        return models.pop() if len(models) == 1 else ""

    def listing(self) -> list[dict[str, object]]:
        """The entries of all models that healthy backends serve, each model once."""
        found: dict[str, dict[str, object]] = {}
        for one in self.all.values():
            if one.healthy and not one.config.draining:
                for model, entry in one.models.items():
                    found.setdefault(model, entry)
        return list(found.values())

    async def post(
        self, one: Upstream, path: str, body: bytes, headers: Sequence[tuple[str, str]]
    ) -> aiohttp.ClientResponse:
        """Send a request; its response, of which only the head has been read."""
        return await self.session.post(
            one.base + path, data=body, headers=headers, allow_redirects=False
        )

    def headers(
        self, one: Upstream, client: Sequence[tuple[bytes, bytes]], id: str
    ) -> list[tuple[str, str]]:
        """The headers of a request to a backend, from those that the client sent.

        What concerns only the client's connection is left out, and so is compression, since events
        could not be counted in it, and the client's key where that is the gateway's or the backend
        has one of its own.
        """
        found = [("Content-Type", "application/json"), ("X-Request-Id", id)]
        named = {
            part.strip().lower()
            for name, value in client
            if name == b"connection"
            for part in value.split(b",")
        }
        for name, value in client:
            if name in _NOT_SENT or name in named or name.startswith(b"x-hocket-"):
                continue
            if name == b"authorization" and (self._own_keys or one.authorization):
                continue
            found.append((name.decode("latin-1"), value.decode("latin-1")))
        if one.authorization:
            found.append(("Authorization", one.authorization))
        return found

    async def probe(self) -> None:
        """Ask every backend once whether it is well, and now and then what it serves."""
        await asyncio.gather(*(self._probe(one) for one in self.all.values()))

    async def _probe(self, one: Upstream) -> None:
        health = self._config.health
        try:
            async with asyncio.timeout(health.timeout):
                healthy = await self._answers(one)
                due = not one.models or one.probes % _LISTED_EVERY == 0
                if healthy and due and not one.config.models:
                    await self._list(one)
        except (aiohttp.ClientError, TimeoutError, OSError):
            healthy = False
        one.probed(healthy, 1 if not one.probes else health.failures)

    async def _answers(self, one: Upstream) -> bool:
        """Whether the path of its health answers with success."""
        async with self.session.get(
            one.base + one.config.health, headers=_own(one), allow_redirects=False
        ) as response:
            return response.status < 300

    async def _list(self, one: Upstream) -> None:
        """Learn what it serves. A list that cannot be read leaves what was known."""
        async with self.session.get(
            one.base + "/v1/models", headers=_own(one), allow_redirects=False
        ) as response:
            if response.status != 200:
                return
            body = await _read(response, _MOST_LISTED)
        try:
            entries = msgspec.json.decode(body, type=_Listing).data
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        found = {entry["id"]: entry for entry in entries if isinstance(entry.get("id"), str)}
        if found:
            one.models = found  # type: ignore[assignment]  # the keys are text, as just looked at

    async def page(self, name: str) -> str:
        """A backend's page of metrics. Raises aiohttp.ClientError if it gives none."""
        one = self.all[name]
        async with self.session.get(
            one.base + one.config.metrics, headers=_own(one), allow_redirects=False
        ) as response:
            response.raise_for_status()
            return (await _read(response, LONGEST)).decode("utf-8", "replace")


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, but no more than the first `most` bytes of it."""
    parts, left = [], most
    while left and (part := await response.content.read(left)):  # gives what has come by now
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _own(one: Upstream) -> dict[str, str]:
    return {"Authorization": one.authorization} if one.authorization else {}


def passed_on(response: aiohttp.ClientResponse) -> Headers:
    """The headers of a backend's response that go on to the client."""
    named = {
        part.strip().lower()
        for name, value in response.raw_headers
        if name.lower() == b"connection"
        for part in value.split(b",")
    }
    return [
        (lower, value)
        for name, value in response.raw_headers
        if (lower := name.lower()) not in _HOP_BY_HOP and lower not in named
    ]
