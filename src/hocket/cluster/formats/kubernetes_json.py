"""Objects in JSON text, one after another, so that a list of any length fits in memory.

``kubectl get -o json`` prints one object whose ``items`` are the objects that matter. They are
decoded one by one while the file is read in blocks; nothing else is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

from hocket.core.errors import InputError, Problem

_BLOCK = 2**20
_LARGEST = 2**25
"""So many characters may one object have."""

_ENDS = frozenset(" \t\r\n,:]}")
_CUT = "the file is cut off here; write it again"

Found = tuple[str, Any, str]
"""An object: its path in the file, what it is, and the kind that its list says it has."""


def objects(file: TextIO, source: str) -> Iterator[Found]:
    """The objects of a file: of its lists the items, and any others themselves.

    Several JSON texts may follow one another, and a text may be an array. Raises InputError with
    the line where the text is no JSON, or is cut off.
    """
    text = _Text(file, source)
    document = 0
    while opening := text.peek():
        where = f"documents[{document}]" if document else ""
        if opening == "[":
            for i, value in enumerate(_array(text, where)):
                yield f"{where}[{i}]", value, ""
        elif opening == "{":
            yield from _document(text, where)
        else:
            text.fail(f"expected an object, got {opening!r}", where)
        document += 1
    if not document:
        raise InputError(source, ["the file is empty"])


def _document(text: _Text, where: str) -> Iterator[Found]:
    """A list's items as they come, or the object itself if it has none."""
    head: dict[str, Any] = {}
    streamed = False
    text.skip("{", where)
    while text.peek() != "}":
        key = text.value(where)
        if not isinstance(key, str):
            text.fail("expected the name of a field", where)
        text.skip(":", where)
        if key == "items" and text.peek() == "[":
            streamed = True
            inner = f"{where}.items" if where else "items"
            for i, value in enumerate(_array(text, inner)):
                yield f"{inner}[{i}]", value, _kind_of_items(head)
        else:
            head[key] = text.value(f"{where}.{key}" if where else key)
        if text.peek() != "}":
            text.skip(",", where)
    text.skip("}", where)
    if not streamed:
        yield where, head, ""


def _kind_of_items(head: dict[str, Any]) -> str:
    """``Node`` for a ``NodeList``, whose items do not say what they are."""
    kind = head.get("kind")
    return kind.removesuffix("List") if isinstance(kind, str) else ""


def _array(text: _Text, where: str) -> Iterator[Any]:
    text.skip("[", where)
    i = 0
    while text.peek() != "]":
        yield text.value(f"{where}[{i}]")
        i += 1
        if text.peek() != "]":
            text.skip(",", f"{where}[{i}]")
    text.skip("]", where)


class _Text:
    """A window on the text, which moves on and knows its line."""

    def __init__(self, file: TextIO, source: str) -> None:
        self.file = file
        self.source = source
        self.text = ""
        self.start = 0
        self.line = 1
        self.ended = False
        self.decode = json.JSONDecoder(parse_constant=_refuse).raw_decode

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            text, i = self.text, self.start
            while i < len(text) and text[i] in " \t\r\n":
                i += 1
            self.start = i
            if i < len(text):
                return text[i]
            if not self._more():
                return ""

    def skip(self, character: str, where: str) -> None:
        """Move past a character, which must be up."""
        found = self.peek()
        if found != character:
            self.fail(f"expected {character!r}, got {found!r}", where)
        self.start += 1

    def value(self, where: str) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            whole = self.ended or len(self.text) - self.start > _LARGEST
            try:
                value, end = self.decode(self.text, self.start)
            except json.JSONDecodeError as error:
                if whole:
                    self._broken(error, where)
            except RecursionError:
                self.fail("nested too deep", where)
            except ValueError as error:  # ours, or Python's about the digits of a number
                told = str(error)
                self.fail("a number has too many digits" if "digits" in told else told, where)
            else:
                # What looks like a number may go on behind the window.
                if whole or self.text[end : end + 1] in _ENDS:
                    self.start = end
                    return value
            self._more()

    def fail(self, message: str, where: str) -> NoReturn:
        """Raise InputError for what is up."""
        if self.ended and self.start >= len(self.text):
            message = _CUT
        line = self.line + self.text.count("\n", 0, self.start)
        raise InputError(self.source, [Problem(where, message, line)])

    def _broken(self, error: json.JSONDecodeError, where: str) -> NoReturn:
        rest = self.text[error.pos :]
        if self.ended and (not rest.strip() or error.msg.startswith("Unterminated string")):
            message = _CUT
        elif not self.ended:
            message = f"is larger than {_LARGEST // 2**20} MiB, or is no JSON: {error.msg.lower()}"
        else:
            message = f"is no JSON: {error.msg.lower()}, at {rest[:20]!r}"
        line = self.line + self.text.count("\n", 0, error.pos)
        raise InputError(self.source, [Problem(where, message, line)])

    def _more(self) -> bool:
        """Read on; what lies before the window is dropped. False at the end of the file."""
        if self.ended:
            return False
        block = self.file.read(_BLOCK)
        self.line += self.text.count("\n", 0, self.start)
        self.text = self.text[self.start :] + block
        self.start = 0
        self.ended = not block
        return not self.ended


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number to compute with; write a finite one")
