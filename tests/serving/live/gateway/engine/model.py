"""A language model without weights: each token follows from all tokens before it.

A token is a byte of UTF-8, so that any text is a prompt. What comes next is drawn by a hash of the
whole sequence: whoever resumes an answer from its prompt and its first tokens gets the very tokens
that the first engine would have said.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

END = 256
LEAD, TAIL = 0xC3, 0xA9  # "é" is two tokens: after the first of them no text can be shown
LETTERS = b"abcdefghijklmnopqrstuvwxyz  \n"
MODULUS = (1 << 61) - 1


def tokenize(text: str) -> list[int]:
    """The tokens of a text."""
    return list(text.encode())


def rendered(messages: Sequence[dict[str, Any]]) -> str:
    """The prompt of a conversation."""
    lines = [f"<{message.get('role')}>{message.get('content')}\n" for message in messages]
    return "".join(lines) + "<assistant>"


def fold(tokens: Iterable[int], state: int = 1) -> int:
    """A hash of a sequence, that of a longer one from that of its beginning."""
    for token in tokens:
        state = (state * 1_000_003 + token + 1) % MODULUS
    return state


def following(prompt: Sequence[int], *, choice: int = 0, ends: bool = True) -> Iterator[int]:
    """What the model says after a prompt, without end, or up to END where `ends`."""
    state, last = fold(prompt, 1 + choice), prompt[-1] if prompt else 0
    while True:
        drawn = (state >> 7) % 1024
        if last == LEAD:
            last = TAIL
        elif ends and drawn < 16:
            last = END
        elif drawn < 80:
            last = LEAD
        else:
            last = LETTERS[drawn % len(LETTERS)]
        yield last
        if last == END:
            return
        state = fold((last,), state)


class Spelling:
    """Turns tokens into text, each as soon as its characters are whole, like vLLM."""

    def __init__(self, prompt: Sequence[int]) -> None:
        """A prompt that ends within a character has its rest shown with the answer."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoder.decode(bytes(token for token in prompt if token < END))

    def text(self, token: int, *, final: bool = False) -> str:
        """The text that this token adds."""
        return self._decoder.decode(b"" if token == END else bytes((token,)), final)


def answer(
    prompt: Sequence[int], limit: int, *, choice: int = 0, ends: bool = True, least: int = 0
) -> list[int]:
    """All the tokens of an answer of at most `limit`, END included where the model ends it.

    The model may not end it before `least` tokens: it then says a space instead.
    """
    said: list[int] = []
    while len(said) < limit:
        for token in following([*prompt, *said], choice=choice, ends=ends):
            if token == END and len(said) < least:
                said.append(ord(" "))
                break
            said.append(token)
            if token == END or len(said) == limit:
                return said
    return said


def text(tokens: Sequence[int], prompt: Sequence[int] = ()) -> str:
    """The text of an answer, as a stream of it would show it piece by piece."""
    spelling = Spelling(prompt)
    return "".join(spelling.text(token) for token in tokens)
