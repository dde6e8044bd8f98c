"""Fields of a policy or generator set from text, as ``--set k=3`` gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from hocket.core.convert import convert
from hocket.core.errors import InputError
from hocket.core.policy import default_of
from hocket.core.structured import parse

T = TypeVar("T", bound=msgspec.Struct)


def with_fields(policy: T | type[T], settings: Iterable[str]) -> T:
    """The policy (or generator) with fields set from texts: ``k=3`` or, nested, ``batch.size=8``.

    A value is read as YAML would, and as plain text where the field is text. Raises InputError
    with every problem: no ``=``, unknown fields (with the nearest), values of the wrong type.
    """
    kind = policy if isinstance(policy, type) else type(policy)
    source = str(getattr(kind, "name", kind.__name__))
    data = _given(policy)
    values: dict[tuple[str, ...], str] = {}
    problems = []
    for setting in settings:
        name, equals, text = setting.partition("=")
        path = tuple(part.strip() for part in name.split("."))
        if not equals or not all(path):
            problems.append(f"{setting!r} sets nothing; write field=value")
        elif path in values:
            problems.append(f"{name.strip()} is set twice")
        else:
            values[path] = text
    if problems:
        raise InputError(source, problems)
    for path, text in values.items():
        _put(data, path, _value(text))
    return _converted(data, kind, values, source)


def split_fields(text: str) -> list[str]:
    """Settings that stand side by side: ``a=1, b=[2, 3]`` gives ``["a=1", "b=[2, 3]"]``."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _converted(
    data: dict[str, Any], kind: type[T], values: dict[tuple[str, ...], str], source: str
) -> T:
    """Convert; the values that fail are tried once more as the text that was given."""
    try:
        return convert(data, kind, source=source)
    except InputError as error:
        failed = {problem.path for problem in error.problems}
        again = [path for path in values if ".".join(path) in failed]
        for path in again:
            _put(data, path, values[path])
        try:
            return convert(data, kind, source=source)
        except InputError:
            # The first message speaks of the value as a number or list, as it was meant.
            raise error from None


def _given(policy: msgspec.Struct | type[msgspec.Struct]) -> dict[str, Any]:
    """The fields of a policy as plain data; of a class, the defaults."""
    if isinstance(policy, msgspec.Struct):
        return dict(msgspec.to_builtins(policy))
    return {
        field.encode_name: msgspec.to_builtins(default_of(field))
        for field in msgspec.structs.fields(policy)
        if not field.required
    }


def _put(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value deep in nested mappings; makes the mappings that are not there."""
    *parents, last = path
    for name in parents:
        inner = data.get(name)
        if not isinstance(inner, dict):
            data[name] = inner = {}
        data = inner
    data[last] = value


def _value(text: str) -> Any:
    """Text as YAML reads a value; as it stands where it is no YAML."""
    try:
        value = parse(text, "yaml", "")
    except InputError:
        return text
    return text if isinstance(value, str) else value
