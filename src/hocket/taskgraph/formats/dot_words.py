"""The words of a DOT file: names, text in quotes, arrows and brackets, with their lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from hocket.taskgraph.formats.words import Words, cut

_WORD = re.compile(
    r"""
      (?P<blank>[ \t\r\n\f]+ | //[^\n]* | /\*.*?\*/ | (?m:^)\#[^\n]*)
    | (?P<name>[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*
             | -?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?![A-Za-z0-9_.\u0080-\U0010ffff]))
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<sign>->|--|[{}\[\];,:=+])
    """,
    re.VERBOSE | re.DOTALL,
)
_RUN_ON = re.compile(r"-?[0-9.][A-Za-z0-9_.]*")


class Word(NamedTuple):
    """A word of the file. `kind` is ``name``, ``text`` (was in quotes), ``sign`` or ``end``."""

    kind: str
    value: str
    line: int

    def is_sign(self, sign: str) -> bool:
        """Whether this is the sign, and no text that reads like it."""
        return self.kind == "sign" and self.value == sign

    def is_word(self, keyword: str) -> bool:
        """Whether this is a keyword of DOT, which may be written in capitals."""
        return self.kind == "name" and self.value.lower() == keyword


def words_of(text: str, findings: Words) -> Iterator[Word]:
    """The words up to the end; raises InputError at the first character that begins none."""
    text = text.removeprefix("\ufeff")
    at, line = 0, 1
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            findings.add(_complaint(text, at), line)
            findings.stop_if_any()
            return
        value, kind = match[0], str(match.lastgroup)
        if kind == "text":
            yield Word(kind, _unquoted(value), line)
        elif kind != "blank":
            yield Word(kind, value, line)
        line += value.count("\n")
        at = match.end()
    yield Word("end", "the end of the file", line)


def _unquoted(word: str) -> str:
    """Without the quotes; a quote behind a backslash, and a line joined to the next."""
    return word[1:-1].replace("\\\n", "").replace("\\r\n", "").replace('\\"', '"')


def _complaint(text: str, at: int) -> str:
    if text.startswith("<", at):
        return "HTML text is not read; put it in quotes"
    if text.startswith('"', at):
        return "a quote is opened here and never closed"
    if text.startswith("/*", at):
        return "a comment is opened here and never closed"
    if number := _RUN_ON.match(text, at):
        return f"{cut(number[0])} is neither name nor number; put it in quotes"
    return f"unexpected {cut(text[at : at + 10].split()[0])}"
