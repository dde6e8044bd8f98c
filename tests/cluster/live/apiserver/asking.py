"""The plainest client: one call, one answer, nothing in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any, NamedTuple

from tests.cluster.live.apiserver.server import ADMIN_TOKEN, ApiServer

_TIMEOUT = 10.0


class Got(NamedTuple):
    code: int
    body: Any
    headers: dict[str, str]


def ask(
    server: ApiServer,
    method: str,
    path: str,
    body: Any = None,
    *,
    token: str = ADMIN_TOKEN,
    kind: str = "application/json",
    accept: str = "application/json",
) -> Got:
    """The answer to a call; `body` is sent as JSON, or as it is if it is bytes."""
    with _call(server, method, path, body, token, kind, accept) as answer:
        data = answer.read()
        text = answer.headers.get_content_type() != "application/json"
        found = data.decode() if text else json.loads(data)
        return Got(answer.status, found, dict(answer.headers))


def watch(server: ApiServer, path: str, *, token: str = ADMIN_TOKEN) -> list[Any]:
    """All events of a watch, until the server ends it."""
    with _call(server, "GET", path, None, token, "", "application/json") as answer:
        assert answer.status == 200, answer.read()
        return [json.loads(line) for line in answer]


@contextmanager
def _call(
    server: ApiServer, method: str, path: str, body: Any, token: str, kind: str, accept: str
) -> Iterator[HTTPResponse]:
    headers = {"Accept": accept}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data: bytes | None = None
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers["Content-Type"] = kind
    connection = HTTPConnection("127.0.0.1", server.port, timeout=_TIMEOUT)
    try:
        connection.request(method, path, data, headers)
        yield connection.getresponse()
    finally:
        connection.close()
