"""Plain data as typed structs, with every problem found and said in plain words.

Sound data takes msgspec's fast path. Only when that fails does a walk over the types look for all
that is wrong, and turn times written with a unit into ticks on the way.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from hocket.core.errors import InputError, Problem, did_you_mean
from hocket.core.explain import bare, expected, got, hint, listed
from hocket.core.plain import HALF_PAIR, NOT_FINITE, has_surrogate, is_plain, unfit
from hocket.core.scenario import to_ticks
from hocket.core.structured import path_of

T = TypeVar("T")
Lines = Callable[[], Mapping[str, int]]
"""Looks up the lines of a file by path; called only when there is a problem to locate."""

_TIME = re.compile(r"([-+]?\d+(?:\.\d+)?(?:/\d+|[eE][-+]?\d{1,2})?)\s*([A-Za-z]+)\Z")
_ERROR_PATH = re.compile(r"(.*?) - at (`key` in )?`\$\.?([^`]*)`\Z", re.DOTALL)
_TIME_LENGTH = 64
_MOST = 1000
_STAND_IN = "\ufffd"  # how names begin that stand in for something that is no name


def convert(data: Any, kind: type[T], *, source: str, lines: Lines | None = None) -> T:
    """`data` (dicts, lists, text, numbers, truth values, None) as an object of type `kind`.

    `source` names the data in messages. Raises InputError with every problem: missing and unknown
    fields, wrong types, broken constraints, NaN, and what the structs themselves refuse.
    """
    plain = is_plain(data, source)
    if plain:
        with contextlib.suppress(msgspec.ValidationError):
            return msgspec.convert(data, kind)
    walk = _Walk()
    found = walk.value(data, inspect.type_info(kind), "", "tick")
    problems = walk.problems if plain else _merged(walk.problems, unfit(data, "", set()))
    if not problems:
        try:
            return msgspec.convert(found, kind)
        except msgspec.ValidationError as error:
            problems = [_as_problem(error, "")]
    problems = [*problems, *_beyond_types(found, kind, problems)]
    raise InputError(source, located(problems, lines))


def _beyond_types(found: Any, kind: type, known: Sequence[Problem]) -> Iterator[Problem]:
    """What the object itself would refuse, were the `known` problems mended.

    The walk put stand-ins where it found a value of the wrong type; what is only wrong about a
    stand-in is not told.
    """
    if not hasattr(kind, "problems"):
        return
    try:
        whole: Any = msgspec.convert(found, kind)
        more = list(islice(whole.problems(), _MOST))
    except (msgspec.ValidationError, ArithmeticError, LookupError, TypeError, ValueError):
        return  # too much is wrong to look further
    wrong = tuple(problem.path for problem in known)
    for problem in more:
        inside = problem.path in wrong or problem.path.startswith(
            tuple(f"{path}{mark}" for path in wrong for mark in ".[")
        )
        if not inside and _STAND_IN not in problem.message:
            yield problem


def located(problems: Iterable[Problem], lines: Lines | None) -> list[Problem]:
    """The problems with their lines, or the line of what encloses them, and in order of line."""
    known = lines() if lines else {}
    if not known:
        return list(problems)
    found = []
    for problem in problems:
        path, line = problem.path, problem.line
        while line is None and path:
            line = known.get(path)
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        found.append(msgspec.structs.replace(problem, line=line))
    return sorted(found, key=lambda p: p.line or 0)


def _merged(first: list[Problem], second: Iterable[Problem]) -> list[Problem]:
    """Both lists, leaving out of the second what the first already says of the same path."""
    paths = {p.path for p in first}
    return first + [p for p in second if p.path not in paths]


@lru_cache(maxsize=1024)
def _near(name: str, known: tuple[str, ...]) -> str:
    """`did_you_mean`, which is slow, once for a mistake that is made on every line."""
    return did_you_mean(name, known)


class _Walk:
    """Follows data and its type together; collects problems, returns what should be converted."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def say(self, path: str, message: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(path, message))

    def value(self, data: Any, kind: inspect.Type, path: str, unit: str) -> Any:
        """`data` with ticks converted. `unit` is the time unit of the enclosing scenario."""
        if isinstance(kind, inspect.Metadata):
            if _counts_ticks(kind):
                return self._ticks(data, kind.type, path, unit)
            return self.value(data, kind.type, path, unit)
        if isinstance(kind, inspect.StructType):
            return self._struct(data, kind, path, unit)
        if isinstance(kind, inspect.UnionType):
            return self._union(data, kind, path, unit)
        if isinstance(kind, inspect.DictType):
            return self._dict(data, kind, path, unit)
        if isinstance(kind, inspect.CollectionType):
            return self._items(data, kind, path, unit)
        if isinstance(kind, inspect.TupleType):
            return self._tuple(data, kind, path, unit)
        if isinstance(kind, inspect.LiteralType):
            return self._literal(data, kind, path)
        return self._scalar(data, kind, path)

    def _struct(self, data: Any, kind: inspect.StructType, path: str, unit: str) -> Any:
        if not isinstance(data, dict) or kind.array_like:
            if not kind.array_like:
                self.say(path, f"expected {expected(kind)}, got {got(data)}")
            return data
        before = len(self.problems)
        fields = {field.encode_name: field for field in kind.fields}
        if "time_unit" in fields:
            given = data.get("time_unit", fields["time_unit"].default)
            unit = given if isinstance(given, str) else unit
        result = {}
        for key, value in data.items():
            if key in fields:
                result[key] = self.value(value, fields[key].type, path_of(path, key), unit)
            elif key == kind.tag_field:
                result[key] = self._tag(value, kind, path_of(path, key))
            elif kind.forbid_unknown_fields:
                message = f"unknown field{_near(str(key), tuple(fields))}"
                self.say(path_of(path, str(key)), message)
        for name, field in fields.items():
            if field.required and name not in data:
                self.say(path_of(path, name), "missing")
                result[name] = self._stand_in(bare(field.type))
        if len(self.problems) == before and hasattr(kind.cls, "__post_init__"):
            self._attempt(result, kind.cls, path)
        return result

    def _tag(self, value: Any, kind: inspect.StructType, path: str) -> Any:
        if value != kind.tag or isinstance(value, bool):
            self.say(path, f"expected {kind.tag!r}, got {got(value)}")
        return value

    def _attempt(self, data: Any, kind: type, path: str) -> None:
        """Let the struct itself say what it refuses; it sees only data of the right types."""
        try:
            msgspec.convert(data, kind)
        except msgspec.ValidationError as error:
            self.problems.append(_as_problem(error, path))

    def _union(self, data: Any, kind: inspect.UnionType, path: str, unit: str) -> Any:
        members = [m for m in kind.types if not isinstance(m, inspect.NoneType)]
        if data is None and len(members) < len(kind.types):
            return None
        structs = [m for m in members if isinstance(bare(m), inspect.StructType)]
        if isinstance(data, dict) and len(structs) > 1:
            members = self._tagged([cast(inspect.StructType, bare(m)) for m in structs], data, path)
        elif len(members) > 1:
            members = [m for m in members if _fits(data, m)]
            if not members:
                wanted = " or ".join(dict.fromkeys(expected(m) for m in kind.types))
                self.say(path, f"expected {wanted}, got {got(data)}")
        if len(members) > 1:
            members = [self._first_without_problem(data, members, path, unit)]
        return self.value(data, members[0], path, unit) if members else data

    def _tagged(
        self, kinds: list[inspect.StructType], data: dict[Any, Any], path: str
    ) -> list[inspect.Type]:
        """The struct that the tag in `data` chooses, or none and a problem."""
        field = cast(str, kinds[0].tag_field)
        known = {str(k.tag): k for k in kinds}
        where, tag = path_of(path, field), data.get(field)
        if field not in data:
            self.say(where, f"missing; one of {listed(known)}")
        elif str(tag) not in known or isinstance(tag, bool):
            near = _near(tag, tuple(known)) if isinstance(tag, str) else ""
            self.say(where, f"expected one of {listed(known)}, got {got(tag)}{near}")
        else:
            return [known[str(tag)]]
        return []

    def _first_without_problem(
        self, data: Any, kinds: list[inspect.Type], path: str, unit: str
    ) -> inspect.Type:
        for kind in kinds:
            trial = _Walk()
            trial.value(data, kind, path, unit)
            if not trial.problems:
                return kind
        return kinds[0]

    def _dict(self, data: Any, kind: inspect.DictType, path: str, unit: str) -> Any:
        if not isinstance(data, dict):
            self.say(path, f"expected {expected(kind)}, got {got(data)}")
            return data
        self._length(data, kind, path)
        result = {}
        for key, value in data.items():
            where = path_of(path, str(key))
            result[self._key(key, kind.key_type, where)] = self.value(
                value, kind.value_type, where, unit
            )
        return result

    def _key(self, key: Any, kind: inspect.Type, path: str) -> Any:
        """A key; files have only text there, also where numbers are meant."""
        whole = isinstance(bare(kind), inspect.IntType)
        if whole and isinstance(key, str) and re.fullmatch(r"-?\d{1,18}", key):
            key = int(key)
        return self.value(key, kind, path, "tick")

    def _items(self, data: Any, kind: inspect.CollectionType, path: str, unit: str) -> Any:
        if not isinstance(data, (list, tuple)):
            self.say(path, f"expected {expected(kind)}, got {got(data)}")
            return data
        self._length(data, kind, path)
        return [self.value(v, kind.item_type, path_of(path, i), unit) for i, v in enumerate(data)]

    def _tuple(self, data: Any, kind: inspect.TupleType, path: str, unit: str) -> Any:
        if not isinstance(data, (list, tuple)):
            self.say(path, f"expected {expected(kind)}, got {got(data)}")
            return data
        if len(data) != len(kind.item_types):
            self.say(path, f"expected {len(kind.item_types)} values, got {len(data)}")
            return data
        pairs = enumerate(zip(data, kind.item_types, strict=True))
        return [self.value(v, k, path_of(path, i), unit) for i, (v, k) in pairs]

    def _literal(self, data: Any, kind: inspect.LiteralType, path: str) -> Any:
        if not any(type(data) is type(v) and data == v for v in kind.values):
            near = _near(data, tuple(map(str, kind.values))) if _is_text(data) else ""
            self.say(path, f"expected one of {listed(kind.values)}, got {got(data)}{near}")
        return data

    def _ticks(self, data: Any, kind: inspect.Type, path: str, unit: str) -> Any:
        if isinstance(data, str) and not data.strip().lstrip("+-").isdigit():
            match = _TIME.match(data.strip()) if len(data) <= _TIME_LENGTH else None
            if match is None:
                self.say(path, f"expected a time such as 90 or '90 s', got {got(data)}")
                return self._stand_in(kind)
            try:
                data = to_ticks(f"{match[1]} {match[2]}", unit)
            except (ValueError, OverflowError) as error:
                self.say(path, str(error))
                return self._stand_in(kind)
        elif isinstance(data, float) and math.isfinite(data) and data != int(data):
            self.say(path, f"expected a whole number of ticks, got {data}; use a finer time_unit")
            return self._stand_in(kind)
        return self._scalar(data, kind, path)

    def _scalar(self, data: Any, kind: inspect.Type, path: str) -> Any:
        if isinstance(kind, inspect.IntType):
            right = type(data) is int
        elif isinstance(kind, inspect.FloatType):
            right = type(data) in (int, float)
        elif isinstance(kind, inspect.StrType):
            right = type(data) is str
        elif isinstance(kind, inspect.BoolType):
            right = type(data) is bool
        elif isinstance(kind, inspect.NoneType):
            right = data is None
        else:
            return data  # the conversion that follows the walk judges it
        before = len(self.problems)
        if not right:
            self.say(path, f"expected {expected(kind)}, got {got(data)}{hint(data, kind)}")
        elif isinstance(kind, (inspect.IntType, inspect.FloatType)):
            self._bounds(data, kind, path)
        elif isinstance(kind, inspect.StrType):
            if has_surrogate(data):
                self.say(path, HALF_PAIR)
            self._length(data, kind, path)
            if kind.pattern is not None and not re.search(kind.pattern, data):
                self.say(path, f"must match {kind.pattern!r}, got {got(data)}")
        return data if len(self.problems) == before else self._stand_in(kind)

    def _stand_in(self, kind: inspect.Type) -> Any:
        """A value of the right type in place of a wrong one, so that the rest can be looked at."""
        if isinstance(kind, (inspect.IntType, inspect.FloatType)):
            return max(kind.ge or 0, 0)
        if isinstance(kind, inspect.BoolType):
            return False
        if isinstance(kind, inspect.StrType):
            return f"{_STAND_IN}{len(self.problems)}"
        if isinstance(kind, (inspect.VarTupleType, inspect.ListType)):
            return []
        return None

    def _bounds(self, data: Any, kind: inspect.IntType | inspect.FloatType, path: str) -> None:
        if isinstance(data, float) and not math.isfinite(data):
            self.say(path, f"{data} {NOT_FINITE}")
            return
        checks = (
            (">=", kind.ge, kind.ge is not None and data < kind.ge),
            (">", kind.gt, kind.gt is not None and data <= kind.gt),
            ("<=", kind.le, kind.le is not None and data > kind.le),
            ("<", kind.lt, kind.lt is not None and data >= kind.lt),
            ("a multiple of", kind.multiple_of, bool(kind.multiple_of and data % kind.multiple_of)),
        )
        for word, bound, broken in checks:
            if broken:
                self.say(path, f"must be {word} {bound}, got {got(data)}")

    def _length(self, data: Any, kind: Any, path: str) -> None:
        what = "characters" if isinstance(data, str) else "entries"
        if kind.min_length is not None and len(data) < kind.min_length:
            self.say(path, f"must have at least {kind.min_length} {what}, got {len(data)}")
        if kind.max_length is not None and len(data) > kind.max_length:
            self.say(path, f"must have at most {kind.max_length} {what}, got {len(data)}")


