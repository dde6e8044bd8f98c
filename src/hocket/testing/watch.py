"""A policy under observation: what it is shown, and whether it leaves that as it found it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

import msgspec
import numpy as np

from hocket.core.kernel import Event, Kernel, Phase
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.testing.errors import ClockError, MutationError

PLAIN = (int, float, str, bytes, bool, complex, type(None), np.generic)
PLAIN_TYPES = frozenset(kind for kind in PLAIN if kind is not np.generic)
_ABSENT = object()
DEPTH = 4  # how far below a view its parts are looked at


class Watched:
    """Stands in for a policy: what its decider is called with is compared before and after.

    So are the calls of the deciders that it holds or makes, of which a domain with several roles
    has one each. `decisions` counts the calls. With `between`, nothing is compared; it is called
    with that count before each decision, as a place to do something else in the middle of a run.
    """

    def __init__(self, policy: Any, between: Callable[[int], None] | None = None) -> None:
        self.policy = policy
        self.between = between
        self.decisions = 0
        self.now = 0

    def begin(self, scenario: Any, streams: Streams) -> Any:
        """The policy's own decider, watched."""
        return _WatchedDecider(self, self.policy.begin(scenario, streams))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)

    def __str__(self) -> str:
        return str(self.policy)

    def decide(self, method: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call a method of the decider."""
        self.decisions += 1
        if self.between is not None:
            self.between(self.decisions)
            return method(*args)
        before = [state(view) for view in args]
        self._check_clock(args)
        decision = method(*args)
        for view, then in zip(args, before, strict=True):
            now = state(view)
            changed = [name for name in then if now.get(name) != then[name]]
            if changed or len(now) != len(then):
                what = f"{type(view).__name__}.{', .'.join(changed)}"
                raise MutationError(
                    f"{self.policy} changed {what} at decision {self.decisions}; a policy never "
                    f"changes the world: work on a copy"
                )
        return decision

    def _check_clock(self, args: tuple[Any, ...]) -> None:
        for view in args:
            now = getattr(view, "now", self.now)
            if now < self.now:
                raise ClockError(f"{type(view).__name__}.now went from {self.now} back to {now}")
            self.now = now


class _WatchedDecider:
    def __init__(self, watched: Watched, decider: Any) -> None:
        self._watched, self._decider = watched, decider

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._decider, name)
        if name.startswith("_"):
            return found
        if not callable(found):
            return self._part(found)
        return lambda *args: self._part(self._watched.decide(found, args))

    def _part(self, found: Any) -> Any:
        """A decider of its own, watched too; anything else as it is."""
        return _WatchedDecider(self._watched, found) if _decides(found) else found


def _decides(thing: Any) -> bool:
    """Whether this is an object with methods, and not data: number, text, collection, struct."""
    if isinstance(thing, Policy):
        return True
    if isinstance(thing, (*PLAIN, np.ndarray, Iterable, msgspec.Struct, Enum)):
        return False
    kinds = [kind for kind in type(thing).__mro__ if kind is not object]
    return any(
        callable(value) and not name.startswith("_")
        for kind in kinds
        for name, value in vars(kind).items()
    )


class Clock(Kernel):
    """A kernel that notes when its events run. Raises ClockError when one runs too early."""

    def __init__(self, unit: str = "tick") -> None:
        super().__init__(unit)
        self.last = 0
        self.events = 0

    def after(
        self, delay: int, action: Callable[..., object], *args: Any, phase: Phase = Phase.FINISH
    ) -> Event:
        """See Kernel.after."""
        return super().after(delay, self._note, action, args, phase=phase)

    def _note(self, action: Callable[..., object], args: tuple[Any, ...]) -> None:
        if self.now < self.last:
            raise ClockError(f"an event ran at {self.now}, after one at {self.last}")
        self.last = self.now
        self.events += 1
        action(*args)


def state(view: Any) -> dict[str, Any]:
    """The public attributes of a view by name, frozen for comparison.

    Raises MutationError for an array that can be written to.
    """
    if isinstance(view, PLAIN):
        return {}
    seen: Seen = {}
    return {name: _frozen(value, name, DEPTH, seen) for name, value in _attributes(view)}


Seen = dict[int, tuple[int, int, Any]]
"""By identity: the number of an object that has been looked at, how deep, and the object."""


def _frozen(value: Any, where: str, depth: int, seen: Seen) -> Any:
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, np.ndarray):
        if value.flags.writeable:
            raise MutationError(f"the view's array .{where} can be written to: make it read-only")
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, (list, tuple)):
        if PLAIN_TYPES.issuperset(map(type, value)):
            return tuple(value)
        return [_frozen(inner, where, depth, seen) for inner in value]
    if isinstance(value, Mapping):
        return [(repr(key), _frozen(inner, where, depth, seen)) for key, inner in value.items()]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if depth == 0 or callable(value):
        return None
    number, deepest, _ = seen.get(id(value), (len(seen), 0, None))
    if deepest >= depth:  # objects that know each other would be gone through again and again
        return number
    seen[id(value)] = (number, depth, value)
    return [
        _frozen(inner, f"{where}.{name}", depth - 1, seen) for name, inner in _attributes(value)
    ]


def _attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    """What is stored in an object, and what its properties say, by public name."""
    names = list(getattr(thing, "__dict__", ()))
    if isinstance(thing, msgspec.Struct):
        names += thing.__struct_fields__
    for kind in type(thing).__mro__:
        names += getattr(kind, "__slots__", ())
        names += [name for name, value in vars(kind).items() if isinstance(value, property)]
    for name in dict.fromkeys(names):
        if not name.startswith("_"):
            value = getattr(thing, name, _ABSENT)
            if value is not _ABSENT:
                yield name, value
