"""The HTTP server of a scheduler extender: JSON in, JSON out, and never a crash."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from hocket.cluster.live.k8s.extender import Extender, Malformed

LOG = logging.getLogger("hocket.k8s")

LARGEST = 128 * 2**20
"""Bytes of the largest question: 5,000 whole nodes of some 10 kB, twice over."""

_PATIENCE = 30.0
_POLL = 0.05


class ExtenderServer(ThreadingHTTPServer):
    """Serves an extender: ``POST /filter``, ``/prioritize``, ``/preempt``, ``/bind``.

    ``GET /healthz`` says ok. Questions larger than `largest` bytes are refused (413), and so is
    what is no JSON or not as the API has it (400). Whoever can reach the port is answered: the
    extender API knows no login.
    """

    daemon_threads = True

    def __init__(
        self,
        extender: Extender,
        host: str = "127.0.0.1",
        port: int = 8888,
        *,
        largest: int = LARGEST,
    ) -> None:
        """Listens from now on; port 0 takes a free one, see `server_address`."""
        self.largest = largest
        self.verbs: dict[str, Callable[[dict[str, Any]], Any]] = {
            "/filter": extender.filter,
            "/prioritize": extender.prioritize,
            "/preempt": extender.preempt,
            "/bind": extender.bind,
        }
        super().__init__((host, port), _Handler)

    def start(self) -> None:
        """Serve in a thread of its own, until `close`."""
        Thread(
            target=self.serve_forever, args=(_POLL,), name="hocket-extender", daemon=True
        ).start()

    def close(self) -> None:
        """Answer no more questions, and free the port."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection broke; that is the other side's to know."""
        LOG.debug("a connection to the extender broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    server: ExtenderServer

    def do_GET(self) -> None:
        found = self.path == "/healthz"
        self._answer(200 if found else 404, "ok" if found else "there is nothing here")

    def do_POST(self) -> None:
        verb = self.server.verbs.get(self.path.partition("?")[0])
        size = self.headers.get("Content-Length", "")
        if not (size.isascii() and size.isdecimal()):
            self._refuse(411, "say how long the question is (Content-Length)")
        elif int(size) > self.server.largest:
            self._refuse(413, f"the question is longer than {self.server.largest} bytes")
        elif verb is None:
            self.rfile.read(int(size))
            self._answer(404, f"ask one of {', '.join(self.server.verbs)}")
        else:
            self._ask(verb, self.rfile.read(int(size)))

    def _ask(self, verb: Callable[[dict[str, Any]], Any], body: bytes) -> None:
        try:
            question = json.loads(body)
            if not isinstance(question, dict):
                raise Malformed("the question is no JSON object")
            answer = verb(question)
        except Malformed as error:
            self._answer(400, str(error))
        except (ValueError, RecursionError) as error:
            self._answer(400, f"the question is no sound JSON: {error}")
        except Exception:  # one question that goes wrong must not end the others
            LOG.exception("the extender could not answer")
            self._answer(500, "the extender failed; its log says why")
        else:
            self._send(200, "application/json", json.dumps(answer).encode())

    def _refuse(self, code: int, text: str) -> None:
        """Answer without having read the body, so that the connection cannot be used again."""
        self.close_connection = True
        self._answer(code, text)

    def _answer(self, code: int, text: str) -> None:
        self._send(code, "text/plain; charset=utf-8", f"{text}\n".encode())

    def _send(self, code: int, kind: str, data: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """To the log, in detail only; headers, and with them tokens, are never logged."""
        LOG.debug("extender: %s", format % args)
