"""Plain data: dicts, lists, text, finite numbers, truth values and None, nested in bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from hocket.core.errors import InputError, Problem
from hocket.core.structured import DEPTH, path_of

HALF_PAIR = "text with half a surrogate pair, which is no valid Unicode"
NOT_FINITE = "is no number to compute with; write a finite one"


def is_plain(data: Any, source: str) -> bool:
    """Whether data consist of plain values alone, all numbers finite and all text valid.

    Raises InputError for data nested too deep to be followed, or that contain themselves.
    """
    plain = True
    level = [data]
    for _ in range(DEPTH):
        inner: dict[int, Any] = {}  # by identity: what occurs twice is looked at once
        for value in level:
            kind = type(value)
            if kind is dict:
                inner.update(zip(map(id, value), value, strict=True))
                inner.update(zip(map(id, value.values()), value.values(), strict=True))
            elif kind is list or kind is tuple:
                inner.update(zip(map(id, value), value, strict=True))
            elif plain and not _is_leaf(value, kind):
                plain = False
        if not inner:
            return plain
        level = list(inner.values())
    raise InputError(source, [f"nested more than {DEPTH} deep"])


def _is_leaf(value: Any, kind: type) -> bool:
    if kind is str:
        return value.isascii() or not has_surrogate(value)
    if kind is float:
        return math.isfinite(value)
    return kind is int or kind is bool or value is None


def has_surrogate(text: str) -> bool:
    """Whether text holds half a surrogate pair, as JSON can write it, and so cannot be stored."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def unfit(data: Any, path: str, seen: set[int]) -> Iterator[Problem]:
    """A problem for every value that is not plain, where it occurs first; see `is_plain`.

    `seen` collects what was looked at, by identity.
    """
    kind = type(data)
    if kind is dict or kind is list or kind is tuple:
        if id(data) in seen:
            return
        seen.add(id(data))
        for key, value in data.items() if kind is dict else enumerate(data):
            where = path_of(path, str(key) if kind is dict else key)
            if kind is dict:
                yield from unfit(key, where, seen)
            yield from unfit(value, where, seen)
    elif not _is_leaf(data, kind):
        if kind is str:
            yield Problem(path, HALF_PAIR)
        elif kind is float:
            yield Problem(path, f"{data} {NOT_FINITE}")
        else:
            yield Problem(path, f"expected plain data, got a {kind.__name__}")
