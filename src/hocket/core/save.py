"""Scenarios written to files: YAML, JSON and TOML, which `load` reads back exactly, or a format of
the field.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import yaml

from hocket.core import registry
from hocket.core.errors import UserError
from hocket.core.policy import Policy, default_of, spec
from hocket.core.scenario import Scenario
from hocket.core.structured import KINDS, reads_as_text
from hocket.core.writing import write_text

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_WIDTH = 100


def save(scenario: Scenario, path: str | Path) -> None:
    """Write a scenario to a file, by its suffix, whole or not at all.

    YAML, JSON and TOML hold everything; fields that have their default are left out. The suffixes
    of the formats of the scenario's domain (``.fjs``, ``.sm``) write those. Raises UserError for
    an unknown suffix, a scenario that the format cannot hold, a folder that is missing or
    read-only, or a full disk.
    """
    suffix = Path(path).suffix.lower()
    if suffix in KINDS:
        text = dumps(scenario, KINDS[suffix])
    else:
        text = _format_of(suffix, scenario, path)(scenario)
    write_text(path, text)


def save_policy(policy: Policy, path: str | Path) -> None:
    """Write a policy with its fields to a YAML, JSON or TOML file, which `load_policy` reads.

    Raises UserError for another suffix, and as `save` does.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in KINDS:
        known = ", ".join(KINDS)
        raise UserError(f"{path}: not written: no format for suffix {suffix!r}; write {known}")
    write_text(path, _text_of(spec(policy), KINDS[suffix]))


def dumps(scenario: Scenario, kind: str) -> str:
    """The text of a scenario in language `kind`: ``yaml``, ``json`` or ``toml``."""
    return _text_of(plain(scenario), kind)


def _text_of(data: dict[str, Any], kind: str) -> str:
    if kind == "json":
        return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    if kind == "toml":
        return _toml(data)
    return str(
        yaml.dump(
            data,
            Dumper=_Dumper,
            sort_keys=False,
            default_flow_style=None,
            allow_unicode=True,
            width=_WIDTH,
        )
    )


def plain(scenario: Scenario) -> dict[str, Any]:
    """The scenario as dicts and lists, `problem` and `name` first, without defaults."""
    config = scenario.__struct_config__
    data = _without_defaults(scenario)
    head = {str(config.tag_field): config.tag, "name": scenario.name}
    return head | {key: value for key, value in data.items() if key not in head}


def _without_defaults(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        found: dict[str, Any] = {config.tag_field: config.tag} if config.tag_field else {}
        for field in msgspec.structs.fields(type(value)):
            inner = getattr(value, field.name)
            if field.required or inner != default_of(field):
                found[field.encode_name] = _without_defaults(inner)
        return found
    if isinstance(value, (list, tuple)):
        return [_without_defaults(inner) for inner in value]
    if isinstance(value, dict):
        return {key: _without_defaults(inner) for key, inner in value.items()}
    return value


def _format_of(suffix: str, scenario: Scenario, path: str | Path) -> Callable[[Scenario], str]:
    """The writer of the first format of the scenario's domain that has this suffix and one."""
    owner = registry.tag_of(scenario).partition("/")[0]
    writers: dict[str, Callable[[Scenario], str]] = {}
    for one in registry.formats(owner).values():
        if one.write is not None:
            writers = dict.fromkeys(one.suffixes, one.write) | writers
    if not suffix or suffix not in writers:
        known = ", ".join([*KINDS, *sorted(filter(None, writers))])
        raise UserError(f"{path}: not written: no format for suffix {suffix!r}; write {known}")
    return writers[suffix]


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Quotes every text that YAML 1.1 or 1.2 would take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Equal parts are written out, not as references that nobody can read."""
        return True


def _text(dumper: Any, data: str) -> Any:
    style = None if reads_as_text(data) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)


def _toml(data: dict[str, Any]) -> str:
    """One line per key; a list of tables has one inline table per line."""
    return "".join(f"{_toml_key(key)} = {_toml_top(value)}\n" for key, value in data.items())


def _toml_top(value: Any) -> str:
    if isinstance(value, list) and any(isinstance(inner, (dict, list)) for inner in value):
        return "[\n" + "".join(f"  {_toml_value(inner)},\n" for inner in value) + "]"
    return _toml_value(value)


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        pairs = ", ".join(f"{_toml_key(k)} = {_toml_value(v)}" for k, v in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list):
        return f"[{', '.join(_toml_value(inner) for inner in value)}]"
    if isinstance(value, str):
        return _toml_text(value)
    if value is None:
        raise UserError("TOML cannot hold a field without value; save as .yaml or .json")
    return json.dumps(value)


def _toml_key(key: Any) -> str:
    word = str(key)
    bare = word.isascii() and word.replace("_", "a").replace("-", "a").isalnum()
    return word if bare else _toml_text(word)


def _toml_text(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, save that TOML escapes DEL too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
