"""Scenarios and policies from files, names and plain data.

A structured file (YAML, TOML, JSON) says what it is with its first key::

    problem: shop/job-shop          policy: shop/atc
    machines: [{name: saw}]         k: 3
    jobs: ...

Any other file is in one of the formats of a domain, recognised by its content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from hocket.core import files, registry, structured
from hocket.core.convert import Lines, convert, located
from hocket.core.domain import Format, resolve
from hocket.core.errors import InputError, Problem, UnknownName, UserError, did_you_mean
from hocket.core.fields import with_fields
from hocket.core.policy import Policy
from hocket.core.save import save
from hocket.core.scenario import Scenario

__all__ = ["check", "load", "load_policy", "save", "with_fields"]

Source = str | Path | Mapping[str, Any]

_HEAD = 4096
_HEAD_LINE = 2**20
_PROBLEM = re.compile(
    rb'\A\s*\{\s*("\$schema"\s*:\s*"[^"]*"\s*,\s*)?"problem"\s*:|^problem[ \t]*[:=]', re.MULTILINE
)
_MOST = 1000  # problems: a mistake on every line of a large file need not be told every time


def load(source: Source, *, limit: int = files.LIMIT) -> Scenario:
    """The scenario in a file, of a published name, or in plain data.

    - a path, or ``-`` for standard input: YAML, TOML, JSON, or a format of a domain; also gzip
    - a name such as ``shop/ta41``: a published instance that needs no file
    - a mapping: what a structured file would hold

    A scenario without a name gets that of its file. At most `limit` bytes are read. Raises
    InputError with every problem found, and UnknownName with the nearest names.
    """
    if isinstance(source, Mapping):
        return _scenario(dict(source), "scenario", "", None, Path())
    if isinstance(source, Path) or source == files.STDIN or files.exists(source):
        return _in_file(source, limit)
    if _is_name(source):
        return _sound(registry.named_scenario(source), source, None)
    return _missing(source, limit)


def check(source: Source, *, limit: int = files.LIMIT) -> tuple[Problem, ...]:
    """Every problem that `load` would raise, in the order of the file; empty for sound input."""
    return examine(source, limit=limit)[1]


def examine(
    source: Source, *, limit: int = files.LIMIT
) -> tuple[Scenario | None, tuple[Problem, ...]]:
    """The scenario if it is sound, else None and every problem that `load` would raise."""
    try:
        return load(source, limit=limit), ()
    except InputError as error:
        return None, error.problems
    except UserError as error:
        return None, (Problem("", str(error)),)


def load_policy(source: Source, **fields: Any) -> Policy:
    """The policy of a name, in a file, or in plain data, with some of its fields set.

    - a name: ``shop/atc``
    - a Python file, ``my_rule.py`` or ``my_rule.py:MyRule``
    - a YAML, TOML or JSON file, or a mapping, whose key ``policy`` is such a name and whose other
      keys are fields

    `fields` count more than the file's. Raises InputError with every problem, and UnknownName.
    """
    fields = msgspec.to_builtins(fields)
    if isinstance(source, Mapping):
        return _policy(dict(source) | fields, "policy", None)
    name, suffix = files.display(source), files.suffix(source)
    if suffix in structured.KINDS or (isinstance(source, Path) and suffix != ".py"):
        text = files.text(source)
        kind = structured.KINDS.get(suffix, "yaml")
        data = _mapping(structured.parse(text, kind, name), name)
        return _policy(data | fields, name, partial(structured.lines, text, kind))
    return convert(fields, registry.policy_class(str(source)), source=name)


def _in_file(path: str | Path, limit: int) -> Scenario:
    if path != files.STDIN and (streamed := _claimed(Path(path))) is not None:
        return _read(streamed, path, None)
    text, source = files.text(path, limit), files.display(path)
    kind = structured.KINDS.get(files.suffix(path)) or _language(text)
    if kind is None:
        return _in_format(path, text)
    try:
        data = structured.parse(text, kind, source)
    except InputError:
        if _format(path, text):
            return _in_format(path, text)
        raise
    if not (isinstance(data, dict) and "problem" in data) and _format(path, text):
        return _in_format(path, text)
    lines = partial(structured.lines, text, kind)
    folder = Path() if path == files.STDIN else Path(path).parent
    return _scenario(_mapping(data, source), source, files.stem(path), lines, folder)


def _in_format(path: str | Path, text: str) -> Scenario:
    """The scenario in a file of a domain's format."""
    fitting = _format(path, text)
    if fitting is None:
        raise InputError(files.display(path), [_unrecognised(files.suffix(path))])
    return _read(fitting, path, text)


def _claimed(path: Path) -> Format | None:
    """The format that reads what lies at a path itself, if one does.

    A file that says at once which problem it is about is nobody's: no domain is asked for it.
    """
    try:
        head = b"" if path.is_dir() else files.head(path, _HEAD)
    except (OSError, ValueError):
        return None  # reading it as text says what is wrong
    if _PROBLEM.search(head):
        return None
    streaming = [one for one in _formats() if one.claims is not None]
    return next((one for one in streaming if one.claims and one.claims(path, head)), None)


