"""YAML, TOML and JSON text as plain data: dicts, lists, text, numbers, truth values, None.

Stricter than the usual readers, because what they let pass ends in wrong schedules: a key given
twice, NaN, tags that name code, aliases that unfold to gigabytes are all errors.

YAML is read as YAML 1.2 reads it: only ``true`` and ``false`` are truth values, so that the text
``no`` stays text; ``1e3`` is a number; ``12:30`` and ``2024-01-01`` are text. A number with a
leading zero stays text too, because YAML 1.1 took it for an octal number.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from typing import Any, NoReturn

import yaml

from hocket.core.errors import InputError, Problem

KINDS = {".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".json": "json"}
"""The language of each suffix."""

DEPTH = 64
NODES = 1_000_000
LINES_LIMIT = 8 * 2**20
"""Bounds: nesting, values after aliases are unfolded, characters in which lines are looked up."""

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)\Z")
_BASED = re.compile(r"0x[0-9a-fA-F]+\Z|0o[0-7]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+\Z")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TAG = "tag:yaml.org,2002:"
_CORE_TAGS = frozenset(_TAG + kind for kind in ("int", "float", "bool", "null", "map", "seq"))
_TEXT_TAGS = frozenset(("!", _TAG + "str"))
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_DIGITS = 400


def parse(text: str, kind: str, source: str) -> Any:
    """The plain data of a text in language `kind`: ``yaml``, ``toml`` or ``json``.

    Raises InputError, with the line where the language gives one.
    """
    if kind == "yaml":
        return _Yaml(source).data(text)
    if kind == "toml":
        return _toml(text, source)
    return _json(text, source)


def lines(text: str, kind: str) -> dict[str, int]:
    """The 1-based line of every value by path, ``jobs[3].due``; of the key where there is one.

    Empty for TOML, for texts above `LINES_LIMIT`, and where the text cannot be followed. JSON is
    followed as the YAML that it nearly always is.
    """
    if kind == "toml" or len(text) > LINES_LIMIT:
        return {}
    reader = _Yaml("", track=True)
    try:
        reader.data(text)
    except InputError:
        return {}
    return reader.lines


def path_of(parent: str, key: str | int) -> str:
    """The path of a child: ``jobs`` and 3 give ``jobs[3]``, then ``due`` gives ``jobs[3].due``.

    Characters that a terminal could choke on are escaped.
    """
    if isinstance(key, int):
        return f"{parent}[{key}]"
    if not key.isprintable():
        key = key.encode("unicode_escape").decode("ascii")
    return f"{parent}.{key}" if parent else key


class _BadNumberError(ValueError):
    """A number that nothing can be computed with."""


class _Open:
    """A mapping or sequence whose end has not come yet."""

    __slots__ = ("anchor", "children", "key", "line", "path", "seen", "size")

    def __init__(self, children: Any, path: str, anchor: str | None, line: int) -> None:
        self.children = children
        self.path = path
        self.anchor = anchor
        self.line = line
        self.key: Any = _NO_KEY
        self.seen: dict[Any, int] = {}
        self.size = 1


_NO_KEY: Any = object()


class _Yaml:
    """Builds plain data from YAML's events in one pass, without recursion.

    Events rather than a ready-made loader, because only they show duplicate keys and lines, and
    allow to stop at the depth limit before the parser's own stack is in danger.
    """

    def __init__(self, source: str, track: bool = False) -> None:
        self.source = source
        self.track = track
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []
        self.repeated: list[Problem] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.stack: list[_Open] = []
        self.root: Any = None
        self.documents = 0

    def data(self, text: str) -> Any:
        """The one document of the text. Raises InputError."""
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                self._event(event)
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            message = f"character U+{int(error.character):04X} is not allowed in YAML"
            self.problems.append(Problem("", message, line))
        except UnicodeEncodeError as error:  # half a surrogate pair, before the C parser sees it
            line = text.count("\n", 0, error.start) + 1
            message = f"character U+{ord(text[error.start]):04X} is not allowed in YAML"
            self.problems.append(Problem("", message, line))
        if self.problems or self.repeated:
            raise InputError(self.source, [*self.repeated, *self.problems])
        return self.root

    def _event(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            if self.stack and self._awaits_key():
                self._key(event)
            else:
                self._value(self._scalar(event), event, 1)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open({}, event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open([], event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._stop("a second document starts here; one file holds one document", event)

    def _awaits_key(self) -> bool:
        top = self.stack[-1]
        return isinstance(top.children, dict) and top.key is _NO_KEY

    def _key(self, event: Any) -> None:
        top, key, line = self.stack[-1], self._scalar(event), event.start_mark.line + 1
        if key == "<<" and event.implicit[0]:
            self._stop("merge keys (<<) are not read; write the fields out", event)
        if not isinstance(key, str):
            # A key is a name: 1 and true are the text that stands in the file.
            key = event.value
        if key in top.seen:
            first = top.seen[key]
            message = f"this key stands here and on line {first}; remove one"
            self.repeated.append(Problem(path_of(top.path, key), message, line))
        if event.anchor:
            self.anchors[event.anchor] = (key, 1)
        top.seen[key] = line
        top.key = key

    def _open(self, children: Any, event: Any) -> None:
        if self.stack and self._awaits_key():
            self._stop("a key must be text, not a list or mapping", event)
        if len(self.stack) >= DEPTH:
            self._stop(f"nested more than {DEPTH} deep", event)
        if event.tag not in (None, "!") and event.tag not in _CORE_TAGS:
            self._stop(f"the tag {event.tag} is not read; remove it", event)
        path = self._child_path() if self.stack else ""
        self.stack.append(_Open(children, path, event.anchor, event.start_mark.line + 1))

    def _close(self) -> None:
        done = self.stack.pop()
        if done.anchor:
            self.anchors[done.anchor] = (done.children, done.size)
        self._attach(done.children, done.line, done.size)

    def _alias(self, event: Any) -> None:
        if self.stack and self._awaits_key():
            self._stop("a key must be text, not an alias", event)
        if event.anchor not in self.anchors:
            self._stop(f"*{event.anchor} names nothing above; write the value out", event)
        value, size = self.anchors[event.anchor]
        if sum(open_.size for open_ in self.stack) + size > NODES:
            self._stop(f"aliases unfold to more than {NODES:,} values", event)
        self._attach(value, event.start_mark.line + 1, size)

    def _value(self, value: Any, event: Any, size: int) -> None:
        if event.anchor:
            self.anchors[event.anchor] = (value, size)
        self._attach(value, event.start_mark.line + 1, size)

    def _attach(self, value: Any, line: int, size: int) -> None:
        """Give a finished value to the container it belongs to."""
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        top.size += size
        if self.track:
            self.lines.setdefault(self._child_path(), top.seen.get(top.key, line))
        if isinstance(top.children, dict):
            top.children[top.key] = value
            top.key = _NO_KEY
        else:
            top.children.append(value)

    def _child_path(self) -> str:
        top = self.stack[-1]
        if isinstance(top.children, dict):
            return path_of(top.path, top.key)
        return path_of(top.path, len(top.children))

    def _scalar(self, event: Any) -> Any:
        tag, value = event.tag, event.value
        if tag in _TEXT_TAGS or (tag is None and not event.implicit[0]):
            return value
        if tag is not None and tag not in _CORE_TAGS:
            self._stop(f"the tag {tag} is not read; remove it", event)
        try:
            return scalar(value)
        except _BadNumberError as error:
            self._stop(str(error), event)

    def _stop(self, message: str, event: Any) -> NoReturn:
        """Report a problem after which nothing more can be understood."""
        path = self._child_path() if self.stack and self.stack[-1].key is not _NO_KEY else ""
        self.problems.append(Problem(path, message, event.start_mark.line + 1))
        raise InputError(self.source, [*self.repeated, *self.problems])

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        message = error.problem or "no YAML"
        if "cannot start any token" in message:
            message += "; a tab? indent with spaces, and put text that starts with @ or ` in quotes"
        if "mapping values are not allowed" in message:
            message += "; text that contains ': ' needs quotes"
        if error.context:
            since = error.context_mark
            message += f" ({error.context}{f' from line {since.line + 1}' if since else ''})"
        self.problems.append(Problem("", message, mark.line + 1 if mark else None))


def scalar(text: str) -> Any:
    """What an unquoted YAML word stands for. Raises ValueError for numbers of no use."""
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first not in "+-.0123456789":
        return text
    if _INT.match(text):
        return _whole(text)
    if _BASED.match(text):
        return int(text, 0)
    if _SPECIAL.match(text):
        raise _BadNumberError(f"{text} is no number to compute with; write a finite one")
    if _FLOAT.match(text) and not _LEADING_ZERO.match(text):
        return _finite(text)
    return text


def reads_as_text(text: str) -> bool:
    """Whether an unquoted YAML word is text here; YAML 1.1's further non-texts are not judged."""
    try:
        return isinstance(scalar(text), str)
    except _BadNumberError:
        return False


