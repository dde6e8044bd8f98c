"""Structured logs: JSON lines on standard error, for every request and for what befell backends.

Never the text of a prompt or an answer, and never a key.
"""

from __future__ import annotations

import sys
import time
from typing import IO, Any

import msgspec


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The line of one request, filled in while it is served. Times are in seconds.

    - `status`: what the client was answered; 499 if it went away before
    - `prompt`, `answer`: tokens; as the engine counted them where it told, else as estimated
    - `queued`: until admission; `ttft`: until the first bytes; `e2e`: until the last
    - `backend`: the last that it was sent to; `reason`: the policy's word on that
    - `retries`: backends that failed before; `resumed`, `moved`: how often the stream went on
      elsewhere, because its backend failed or because the policy wanted it
    - `why`: what went wrong
    """

    id: str
    tenant: str
    kind: str
    model: str
    stream: bool = False
    status: int = 0
    backend: str = ""
    reason: str = ""
    prompt: int = 0
    answer: int = 0
    queued: float | None = None
    ttft: float | None = None
    e2e: float = 0.0
    retries: int = 0
    resumed: int = 0
    moved: int = 0
    malformed: int = 0
    why: str = ""


class Log:
    """Writes lines. A stream that cannot be written to any more is given up silently."""

    def __init__(self, stream: IO[bytes] | None = None, *, requests: bool = True) -> None:
        """To standard error by default; without `requests` only those that went wrong."""
        self._stream = sys.stderr.buffer if stream is None else stream
        self._requests = requests
        self._encoder = msgspec.json.Encoder()

    def request(self, entry: Entry) -> None:
        """A request is over."""
        if self._requests or entry.status >= 500 or entry.why:
            self._write("request", msgspec.to_builtins(entry))

    def event(self, name: str, **fields: Any) -> None:
        """Something has happened: a backend was lost, the gateway drains."""
        self._write(name, fields)

    def _write(self, event: str, fields: dict[str, Any]) -> None:
        line = {"time": round(time.time(), 6), "event": event, **fields}
        try:
            self._stream.write(self._encoder.encode(line) + b"\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = _Nowhere()


class _Nowhere:
    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        pass