def _read(fitting: Format, path: str | Path, text: str | None) -> Scenario:
    """The scenario in a file of this format: in its text, or where it lies."""
    source = files.display(path)
    try:
        if text is not None or fitting.stream is None:
            scenario = fitting.read(text or "", source)
        else:
            scenario = fitting.stream(Path(path))
    except ValueError as error:
        message = f"cannot be read as {fitting.name} ({fitting.summary}): {error}"
        raise InputError(source, [message]) from error
    if not scenario.name:
        scenario = msgspec.structs.replace(scenario, name=files.stem(path))
    return _sound(scenario, source, None)


def _language(text: str) -> str | None:
    """The language of a text without a telling suffix, judged by how it opens."""
    if text.lstrip().startswith("{"):
        return "json"
    for line in text[:_HEAD].splitlines():
        word, colon, _ = line.partition(":")
        if colon and word.strip(" '\"") == "problem":
            return "yaml"
        word, equals, _ = line.partition("=")
        if equals and word.strip() == "problem":
            return "toml"
    return None


def _scenario(
    data: dict[str, Any], source: str, stem: str, lines: Lines | None, folder: Path
) -> Scenario:
    """The scenario that plain data describe, checked."""
    data.pop("$schema", None)
    if "problem" not in data:
        message = f"missing; it says what is scheduled: {', '.join(registry.problem_types())}"
        raise InputError(source, [Problem("problem", message)])
    kind = _kind(data["problem"], source, lines)
    if stem:
        data.setdefault("name", stem)
    try:
        data = kind.expand(data, folder)
    except InputError as error:
        if error.source:  # a file that this one names
            told = [Problem("", f"{error.source}: {problem}") for problem in error.problems]
            raise InputError(source, told) from None
        raise InputError(source, located(error.problems, lines)) from None
    return _sound(convert(data, kind, source=source, lines=lines), source, lines)


def _kind(tag: Any, source: str, lines: Lines | None) -> type[Scenario]:
    """The scenario type of a tag; of all domains, only that of the tag is imported."""
    try:
        kind: type[Scenario] = registry.problem_type(str(tag)).get("scenario")
    except UnknownName:
        known = registry.problem_types()
        near = did_you_mean(str(tag)[:100], known) or f"; there is {', '.join(known)}"
        message = f"there is no problem {tag!r:.100}{near}"
        raise InputError(source, located([Problem("problem", message)], lines)) from None
    return kind


def _sound(scenario: Scenario, source: str, lines: Lines | None) -> Scenario:
    """The scenario itself, if it has no problems."""
    if problems := list(islice(scenario.problems(), _MOST)):
        raise InputError(source, located(problems, lines))
    return scenario


def _policy(data: dict[str, Any], source: str, lines: Lines | None) -> Policy:
    data.pop("$schema", None)
    name = data.pop("policy", None)
    if not isinstance(name, str):
        message = "missing; it names the policy, e.g. policy: shop/spt"
        raise InputError(source, located([Problem("policy", message)], lines))
    try:
        kind = registry.policy_class(name)
    except UnknownName as error:
        raise InputError(source, located([Problem("policy", str(error))], lines)) from None
    return convert(data, kind, source=source, lines=lines)


def _mapping(data: Any, source: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        message = "expected keys with values, such as 'problem: shop/job-shop', at the top"
        raise InputError(source, [message])
    return data


def _formats() -> Iterator[Format]:
    for domain in registry.domains().values():
        if domain.formats:
            yield from resolve(domain.formats)


def _format(path: str | Path, text: str) -> Format | None:
    """The format of a file: first those that claim its suffix, then the others, by content."""
    cut = text.find("\n", _HEAD)
    head = text[: min(cut, _HEAD_LINE)] if cut >= 0 else text[:_HEAD_LINE]
    suffix = files.suffix(path)
    ranked = sorted(_formats(), key=lambda f: suffix not in f.suffixes)
    return next((f for f in ranked if f.sniff(files.plain_name(path), head)), None)


def _unrecognised(suffix: str) -> str:
    known = "; ".join(f"{f.name}: {f.summary}" for f in _formats())
    what = f"a file with suffix {suffix!r}" if suffix else "a file without suffix"
    return (
        f"not recognised: {what} whose content is in no known format ({known}). "
        "A YAML, TOML or JSON scenario has a key 'problem' and the suffix .yaml, .toml or .json"
    )


def _is_name(source: str) -> bool:
    """Whether this can only be meant as the name of a published instance."""
    head, _, tail = source.partition("/")
    return bool(tail) and head in registry.domain_names() and not files.suffix(source)


def _missing(source: str, limit: int) -> Scenario:
    """Explain text that is neither a file nor a published name."""
    names = registry.scenario_names()
    near = [name for name in names if name.partition("/")[2] == source]
    if not near and "/" in source:
        near = get_close_matches(source, names, n=3, cutoff=0.8)
    if near:
        raise UnknownName("scenario", source, near, "(there is no such file)")
    if files.suffix(source) or "/" in source:
        return _in_file(source, limit)  # says that it is missing, and what lies near
    short = [name.partition("/")[2] for name in names]
    close = get_close_matches(source, short, n=3, cutoff=0.6)
    full = [name for name in names if name.partition("/")[2] in close]
    hint = "A scenario is a file, or a name such as shop/ta01; `hocket list` shows all names."
    raise UnknownName("scenario", source, full, f"({hint})")