def _whole(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _BadNumberError(f"a number of {len(text)} digits is too large")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _BadNumberError(f"{text} is too large a number")
    return value


def _toml(text: str, source: str) -> Any:
    try:
        return tomllib.loads(text, parse_float=_finite_toml)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at line (\d+), column \d+\)\Z", str(error))
        message = str(error)[: found.start()] if found else str(error)
        problem = Problem("", message.lower(), int(found[1]) if found else None)
        raise InputError(source, [problem]) from None
    except RecursionError:
        raise InputError(source, ["nested too deep"]) from None
    except _BadNumberError as error:
        raise InputError(source, [str(error)]) from None
    except ValueError:
        raise InputError(source, ["a whole number has too many digits"]) from None


def _finite_toml(text: str) -> float:
    if text.lstrip("+-") in ("nan", "inf"):
        raise _BadNumberError(f"{text} is no number to compute with; write a finite one")
    return _finite(text)


def _json(text: str, source: str) -> Any:
    repeated: list[str] = []

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            repeated.extend(name for name, count in counts.items() if count > 1)
        return built

    def refuse(word: str) -> None:
        raise _BadNumberError(f"{word} is no number to compute with; write a finite one")

    try:
        data = json.loads(text, object_pairs_hook=build, parse_constant=refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise InputError(source, [Problem("", error.msg.lower(), error.lineno)]) from None
    except RecursionError:
        raise InputError(source, ["nested too deep"]) from None
    except _BadNumberError as error:
        raise InputError(source, [str(error)]) from None
    except ValueError:
        raise InputError(source, ["a whole number has too many digits"]) from None
    if repeated:
        raise InputError(source, _repeated_in_json(text, repeated))
    return data


def _repeated_in_json(text: str, names: list[str]) -> Sequence[Problem | str]:
    """Where keys stand twice: JSON's reader does not say, YAML's does and follows nearly all JSON.

    Without lines where it cannot.
    """
    reader = _Yaml("")
    with contextlib.suppress(InputError):
        reader.data(text)
    return reader.repeated or [f"key {name!r} stands twice; remove one" for name in names]
