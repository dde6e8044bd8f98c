"""Every error that hocket raises on purpose, in one tree.

    HocketError
    ├── UserError               the request cannot be carried out as given      exit code 2
    │   ├── InputError          a file or value is wrong; lists all its problems
    │   ├── UnknownName         no such policy, scenario, field ...; suggests the nearest
    │   ├── NotApplicable       a policy or solver that does not handle this problem
    │   └── MissingExtra        an optional library is not installed; says how to install it
    ├── RunError                a run failed                                    exit code 1
    │   ├── IllegalDecision     a policy decided something the world forbids; names the policy
    │   └── Deadlock            nothing can move any more and work is left
    └── StudyError              a study file is unusable                        exit code 2

A message says what, where, why, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import msgspec


class HocketError(Exception):
    """The root of the tree; `exit_code` is what the command line returns for it."""

    exit_code = 1


class UserError(HocketError):
    """The request cannot be carried out as given; the caller has to change it."""

    exit_code = 2


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong with an input: where it is and what is wrong there.

    `path` is like ``jobs[3].due`` (empty for the whole file); `line` is 1-based, None if unknown.
    """

    path: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        line = "" if self.line is None else f"line {self.line}: "
        path = f"{self.path}: " if self.path else ""
        return f"{line}{path}{self.message}"


class InputError(UserError):
    """An input is wrong. Carries every problem found, not only the first."""

    shown = 20

    def __init__(self, source: str, problems: Sequence[Problem | str]) -> None:
        """`source` names the file or object; `problems` is not empty."""
        self.source = source
        self.problems = tuple(p if isinstance(p, Problem) else Problem("", p) for p in problems)
        super().__init__(self._text())

    def __reduce__(self) -> tuple[type[InputError], tuple[str, tuple[Problem, ...]]]:
        return type(self), (self.source, self.problems)

    def _text(self) -> str:
        if len(self.problems) == 1:
            return f"{self.source}: {self.problems[0]}"
        lines = [f"{self.source}: {len(self.problems)} problems"]
        lines += [f"  {problem}" for problem in self.problems[: self.shown]]
        if len(self.problems) > self.shown:
            lines.append(f"  ... and {len(self.problems) - self.shown} more")
        return "\n".join(lines)


class UnknownName(UserError):
    """There is no such policy, scenario, field or option; the nearest names are suggested.

    Where none is near, all are told if they are `few`.
    """

    few = 10

    def __init__(self, what: str, name: str, known: Iterable[str], hint: str = "") -> None:
        """`what` is the kind of name ("policy"), `known` all valid names, `hint` the next step."""
        self.what, self.name, self.known, self.hint = what, name, tuple(known), hint
        message = f"unknown {what} {name!r}{did_you_mean(name, self.known)}"
        if not message.endswith("?") and not hint and 0 < len(self.known) <= self.few:
            hint = f"There is {', '.join(self.known)}."
        stop = "" if message.endswith("?") or not hint else "."
        super().__init__(f"{message}{stop} {hint}".rstrip())

    def __reduce__(self) -> tuple[type[UnknownName], tuple[str, str, tuple[str, ...], str]]:
        return type(self), (self.what, self.name, self.known, self.hint)


class NotApplicable(UserError):
    """A policy or solver was asked to handle a problem it is not made for."""


class MissingExtra(UserError):
    """An optional library is absent; the message holds the exact install line."""

    def __init__(self, extra: str, library: str) -> None:
        """`extra` is hocket's extra ("solve"), `library` the module that could not be imported."""
        self.extra, self.library = extra, library
        super().__init__(
            f"this needs {library}, which is not installed: pip install 'hocket[{extra}]'"
        )

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        return type(self), (self.extra, self.library)


class RunError(HocketError):
    """A run failed. In a study it is reported beside the other runs and stops none of them."""


class IllegalDecision(RunError):
    """A policy decided something that the world forbids. Never repaired silently."""

    def __init__(self, policy: str, time: int, decision: str, why: str) -> None:
        """Names the policy, the time in ticks, the decision, and the constraint it breaks."""
        self.policy, self.time, self.decision, self.why = policy, time, decision, why
        super().__init__(f"{policy} decided {decision} at time {time}, which is illegal: {why}")

    def __reduce__(self) -> tuple[type[IllegalDecision], tuple[str, int, str, str]]:
        return type(self), (self.policy, self.time, self.decision, self.why)


class Deadlock(RunError):
    """Nothing can move any more although work is left."""


class StudyError(HocketError):
    """A study file cannot be read, written or resumed."""

    exit_code = 2


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``: did you mean 'x' or 'y'?`` for near misses, else an empty string."""
    names = list(known)
    same = [full for full in names if full.rpartition("/")[2] == name]  # only the domain is missing
    near = same or difflib.get_close_matches(name, names, n=3, cutoff=0.55)
    return f": did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
