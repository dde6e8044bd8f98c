"""What the commands share in showing things: JSON, progress, reports."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from hocket.core import registry
from hocket.core.domain import Measure
from hocket.core.scenario import Scenario
from hocket.core.timeline import Timeline


def as_json(value: Any) -> None:
    """Print one JSON document on standard output, and nothing else."""
    data = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.write(data.decode() + "\n")


def say(message: str) -> None:
    """A remark for the reader, on standard error."""
    print(message, file=sys.stderr)


def say_notes(scenario: Scenario) -> None:
    """What the reader of a scenario should know of it, on standard error."""
    for note in scenario.notes():
        say(f"note: {scenario.name}: {note}")


def say_rejected(timeline: Timeline) -> None:
    """How much work the world refused by itself, and why, on standard error."""
    refused = list(timeline.points("reject"))
    if refused:
        arrived = len({point.group for point in timeline.points("arrive")})
        first = refused[0]
        say(f"note: {len(refused)} of {arrived} rejected, first {first.group}: {first.reason}")


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
        found[label] = _brief(value)
    if scenario.notes():
        found["notes"] = "; ".join(scenario.notes())
    return found


def _brief(value: Any) -> str:
    """A field in a few words: collections counted, parts by their kind and plain fields."""
    if isinstance(value, tuple | dict):
        return str(len(value))
    if not isinstance(value, msgspec.Struct):
        return str(value)
    kind = value.__struct_config__.tag
    told = [str(kind)] if kind else []
    for field in msgspec.structs.fields(type(value)):
        inner = getattr(value, field.name)
        if isinstance(inner, msgspec.Struct):
            inner = inner.__struct_config__.tag or None
        if inner is not None and inner != () and not isinstance(inner, tuple | dict):
            told.append(f"{field.name.replace('_', ' ')} {inner}")
        elif isinstance(inner, tuple) and len(inner) > 1:
            told.append(f"{len(inner):,} in {field.name.replace('_', ' ')}")
    return ", ".join(told)


def due_dates(scenario: Scenario) -> dict[str, int]:
    """Due dates by group, for pictures; empty for problems that have none."""
    problem = registry.problem_type(scenario)
    return dict(problem.get("due")(scenario)) if problem.due else {}


def measures(scenario: Scenario) -> dict[str, Measure]:
    """What the metrics of a problem mean, for problems that say so; else empty."""
    problem = registry.problem_type(scenario)
    return dict(problem.get("measures")) if problem.measures else {}


def units(scenario: Scenario) -> dict[str, str]:
    """Units of the metrics, where they are not plain."""
    return {name: measure.unit for name, measure in measures(scenario).items()}


def better(scenario: Scenario) -> dict[str, Any]:
    """Which metrics have a good direction: by default objectives and their means, minimised."""
    told = measures(scenario)
    if told:
        return {name: measure.better for name, measure in told.items() if measure.better}
    objectives = registry.problem_type(scenario).objectives
    means = [name.replace("total_", "mean_") for name in objectives]
    return dict.fromkeys([*objectives, *means], "lower")


def figures(scenario: Scenario, runs: Sequence[tuple[str, Timeline]]) -> tuple[Any, ...]:
    """The domain's own pictures of these runs, for a report."""
    problem = registry.problem_type(scenario)
    return tuple(problem.get("figures")(scenario, runs)) if problem.figures else ()


def shown_metrics(scenario: Scenario) -> tuple[str, ...]:
    """The metrics of the table on a terminal: the scenario's objective and what goes with it."""
    objectives = registry.problem_type(scenario).objectives
    told = tuple(name for name, measure in measures(scenario).items() if measure.shown)
    objective = getattr(scenario, "objective", told[0] if told else objectives[0])
    if told or "makespan" not in objectives:
        return tuple(dict.fromkeys((objective, *(told or objectives))))
    names = (objective, "makespan", "mean_flow_time", "mean_tardiness", "late_jobs", "utilisation")
    return tuple(dict.fromkeys(names))


def main_metrics(scenario: Scenario, values: dict[str, float]) -> dict[str, float]:
    """The metrics of one run that its table shows: all, where the domain does not choose some."""
    told = measures(scenario)
    return {name: value for name, value in values.items() if not told or told[name].shown}
