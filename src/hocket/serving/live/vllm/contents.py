"""Tokens for prompts of which only lengths, and equal beginnings, are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hocket.core.errors import UserError
from hocket.core.streams import Streams
from hocket.serving.live.vllm.tiny import SPECIAL
from hocket.serving.model.requests import Requests

FIRST = len(SPECIAL)
"""The first token that means nothing special."""


def prompts(asked: Requests, vocabulary: int, seed: int) -> Callable[[int], list[int]]:
    """Gives the tokens of each request's prompt by its row, drawn when asked for.

    Blocks of equal prefix ids have equal tokens; everything else is the request's own.
    """
    if vocabulary <= FIRST + 1:
        raise UserError(f"no prompts can be made of a vocabulary of {vocabulary} tokens")
    streams = Streams(seed)
    blocks: dict[int, np.ndarray] = {}

    def drawn(name: str, count: int) -> np.ndarray:
        return streams[f"prompts.{name}"].integers(FIRST, vocabulary, count)

    def prompt(row: int) -> list[int]:
        length = int(asked.prompt[row])
        ids = asked.prefix[row] if asked.prefix else ()
        for number in ids:
            if number not in blocks:
                blocks[number] = drawn(f"block {number}", asked.prefix_block)
        shared = [blocks[number] for number in ids]
        own = drawn(f"request {row}", max(0, length - len(ids) * asked.prefix_block))
        tokens: list[int] = np.concatenate([*shared, own])[:length].tolist()
        return tokens

    return prompt
