"""Policies: frozen structs that decide, and are their own configuration."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from hocket.core.plugins import class_at
from hocket.core.streams import Streams

_SHORT = 200
"""Characters of a field's value that still fit into a title."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scheduling policy. Its fields are its hyper-parameters, each with a default.

    A subclass sets `name` (``domain/policy``), `problems` (the scenario tags it handles) and, when
    published, `source` (a citation). Its docstring's first line is its summary in lists. Where a
    domain has policies of several roles, their base classes set `role`.
    """

    name: ClassVar[str] = ""
    problems: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = ""
    role: ClassVar[str] = ""

    def begin(self, scenario: Any, streams: Streams) -> Any:
        """A fresh decider for one run; whatever changes during the run lives in it.

        What a decider must offer is its domain's role. `streams` holds the only random numbers a
        policy may use, under names that start with ``"policy."``.
        """
        raise NotImplementedError(f"{type(self).__name__} has no begin(scenario, streams)")

    def refuses(self, scenario: Any) -> str:
        """Why this policy cannot schedule a scenario of a problem it handles; empty if it can."""
        return ""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # Also a policy from a loose file must reach worker processes, which import by path.
        kind = type(self)
        file = getattr(sys.modules[kind.__module__], "__file__", None) or ""
        fields = msgspec.structs.asdict(self)
        return _revive, (kind.__module__, kind.__name__, file, fields)

    def __str__(self) -> str:
        """The name, and the fields that differ from their defaults: ``shop/atc(k=3.0)``.

        A field that holds much, such as the steps of a plan, is told by how many and a digest.
        """
        changed = {
            field.name: getattr(self, field.name)
            for field in msgspec.structs.fields(type(self))
            if field.required or getattr(self, field.name) != default_of(field)
        }
        inside = ", ".join(f"{key}={_brief(value)}" for key, value in changed.items())
        return f"{self.name}({inside})" if inside else self.name


def _brief(value: Any) -> str:
    text = repr(value)
    if len(text) <= _SHORT or not isinstance(value, tuple | list | dict):
        return text
    return f"<{len(value)}: {hashlib.blake2b(text.encode(), digest_size=3).hexdigest()}>"


def _revive(module: str, name: str, file: str, fields: dict[str, Any]) -> Any:
    return class_at(module, name, file)(**fields)


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    """The default of a field that is not required."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def spec(policy: Policy) -> dict[str, Any]:
    """The policy as plain data: ``{"policy": "shop/atc", "k": 2.0}``. Loading reads it back."""
    fields = msgspec.to_builtins(policy)
    return {"policy": policy.name, **fields}


def summary(kind: type) -> str:
    """The first line of a docstring, for lists."""
    return (kind.__doc__ or "").strip().partition("\n")[0]
