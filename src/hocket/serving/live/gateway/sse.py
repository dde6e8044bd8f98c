"""A look at a stream of server-sent events as it passes, which changes no byte of it.

No event is decoded on its way: whether one holds a token is told by a few byte patterns, and only
the last event that reports usage is read, once, at the end.
"""

from __future__ import annotations

import re

import msgspec

_NO_CHOICES = re.compile(rb'"choices":\s*\[\s*\]')
_ROLE = re.compile(rb'"role":\s*"[a-z]+"')
_NO_CONTENT = re.compile(rb'"content":\s*(""|null)')
_USAGE = re.compile(rb'"usage":\s*\{')
_ERROR = re.compile(rb'\{\s*"error":')
_NO_TEXT = re.compile(rb'"text":\s*""')
_IDS = re.compile(rb'"token_ids":\s*\[')
_FINISH = re.compile(rb'"finish_reason":\s*"')
PATIENCE = 8
"""Tokens after which a client is told something even if there is no text in it."""
_LONGEST = 2**20
"""Bytes of one line that are kept to be looked at; a longer line is passed on unseen."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine says it has counted."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Reported(msgspec.Struct, frozen=True, kw_only=True):
    usage: Usage | None = None


_REPORTED = msgspec.json.Decoder(_Reported)


def usage_of(payload: bytes) -> Usage | None:
    """The usage in an answer or an event; None if it has none, or is no JSON."""
    try:
        return _REPORTED.decode(payload).usage
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    code: int | str | None = None


class _Failure(msgspec.Struct, frozen=True, kw_only=True):
    error: _Told


def error_status(event: bytes) -> int:
    """The status of the error that an event tells of; 500 if it tells of none."""
    try:
        code = msgspec.json.decode(event.strip()[5:].strip(), type=_Failure).error.code
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 500
    text = str(code)
    return int(text) if text.isdecimal() and len(text) == 3 else 500


class Scanner:
    """Counts what passes.

    `tokens`: events that hold a piece of an answer, which is one token each where the engine sends
    every token at once; `malformed`: lines that are no part of an event stream; `done`: whether
    ``[DONE]`` has come; `error`: the line of an error event; `shows`: whether anything has come
    that a client would see, as it does not the announcement of a role or half a character.
    """

    def __init__(self) -> None:
        self.tokens = 0
        self.malformed = 0
        self.done = False
        self.error = b""
        self.shows = False
        self._tail = b""
        self._skipping = False
        self._open = False
        self._reported = b""

    def feed(self, chunk: bytes) -> int:
        """Look at the next bytes; how many tokens came with them."""
        before = self.tokens
        lines = (self._tail + chunk).split(b"\n") if self._tail else chunk.split(b"\n")
        self._tail = lines.pop()
        for line in lines:
            self._open = line not in (b"", b"\r")
            if self._skipping:
                self._skipping = False
            elif self._open:
                self._line(line)
        if len(self._tail) > _LONGEST:
            self.malformed += not self._skipping
            self._skipping, self._open, self._tail = True, True, b""
        return self.tokens - before

    def finish(self) -> None:
        """The stream has ended: a line that is left without its end is malformed."""
        if self._tail.strip() and not self._skipping:
            self.malformed += 1
        self._tail = b""

    @property
    def within(self) -> bool:
        """Whether the last byte was in the midst of an event."""
        return self._open or bool(self._tail)

    @property
    def usage(self) -> Usage | None:
        """What the engine reported last; None if nothing."""
        return usage_of(self._reported) if self._reported else None

    def _line(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            self.shows = True
            if not line.startswith((b":", b"event:", b"id:", b"retry:")):
                self.malformed += 1
            return
        payload = line[5:].strip()
        if payload == b"[DONE]":
            self.done = self.shows = True
        elif not (payload.startswith(b"{") and payload.endswith(b"}")):
            self.malformed += 1
            self.shows = True
        elif _ERROR.match(payload):
            self.error = line
        else:
            if _USAGE.search(payload):
                self._reported = payload
            if _holds_token(payload):
                self.tokens += 1
            self.shows = self.shows or self.tokens > PATIENCE or _is_seen(payload)


def _is_seen(payload: bytes) -> bool:
    """Whether an event tells the client more than that the answer begins."""
    if _IDS.search(payload) or _FINISH.search(payload):
        return True
    return not (_NO_TEXT.search(payload) or (_NO_CONTENT.search(payload) and _ROLE.search(payload)))


def _holds_token(payload: bytes) -> bool:
    if _NO_CHOICES.search(payload):
        return False
    return not (_NO_CONTENT.search(payload) and _ROLE.search(payload))
