"""JSON Schemas of scenario files and policy files, for editors that complete and check them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from hocket.core import registry
from hocket.core.errors import UnknownName
from hocket.core.policy import Policy
from hocket.core.scenario import Scenario, TimeUnit

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_FIELD = re.compile(r"^- `(\w+)`: (.*(?:\n  .*)*)", re.MULTILINE)
_UNITS = "|".join(unit for unit in get_args(TimeUnit) if unit != "tick")
_TIME = {
    "type": "string",
    "pattern": rf"^\d+(\.\d+)?(/\d+|[eE][-+]?\d{{1,2}})? *({_UNITS})$",
    "examples": ["90 s", "1.5 h"],
}

TEXT = "x-hocket-text"
"""The key of a number's own schema (`msgspec.Meta.extra_json_schema`) under which it lists what
files may write there besides, where `Scenario.expand` makes numbers of it."""


def schema(kind: type | str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a type, a problem ``shop/job-shop`` or a policy's name.

    Descriptions come from docstrings: of a type its docstring, of a field its line ``- `field`:``
    there. A span of time is a number of ticks or text with a unit. A file may name its schema with
    the key ``$schema``. Raises UnknownName.
    """
    if isinstance(kind, str):
        kind = _named(kind)
    found: dict[str, Any] = {"$schema": DIALECT, **msgspec.json.schema(kind)}
    if issubclass(kind, Scenario):
        _add_references(found["$defs"], kind)
    chosen = set(_chosen_by_tag(found))
    for name, part in found.get("$defs", {}).items():
        _describe(part)
        if name != kind.__name__ and name not in chosen:
            _free_of_tag(part)
    if issubclass(kind, (Scenario, Policy)):
        root = found["$defs"][kind.__name__]
        root["properties"] = {"$schema": {"type": "string"}, **root["properties"]}
        if issubclass(kind, Policy):
            root["properties"]["policy"] = {"const": kind.name}
            root["required"] = ["policy", *root["required"]]
    return dict(_with_texts(found))


def _add_references(parts: dict[str, Any], kind: type[Scenario]) -> None:
    """Let files name other files where the scenario's type says so."""
    for place, types in kind.references().items():
        owner, _, field = place.removesuffix("[]").partition(".")
        choice = parts[owner]["properties"][field]
        if place.endswith("[]"):
            choice = choice["items"]
        if "anyOf" not in choice:
            plain = dict(choice)
            choice.clear()
            choice["anyOf"] = [plain]
        for one in types:
            parts |= msgspec.json.schema(one)["$defs"]
            ref = {"$ref": f"#/$defs/{one.__name__}"}
            choice["anyOf"].append(ref)
            if "discriminator" in choice:
                choice["discriminator"]["mapping"][str(one.__struct_config__.tag)] = ref["$ref"]


def _named(name: str) -> type:
    if name in registry.problem_types():
        found: type = registry.problem_types()[name].get("scenario")
        return found
    if name in registry.policies() or name.partition(":")[0].endswith(".py"):
        return registry.policy_class(name)
    known = (*registry.problem_types(), *registry.policies())
    raise UnknownName("problem or policy", name, known, "`hocket list` shows all.")


def _describe(part: dict[str, Any]) -> None:
    """Hand the lines of a type's docstring that speak of one field to that field."""
    if "description" not in part:
        return
    text = inspect.cleandoc(part["description"])
    for name, line in _FIELD.findall(text):
        if name in part.get("properties", {}):
            part["properties"][name]["description"] = " ".join(line.split())
    part["description"] = _FIELD.sub("", text).strip()


def _chosen_by_tag(node: Any) -> Iterator[str]:
    """The types that a tag tells apart."""
    if isinstance(node, list):
        for inner in node:
            yield from _chosen_by_tag(inner)
    elif isinstance(node, dict):
        for ref in node.get("discriminator", {}).get("mapping", {}).values():
            yield ref.rpartition("/")[2]
        for inner in node.values():
            yield from _chosen_by_tag(inner)


def _free_of_tag(part: dict[str, Any]) -> None:
    """Where a type stands alone its tag may be left out of a file."""
    tags = [k for k, v in part.get("properties", {}).items() if list(v) == ["enum"]]
    tags = [tag for tag in tags if len(part["properties"][tag]["enum"]) == 1]
    part["required"] = [name for name in part.get("required", ()) if name not in tags]


def _with_texts(node: Any) -> Any:
    """The schema with every number that may be written with a unit open to such text."""
    if isinstance(node, list):
        return [_with_texts(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    others = [_TIME] if node.get("x-hocket") == "ticks" else node.get(TEXT)
    if others is None:
        return {key: _with_texts(inner) for key, inner in node.items()}
    number = {key: node[key] for key in ("type", "minimum", "maximum") if key in node}
    rest = {
        key: inner
        for key, inner in node.items()
        if key not in number and key not in ("x-hocket", TEXT)
    }
    return {"anyOf": [number, *others], **rest}
