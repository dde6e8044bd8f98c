"""Objects of the Kubernetes API as plain data, looked at part by part.

Whatever has the wrong type is a problem with its path, and counts as absent after that, so that
every problem of an object is found at once. As in the API, null means absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hocket.core.errors import Problem
from hocket.core.structured import path_of

Object = Mapping[str, Any]


class Trouble:
    """What is wrong with objects, and what their reader should know besides."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notes: dict[str, int] = {}
        self.about = ""

    def say(self, path: str, message: str) -> None:
        """Add a problem, once; the object that it is about is named behind it."""
        about = f" ({self.about})" if self.about else ""
        problem = Problem(path, message + about)
        if problem not in self.problems:
            self.problems.append(problem)

    def note(self, message: str) -> None:
        """Count one more object of which this is to be said."""
        self.notes[message] = self.notes.get(message, 0) + 1


class Part:
    """A mapping in an object, at a path."""

    __slots__ = ("data", "path", "trouble")

    def __init__(self, data: Any, path: str, trouble: Trouble) -> None:
        """`data` of another type than a mapping are a problem, and an empty part."""
        if not isinstance(data, dict):
            trouble.say(path, f"expected keys with values, got {shown(data)}")
            data = {}
        self.data: dict[str, Any] = data
        self.path = path
        self.trouble = trouble

    def at(self, key: str | int) -> str:
        """The path of a key."""
        return path_of(self.path, key)

    def say(self, key: str, message: str) -> None:
        """Add a problem of a key."""
        self.trouble.say(self.at(key), message)

    def has(self, key: str) -> bool:
        """Whether a key has a value."""
        return self.data.get(key) is not None

    def text(self, key: str, default: str = "") -> str:
        """A text; whole numbers and truth values are taken for what YAML made of one."""
        value = self.data.get(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (str, int)):
            return str(value)
        self.say(key, f"expected text, got {shown(value)}")
        return default

    def one_of(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        """One of a few words."""
        word = self.text(key, default)
        if word in allowed:
            return word
        self.say(key, f"is {word[:24]!r}; expected one of {', '.join(filter(None, allowed))}")
        return default

    def whole(self, key: str, default: int = 0, low: int = 0, high: int = 2**31) -> int:
        """A whole number within bounds."""
        value = self.data.get(key)
        if value is None:
            return default
        if type(value) is int and low <= value <= high:
            return value
        self.say(key, f"expected a whole number from {low} to {high}, got {shown(value)}")
        return default

    def flag(self, key: str) -> bool:
        """A truth value; false if absent."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, bool):
            self.say(key, f"expected true or false, got {shown(value)}")
        return value is True

    def part(self, key: str) -> Part:
        """The mapping behind a key; empty if absent."""
        value = self.data.get(key)
        return Part({} if value is None else value, self.at(key), self.trouble)

    def parts(self, key: str) -> Iterator[Part]:
        """The mappings that are listed behind a key."""
        path = self.at(key)
        for i, value in enumerate(self._listed(key)):
            yield Part(value, f"{path}[{i}]", self.trouble)

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts that are listed behind a key."""
        found = []
        for i, value in enumerate(self._listed(key)):
            if isinstance(value, str) or type(value) is int:
                found.append(str(value))
            else:
                self.trouble.say(f"{self.at(key)}[{i}]", f"expected text, got {shown(value)}")
        return tuple(found)

    def labels(self, key: str) -> dict[str, str]:
        """Texts by name, such as labels."""
        inner = self.part(key)
        return {name: inner.text(name) for name in inner.data}

    def _listed(self, key: str) -> list[Any]:
        value = self.data.get(key)
        if value is None:
            return []
        if isinstance(value, list):
            return value
        self.say(key, f"expected a list, got {shown(value)}")
        return []


def shown(value: Any) -> str:
    """How messages show a value of any size."""
    if isinstance(value, dict):
        return "keys with values"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and abs(value) > 10**20:
        return "a huge number"
    text = "null" if value is None else repr(value)
    return text if len(text) <= 40 else text[:40] + "..."
