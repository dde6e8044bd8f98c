"""What the commands share in showing things: JSON, progress, reports."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from hocket.core import registry
from hocket.core.scenario import Scenario


def as_json(value: Any) -> None:
    """Print one JSON document on standard output, and nothing else."""
    data = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.write(data.decode() + "\n")


def say(message: str) -> None:
    """A remark for the reader, on standard error."""
    print(message, file=sys.stderr)


def command_line() -> str:
    """The command that is running, to be shown in reports."""
    return shlex.join(["hocket", *sys.argv[1:]])


class Ticker:
    """One line on standard error that tells how far long work is; silent when nobody watches.

    It appears only after a second, so quick work stays quiet.
    """

    def __init__(self, shown: bool) -> None:
        """`shown` is False under ``--json``."""
        self._shown = shown and sys.stderr.isatty()
        self._begun = self._last = time.monotonic()
        self._width = 0

    def __call__(self, text: str) -> None:
        """Show `text` in place of the last one."""
        now = time.monotonic()
        if not self._shown or now - self._begun < 1 or now - self._last < 0.1:
            return
        self._last = now
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width = len(text)

    def clear(self) -> None:
        """Leave no trace."""
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()


@contextmanager
def ticking(shown: bool) -> Iterator[Ticker]:
    """A Ticker for the time of a block."""
    ticker = Ticker(shown)
    try:
        yield ticker
    finally:
        ticker.clear()


def duration(seconds: float | None) -> str:
    """``45 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def facts(scenario: Scenario) -> dict[str, str]:
    """What a scenario is, in a few lines: its own fields, with collections counted."""
    found = {"problem": registry.tag_of(scenario)}
    for field in msgspec.structs.fields(type(scenario)):
        value = getattr(scenario, field.name)
        if value is None or value == () or value is False or value == "":
            continue
        label = field.name.replace("_", " ")
        found[label] = str(len(value)) if isinstance(value, tuple | dict) else str(value)
    return found


def due_dates(scenario: Scenario) -> dict[str, int]:
    """Due dates by group, for pictures; empty for problems that have none."""
    problem = registry.problem_type(scenario)
    return dict(problem.get("due")(scenario)) if problem.due else {}


def better(scenario: Scenario) -> dict[str, Any]:
    """Which metrics have a good direction: the objectives and their means, all minimised."""
    objectives = registry.problem_type(scenario).objectives
    means = [name.replace("total_", "mean_") for name in objectives]
    return dict.fromkeys([*objectives, *means], "lower")


def shown_metrics(scenario: Scenario) -> tuple[str, ...]:
    """The metrics of the table on a terminal: the scenario's objective and what goes with it."""
    objectives = registry.problem_type(scenario).objectives
    objective = getattr(scenario, "objective", objectives[0])
    if "makespan" not in objectives:
        return tuple(dict.fromkeys((objective, *objectives)))
    names = (objective, "makespan", "mean_flow_time", "mean_tardiness", "late_jobs", "utilisation")
    return tuple(dict.fromkeys(names))
