"""Label and field selectors as they stand in a query."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.cluster.live.apiserver.errors import Json, bad_request
from tests.cluster.live.apiserver.resources import Resource

Test = Callable[[Json], bool]

_SET = re.compile(r"^(\S+)\s+(in|notin)\s*\(([^)]*)\)$")
_COMMA = re.compile(r",(?![^(]*\))")
_EQUAL = re.compile(r"^([^=!]*)(!=|==|=)([^=]*)$")
_KEY = re.compile(r"^[A-Za-z0-9._/-]+$")


def labels(text: str) -> Test:
    """``app=web,tier in (a, b),!old``: whether an object's labels meet it."""
    tests = [_label(part.strip()) for part in _COMMA.split(text) if part.strip()]
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def _label(part: str) -> Test:
    if found := _SET.match(part):
        key, word, listed = found.groups()
        values = {value.strip() for value in listed.split(",")}
        if word == "in":
            return lambda have: have.get(key) in values
        return lambda have: have.get(key) not in values
    if found := _EQUAL.match(part):
        key, sign, value = (piece.strip() for piece in found.groups())
        if sign == "!=":
            return lambda have: have.get(key) != value
        return lambda have: have.get(key) == value
    absent, key = part.startswith("!"), part.removeprefix("!")
    if not _KEY.match(key):
        raise bad_request(f"unable to parse requirement: {part!r}")
    return lambda have: (key in have) != absent


def matches(selector: Json | None, have: dict[str, str]) -> bool:
    """Whether labels meet the selector of a spec (matchLabels, matchExpressions)."""
    if selector is None:
        return False
    if any(have.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(one, have) for one in selector.get("matchExpressions") or [])


def _expression(one: Json, have: dict[str, str]) -> bool:
    found, values = have.get(one["key"]), one.get("values") or []
    return {
        "In": found in values,
        "NotIn": found not in values,
        "Exists": found is not None,
        "DoesNotExist": found is None,
    }[one["operator"]]


def fields(text: str, resource: Resource) -> Test:
    """``spec.nodeName=n1,status.phase!=Running``: whether an object's fields meet it."""
    known = ("metadata.name", "metadata.namespace", *resource.fields)
    tests = []
    for part in text.split(","):
        if not part:
            continue
        found = _EQUAL.match(part)
        if found is None:
            raise bad_request(f"invalid field selector: {part!r}")
        path, sign, value = found.groups()
        if path not in known:
            raise bad_request(f"field label not supported: {path}")
        tests.append((path, sign != "!=", value))
    return lambda obj: all((field(obj, path) == value) == same for path, same, value in tests)


def field(obj: Json, path: str) -> str:
    """A field as text; empty if there is none."""
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool) or path == "spec.unschedulable":
        return str(bool(value)).lower()
    if isinstance(value, dict):
        return str(value.get("component", ""))
    return "" if value is None else str(value)
