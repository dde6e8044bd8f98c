"""A record as a whole: judged, and put together by request."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hocket.core.errors import InputError, Problem
from hocket.core.scenario import LONGEST
from hocket.serving.live.record import VERSION, Asked, Began, Finished, Line, Step, read
from hocket.serving.workload.lengths import MOST_TOKENS

LATEST = LONGEST // 2
"""The latest microsecond of a record; differences of any two still fit in a scenario."""


class Recording(NamedTuple):
    """What a record says.

    - `asked`, `finished`: by request, in the order of the lines
    - `steps`: the iterations, in order
    - `end`: when the last thing happened, in microseconds since the record began
    """

    began: Began
    asked: dict[str, Asked]
    steps: tuple[Step, ...]
    finished: dict[str, Finished]
    end: int

    @property
    def cut_off(self) -> tuple[str, ...]:
        """The requests that were under way when the record ended, in the order of arrival."""
        return tuple(name for name in self.asked if name not in self.finished)


def load(path: Path) -> Recording:
    """The record in a file. Raises UserError and InputError as `record.read` and `recording` do."""
    return recording(read(path), str(path))


def recording(lines: Iterable[Line], source: str = "record") -> Recording:
    """The record made of these lines. Raises InputError with every problem; `source` names it."""
    found = list(lines)
    if not found or not isinstance(found[0], Began):
        message = "no record of a live run: its first line must be of kind began"
        raise InputError(source, [Problem("", message)])
    began = found[0]
    asked: dict[str, Asked] = {}
    finished: dict[str, Finished] = {}
    steps: list[Step] = []
    if problems := list(_engine(began)):  # nothing else can be judged then
        raise InputError(source, problems)
    names = _Names()
    for number, told in enumerate(found[1:], start=2):
        line = names.told_apart(told, asked, finished)
        wrong = _wrong(line, began, asked, finished)
        if wrong:
            problems.append(Problem("", wrong, number))
        elif isinstance(line, Asked):
            asked[line.id] = line
        elif isinstance(line, Finished):
            finished[line.id] = line
        elif isinstance(line, Step):
            steps.append(line)
    if not asked and not problems:
        problems.append(Problem("", "nothing was asked while it was recorded"))
    if problems:
        raise InputError(source, problems)
    times = [step.end for step in steps] + [line.at for line in finished.values()]
    end = max((*times, *(line.at for line in asked.values())))
    in_order = tuple(sorted(steps, key=lambda step: step.n))
    arrived = dict(sorted(asked.items(), key=lambda item: item[1].arrival))
    return Recording(began, arrived, in_order, finished, end)


class _Names:
    """Tells requests apart whose clients gave them one name, one after the other.

    The second is called ``a (2)`` from when it is asked; an iteration that was composed before is
    about the first, even if its line comes later.
    """

    def __init__(self) -> None:
        self._names: dict[str, list[Asked]] = {}  # by the name given, who had it after the first

    def told_apart(
        self, line: Line, asked: dict[str, Asked], finished: dict[str, Finished]
    ) -> Line:
        """The line with names that only one request has."""
        if isinstance(line, Asked) and line.id in asked and self._now(line.id) in finished:
            others = self._names.setdefault(line.id, [])
            number = len(others) + 2
            while f"{line.id} ({number})" in asked:
                number += 1
            line = msgspec.structs.replace(line, id=f"{line.id} ({number})")
            others.append(line)
        elif isinstance(line, Finished) and line.id in self._names:
            line = msgspec.structs.replace(line, id=self._now(line.id))
        elif isinstance(line, Step) and self._names:
            line = self._step(line)
        return line

    def _now(self, name: str, time: int = LATEST) -> str:
        """Who has a name at a time."""
        for other in reversed(self._names.get(name, ())):
            if other.at <= time:
                return other.id
        return name

    def _step(self, line: Step) -> Step:
        def named(counts: dict[str, Any]) -> dict[str, Any]:
            return {self._now(name, line.at): value for name, value in counts.items()}

        return msgspec.structs.replace(
            line,
            tokens=named(line.tokens),
            cached=named(line.cached),
            reasons=named(line.reasons),
            preempted=tuple(self._now(name, line.at) for name in line.preempted),
        )


def _engine(began: Began) -> Iterable[Problem]:
    if began.version != VERSION:
        message = f"the format is number {began.version}, this hocket reads {VERSION}; take another"
        yield Problem("version", message, 1)
    for name in ("block_size", "blocks", "max_context"):
        if not 1 <= getattr(began, name) <= 2**40:
            yield Problem(name, f"{getattr(began, name)} is no number of an engine's", 1)


def _wrong(line: Line, began: Began, asked: dict[str, Asked], finished: dict[str, Finished]) -> str:
    """What is wrong with a line after those before it; empty if nothing is."""
    match line:
        case Began():
            return "a second beginning; give each run a file of its own"
        case Asked():
            return _wrong_request(line, began) or (
                f"{line.id!r} was asked before; ids must differ" if line.id in asked else ""
            )
        case Step():
            strangers = [name for name in (*line.tokens, *line.preempted) if name not in asked]
            if strangers:
                return f"iteration {line.n} computes {strangers[0]!r}, which nobody asked for"
            if not 0 <= line.at <= line.end <= LATEST:
                return f"iteration {line.n} lasts from {line.at} to {line.end}"
            counts = (*line.tokens.values(), *line.cached.values())
            if any(not 0 <= count <= MOST_TOKENS for count in counts):
                return f"iteration {line.n} has numbers of tokens that cannot be"
        case Finished():
            if line.id not in asked:
                return f"{line.id!r} is finished, but nobody asked for it"
            if line.id in finished:
                return f"{line.id!r} is finished for a second time"
            if not (0 <= line.at <= LATEST and 0 <= line.generated <= MOST_TOKENS):
                return f"{line.id!r} cannot have {line.generated} tokens at {line.at}"
    return ""


def _wrong_request(line: Asked, began: Began) -> str:
    if not line.id:
        return "a request has no id"
    if not 1 <= line.prompt <= MOST_TOKENS or line.limit < 1:
        return f"{line.id!r} cannot have a prompt of {line.prompt} and a limit of {line.limit}"
    if not (abs(line.arrival) <= LATEST and 0 <= line.at <= LATEST):
        return f"{line.id!r} cannot arrive at {line.arrival}, {line.at}"
    if abs(line.priority) > 2**31 or line.expected < 0:
        return f"{line.id!r} cannot have priority {line.priority}, {line.expected} tokens expected"
    if len(line.prefix) > -(-line.prompt // began.block_size):
        return f"{line.id!r} has {len(line.prefix)} digests, more than blocks of its prompt"
    if any(not 0 <= digest < 2**63 for digest in line.prefix):
        return f"{line.id!r} has digests that do not fit in 63 bits"
    return ""
