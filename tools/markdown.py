"""How the pages of the reference are written: values, tables, and JSON Schemas in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

_NAMES = r"(?:`\w+`(?:, | and )?)+"
_LINE = re.compile(rf"^- ({_NAMES}): (.*(?:\n  .*)*)", re.MULTILINE)
_NEXT = re.compile(rf"; ({_NAMES}): ")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; empty when there is nothing in it."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return re.sub(r" {2,}(?=\|)", " ", text)


def plain(value: Any) -> str:
    """A value as a file would have it."""
    if isinstance(value, dict | list | tuple):
        return str(
            yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1e9)
        ).strip()
    return str(value).lower() if isinstance(value, bool) or value is None else str(value) or "none"


def sentence(text: str) -> str:
    """The text with a capital."""
    return text[:1].upper() + text[1:]


def titles(schemas: dict[str, dict[str, Any]]) -> dict[tuple[str, str], str]:
    """What each part of each schema is called on the page: its class, told apart where needed.

    Two classes of one name in one schema are named there with their modules; the last word of the
    module then stands behind.
    """
    told: dict[tuple[str, str], str] = {}
    for found in schemas.values():
        for name, part in found["$defs"].items():
            module, _, short = name.rpartition(".")
            if module:
                told[short, str(part)] = f"{short} ({module.rpartition('.')[2]})"
    return {
        (tag, name): told.get((name.rpartition(".")[2], str(part)), name)
        for tag, found in schemas.items()
        for name, part in found["$defs"].items()
    }


def part(
    node: dict[str, Any],
    names: dict[str, str],
    defs: dict[str, Any],
    skip: tuple[str, ...] = (),
) -> Iterator[str]:
    """What a JSON Schema says of an object: its description, and a table of its keys."""
    properties = node.get("properties", {})
    description = node.get("description", "").replace("<", "&lt;")
    yield re.sub(r"\n{3,}", "\n\n", _LINE.sub("", description)).strip()
    told = _meanings(properties, description)
    rows = [
        (f"`{key}`", _kind(inner, names), _default(key, node, defs), sentence(told[key]))
        for key, inner in properties.items()
        if key not in skip
    ]
    wide = any(row[3] for row in rows)
    head = ("key", "what", "default", "")
    yield table(head, rows) if wide else table(head[:3], [row[:3] for row in rows])


def _meanings(properties: dict[str, Any], description: str) -> dict[str, str]:
    """What each key means; one line of a docstring may speak of several keys."""
    told = {key: inner.get("description", "") for key, inner in properties.items()}
    for keys, meaning in _LINE.findall(description):
        told |= dict.fromkeys(re.findall(r"\w+", keys), " ".join(meaning.split()))
    for key in list(told):
        first, *others = _NEXT.split(told[key])
        told[key] = first
        for keys, meaning in zip(others[::2], others[1::2], strict=True):
            told |= dict.fromkeys(re.findall(r"\w+", keys), meaning)
    return told


def _default(key: str, part: dict[str, Any], defs: dict[str, Any]) -> str:
    node = part["properties"][key]
    if key in part.get("required", ()):
        return "required"
    if "default" not in node:  # the tag of a type that stands alone
        return "may be left out"
    value = node["default"]
    if value is None or value == "" or (isinstance(value, list | tuple | dict) and not value):
        return "none"
    brief = _brief(value, defs)
    if brief in ({}, [{}]):
        return "its defaults" if isinstance(value, dict) else "one, its defaults"
    return f"`{plain(brief)}`"


def _brief(value: Any, defs: dict[str, Any]) -> Any:
    """A default without the fields in which its type has the same default."""
    if isinstance(value, list | tuple):
        return [_brief(inner, defs) for inner in value]
    if not isinstance(value, dict):
        return value
    fitting = [part for part in defs.values() if set(value) == set(part.get("properties", ()))]
    own = fitting[0]["properties"] if fitting else {}
    return {
        key: _brief(inner, defs)
        for key, inner in value.items()
        if inner != own.get(key, {}).get("default", "-")
    }


def _kind(node: dict[str, Any], names: dict[str, str]) -> str:
    """What a JSON Schema asks for, in words, with links to the parts."""
    if "$ref" in node:
        title = names[node["$ref"].rpartition("/")[2]]
        return f"[{title}](#{_anchor(title)})"
    if "anyOf" in node:
        if any("90 s" in arm.get("examples", ()) for arm in node["anyOf"]):
            return "time"
        return " or ".join(dict.fromkeys(_kind(arm, names) for arm in node["anyOf"]))
    if "enum" in node:
        return " or ".join(f"`{value}`" for value in node["enum"])
    if "prefixItems" in node:
        return f"[{', '.join(_kind(item, names) for item in node['prefixItems'])}]"
    if node.get("type") == "array":
        return f"list of {_kind(node['items'], names)}" if node.get("items") else "list"
    if node.get("type") == "object":
        values = node.get("additionalProperties")
        return f"mapping to {_kind(values, names)}" if values else "mapping"
    words = {"integer": "whole number", "number": "number", "string": "text", "null": "none"}
    return words.get(node.get("type", ""), "true or false")


def _anchor(heading: str) -> str:
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
