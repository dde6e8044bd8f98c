"""The HTTP protocol of the server, with bounds on how large heads may be and how long they take.

Without them a client could send headers for ever, or one byte of them a minute, before anything
above the protocol hears of a request.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0
"""Seconds from a connection, or from the first byte of a further request, to a whole head."""


class Bounded(HttpToolsProtocol):
    """Closes connections whose heads are too large, or do not come."""

    most = 64 * 2**10
    """Bytes of a head."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self._heard = 0
        self._open = True
        self._late = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        super().data_received(data)
        if self._open:
            self._heard += len(data)
            if self._heard > self.most and not self.transport.is_closing():
                self.transport.write(
                    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
                    b"content-length: 0\r\nconnection: close\r\n\r\n"
                )
                self._give_up()

    def on_message_begin(self) -> None:
        """The first byte of a request has come."""
        super().on_message_begin()
        if not self._open:
            self._open, self._heard = True, 0
            self._late = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._open = False
        self._late.cancel()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._late.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self._open:
            self.transport.close()


def bounded(most: int) -> type[Bounded]:
    """The protocol with another bound on heads, in bytes."""
    return type("Bounded", (Bounded,), {"most": most})