def _counts_ticks(kind: inspect.Metadata) -> bool:
    return (kind.extra_json_schema or {}).get("x-hocket") == "ticks"


def _is_text(data: Any) -> bool:
    return isinstance(data, str) and len(data) < 100


def _fits(data: Any, kind: inspect.Type) -> bool:
    """Whether data has the outer shape of a type; decides between the members of a union."""
    ticks = isinstance(kind, inspect.Metadata) and _counts_ticks(kind)
    kind = bare(kind)
    if isinstance(data, bool):
        return isinstance(kind, (inspect.BoolType, inspect.LiteralType, inspect.AnyType))
    if isinstance(kind, inspect.IntType):
        return isinstance(data, int) or (ticks and isinstance(data, str))
    if isinstance(kind, inspect.FloatType):
        return isinstance(data, (int, float))
    if isinstance(kind, inspect.StrType):
        return isinstance(data, str)
    if isinstance(kind, (inspect.StructType, inspect.DictType)):
        return isinstance(data, dict)
    if isinstance(kind, (inspect.CollectionType, inspect.TupleType)):
        return isinstance(data, (list, tuple))
    if isinstance(kind, inspect.LiteralType):
        return any(type(data) is type(value) for value in kind.values)
    return not isinstance(kind, (inspect.BoolType, inspect.NoneType))


def _as_problem(error: msgspec.ValidationError, path: str) -> Problem:
    """msgspec's error with its path ``$.jobs[0]`` below `path`."""
    match = _ERROR_PATH.match(str(error))
    if match is None:
        return Problem(path, str(error))
    inner = match[3]
    joined = path + inner if inner.startswith("[") or not path or not inner else f"{path}.{inner}"
    return Problem(joined, match[1])
