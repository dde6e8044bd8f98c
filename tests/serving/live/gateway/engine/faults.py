"""What can go wrong with an engine: each fault is one small value that a test hands to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Befalls the next `count` requests whose prompt holds `match` and that reach `after` tokens.

    - `after`: tokens that are sent before it happens; 0 is before the first one
    - `count`: how many requests it befalls; -1 all
    """

    after: int = 0
    count: int = 1
    match: str = ""


@dataclass(frozen=True, kw_only=True)
class Reset(Fault):
    """The connection is reset. With `headers` the status line is sent first, even with no token."""

    headers: bool = False


@dataclass(frozen=True, kw_only=True)
class Cut(Fault):
    """The body ends, as if nothing were wrong (`clean`), or with the connection closed."""

    clean: bool = False


@dataclass(frozen=True, kw_only=True)
class Hang(Fault):
    """Nothing comes any more, and the connection stays open. `headers` as with Reset."""

    headers: bool = False


@dataclass(frozen=True, kw_only=True)
class Slow(Fault):
    """`seconds` pass at this point; all goes well afterwards."""

    seconds: float = 0.05


@dataclass(frozen=True, kw_only=True)
class Status(Fault):
    """Refuses with a status and these headers, before anything is done."""

    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b'{"error":{"message":"scripted","type":"server_error","code":null}}'


@dataclass(frozen=True, kw_only=True)
class Garbage(Fault):
    """These bytes are put into the stream at this point."""

    data: bytes = b"data: {this is no JSON\n\n"


@dataclass(frozen=True, kw_only=True)
class Said(Fault):
    """An error told within the stream, as vLLM does; then the end of the stream."""

    message: str = "scripted"


@dataclass(frozen=True, kw_only=True)
class Broken(Fault):
    """The stream ends in the middle of the JSON of an event, its connection closed."""


@dataclass(frozen=True, kw_only=True)
class Length(Fault):
    """A whole answer announces `more` bytes than it has; below 0, fewer."""

    more: int = 10


@dataclass(frozen=True, kw_only=True)
class Raw(Fault):
    """These bytes are the whole response, status line and all, and the connection is closed."""

    data: bytes = b"NONSENSE\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Shape(Fault):
    """Nothing is wrong: the same events in other pieces.

    - `size`: bytes per write, 0 for whole events; `merge`: events per write
    - `pad`: bytes of text that a comment before each event has; `crlf`: lines end with CR LF
    """

    size: int = 0
    merge: int = 1
    pad: int = 0
    crlf: bool = False
