"""HTTP: one thread per connection reads calls, meets the faults, and writes the answers."""

from __future__ import annotations

import json
import select
import ssl
import time
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from tests.cluster.live.apiserver import calls
from tests.cluster.live.apiserver.answers import Answer, answer
from tests.cluster.live.apiserver.calls import Call
from tests.cluster.live.apiserver.errors import ApiError, Json, expired, unauthorized
from tests.cluster.live.apiserver.watching import Watch

if TYPE_CHECKING:
    from tests.cluster.live.apiserver.server import Listener

_LARGEST = 3 * 2**20
"""Bytes of a body, as in Kubernetes."""


class Dropped(Exception):
    """The connection is closed without an answer."""


class Handler(BaseHTTPRequestHandler):
    """A connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Listener

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        try:
            super().finish()
        except (OSError, ValueError):  # the other side, or the test, has closed it
            return

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests read the recorded calls instead."""

    def do_GET(self) -> None:
        try:
            self._serve()
        except Dropped:
            self.close_connection = True

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815

    def _serve(self) -> None:
        call = Call.of(self.command, self.path, _headers(self.headers), self._body())
        owner = self.server.owner
        owner.calls.append(call)
        try:
            call.target = calls.target(call.path)
            faults = owner.faults.take(call)
            for fault in faults:
                if fault.act == "slow":
                    time.sleep(fault.seconds)
                elif fault.act == "drop":
                    raise Dropped
                elif fault.do is not None:
                    fault.do()
                elif fault.error is not None:
                    raise fault.error
            if owner.latency:
                time.sleep(owner.latency)
            if len(call.body) > _LARGEST:
                raise ApiError(413, "RequestEntityTooLarge", "limit is 3145728")
            user = owner.user_of(call)
            if user is None:
                raise unauthorized()
            call.user = user.name
            user.check(call)
            acts = {fault.act for fault in faults}
            if call.watches and call.target.resource is not None:
                self._watch(call, expire="expire" in acts, cut="truncate" in acts)
                return
            found = answer(owner.api, call, user)
            if "lose" in acts:
                call.code = found.code
                raise Dropped
            self._write(call, found, cut="truncate" in acts)
        except ApiError as error:
            self._write(call, Answer(error.code, error.status()), retry=error.retry_after)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _write(
        self, call: Call, found: Answer, *, retry: int | None = None, cut: bool = False
    ) -> None:
        call.code = found.code
        text = isinstance(found.body, str)
        data = found.body.encode() if isinstance(found.body, str) else _json(found.body)
        if cut:
            data = data[: len(data) // 2]
        self.send_response(found.code)
        self.send_header("Content-Type", "text/plain" if text else "application/json")
        self.send_header("Content-Length", str(len(data)))
        if retry is not None:
            self.send_header("Retry-After", str(retry))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    def _watch(self, call: Call, *, expire: bool, cut: bool) -> None:
        resource, owner = call.target.resource, self.server.owner
        assert resource is not None
        epoch = owner.epoch

        def over() -> bool:
            return owner.epoch != epoch or self._left()

        watch = Watch(owner.api, call, resource, over, owner.bookmarks)
        call.code = 200
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        if expire:
            error = expired(f"too old resource version: {watch.seen}")
            self._chunk(_json({"type": "ERROR", "object": error.status()}) + b"\n")
        else:
            for event in watch:
                data = _json(event) + b"\n"
                self._chunk(data[: len(data) // 2] if cut else data)
                if cut:
                    raise Dropped
            if owner.epoch != epoch:
                raise Dropped
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _left(self) -> bool:
        """Whether the client has gone; with TLS that is seen only when something is written."""
        if isinstance(self.connection, ssl.SSLSocket):
            return False
        try:
            if not select.select([self.connection], [], [], 0)[0]:
                return False
            return not self.connection.recv(1, 2)  # 2 is MSG_PEEK: what is there stays there
        except (OSError, ValueError):
            return True


def _headers(message: Message) -> dict[str, str]:
    return {key.title(): value for key, value in message.items()}


def _json(body: Json) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
