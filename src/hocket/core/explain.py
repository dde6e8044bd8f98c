"""Types and values in plain words, for messages about input files."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from msgspec import inspect

_YES_NO = {
    **dict.fromkeys(("yes", "y", "on", "true", "1"), "true"),
    **dict.fromkeys(("no", "n", "off", "false", "0"), "false"),
}
_WORDS: dict[type, str] = {
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.StrType: "text",
    inspect.BoolType: "true or false",
    inspect.NoneType: "nothing",
}
_SHOWN = 40
_DIGITS = 18


def bare(kind: inspect.Type) -> inspect.Type:
    """The type without its annotations."""
    return bare(kind.type) if isinstance(kind, inspect.Metadata) else kind


def expected(kind: inspect.Type) -> str:
    """A type in plain words: "a whole number"."""
    kind = bare(kind)
    if isinstance(kind, inspect.StructType):
        return f"the fields of {kind.cls.__name__}"
    if isinstance(kind, inspect.LiteralType):
        return f"one of {listed(kind.values)}"
    if isinstance(kind, inspect.DictType):
        return "names with values"
    if isinstance(kind, (inspect.CollectionType, inspect.TupleType)):
        return "a list"
    return _WORDS.get(type(kind), "another kind of value")


def got(data: Any) -> str:
    """A value in plain words, shortened: "text 'abc'"."""
    if data is None:
        return "nothing"
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, str):
        return f"text {data[:_SHOWN]!r}{'...' if len(data) > _SHOWN else ''}"
    if type(data) is int:
        return str(data) if abs(data) < 10**_DIGITS else f"a number of over {_DIGITS} digits"
    if type(data) is float:
        return repr(data)
    if isinstance(data, dict):
        return "names with values"
    if isinstance(data, (list, tuple)):
        return "a list"
    return f"a {type(data).__name__}"


def hint(data: Any, kind: inspect.Type) -> str:
    """``; write 5``: what to write instead, where that is clear."""
    advice = ""
    if isinstance(kind, inspect.StrType) and isinstance(data, (bool, int, float)):
        advice = "put it in quotes"
    elif isinstance(kind, inspect.BoolType):
        word = _YES_NO.get(str(data).lower())
        advice = f"write {word}" if word else ""
    elif isinstance(kind, inspect.IntType):
        advice = _whole(data)
    elif isinstance(kind, inspect.FloatType) and isinstance(data, str):
        number = re.fullmatch(r"\s*(-?\d{1,18}(\.\d{1,18})?)\s*", data)
        advice = f"write {number[1]}" if number else ""
    return f"; {advice}" if advice else ""


def _whole(data: Any) -> str:
    if isinstance(data, float) and math.isfinite(data) and data == int(data):
        return f"write {int(data)}" if abs(data) < 2**53 else ""
    if isinstance(data, str) and re.fullmatch(r"\s*-?\d{1,18}\s*", data):
        return f"write {int(data)}"
    return ""


def listed(values: Iterable[Any]) -> str:
    """``a, b, c``."""
    return ", ".join(str(value) for value in values)
