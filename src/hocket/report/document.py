"""The document behind a report: plain frozen data, from which the page is drawn.

It is the whole content of the page's ``<script id="hocket-data">`` as JSON, so whoever opens a
report can also read it with a program: `read` gives the document back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec

from hocket import __version__
from hocket.core.solution import Solution, Step, Violation
from hocket.core.timeline import Timeline
from hocket.report.chart import Chart, encode, finite
from hocket.report.figures import Figure, Given, Strips, drawn

Direction = Literal["lower", "higher"]
_Row = TypeVar("_Row", "Estimate", "Difference")
Facts = Mapping[str, object] | Sequence[tuple[str, object]]

MOST_BARS = 20_000
"""Bars of a page that also has strips; what is more is left to them."""


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """One line of the summary of a scenario."""

    label: str
    value: str


class Estimate(msgspec.Struct, frozen=True):
    """A policy's mean of a metric over `n` runs, with its confidence interval `low` to `high`.

    What is not known, or is not finite (the interval of a single run), is None.
    """

    scenario: str
    policy: str
    metric: str
    mean: float | None
    low: float | None
    high: float | None
    n: int


class Difference(msgspec.Struct, frozen=True):
    """The mean of `policy` minus `versus`, paired on the same workloads, with its interval."""

    scenario: str
    metric: str
    policy: str
    versus: str
    mean: float | None
    low: float | None
    high: float | None
    n: int


class Failure(msgspec.Struct, frozen=True):
    """A run that failed, and why."""

    scenario: str
    policy: str
    seed: int
    error: str


class Comparison(msgspec.Struct, frozen=True):
    """Policies side by side. `better` says of a metric which way is good; others have no winner."""

    estimates: tuple[Estimate, ...]
    differences: tuple[Difference, ...] = ()
    failures: tuple[Failure, ...] = ()
    better: dict[str, Direction] = {}


class Solved(msgspec.Struct, frozen=True):
    """What a solver found and proved; `steps` is its progress over seconds."""

    scenario: str
    objective: str
    status: str
    solver: str
    seconds: float
    value: float | None = None
    bound: float | None = None
    gap: float | None = None
    reason: str = ""
    steps: tuple[Step, ...] = ()


class Meaning(msgspec.Struct, frozen=True, array_like=True):
    """What a metric is: its unit, what it measures, whether it stands where not all can."""

    unit: str
    text: str
    shown: bool = False


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A report. Every part may be absent; `violations` is None when nothing was checked.

    `command` is the exact command that makes this report again; `date` is only there when given,
    so that the same run gives the same bytes. `figures` are those that the domain adds; `meanings`
    explains metrics by name.
    """

    format: Literal[1] = 1
    title: str
    command: str = ""
    version: str = __version__
    seed: str = ""
    date: str = ""
    facts: tuple[Fact, ...] = ()
    charts: tuple[Chart, ...] = ()
    figures: tuple[Figure, ...] = ()
    meanings: dict[str, Meaning] = {}
    comparison: Comparison | None = None
    solved: Solved | None = None
    violations: tuple[Violation, ...] | None = None


def from_run(
    *,
    scenario: str,
    policy: str,
    timeline: Timeline,
    metrics: Mapping[str, float] | None = None,
    due: Mapping[str, int] | None = None,
    violations: Iterable[Violation] | None = None,
    command: str = "",
    seed: int | str = "",
    date: str = "",
    facts: Facts = (),
    title: str = "",
    figures: Iterable[Given] = (),
    measures: Mapping[str, Any] | None = None,
) -> Document:
    """The report of one run. `due` maps groups (jobs) to due dates in ticks.

    `figures` are the domain's own pictures, `measures` what its metrics mean (`core.domain`).
    """
    pictures = drawn(figures, ())
    return Document(
        title=_sound(title or f"{scenario} under {policy}"),
        command=_sound(command),
        seed=str(seed),
        date=date,
        facts=_facts(facts),
        charts=_charts([(policy, timeline)], {policy: metrics or {}}, due, pictures),
        figures=pictures,
        meanings=_meanings(measures),
        violations=None if violations is None else tuple(violations),
    )


def from_compare(
    *,
    rows: Iterable[Any],
    differences: Iterable[Any] = (),
    failures: Iterable[Any] = (),
    better: Mapping[str, Direction] | None = None,
    timelines: Iterable[tuple[str, Timeline]] = (),
    metrics: Mapping[str, Mapping[str, float]] | None = None,
    due: Mapping[str, int] | None = None,
    command: str = "",
    seed: int | str = "",
    date: str = "",
    facts: Facts = (),
    title: str = "",
    figures: Iterable[Given] = (),
    measures: Mapping[str, Any] | None = None,
) -> Document:
    """The report of a comparison.

    `rows`, `differences` and `failures` are mappings or objects with the fields of Estimate,
    Difference and Failure, such as those of a study; `metrics` maps labels of `timelines` to what
    those runs scored; `figures` and `measures` are as in `from_run`. Raises
    msgspec.ValidationError for a row that lacks a field.
    """
    compared = comparison_of(rows, differences, failures, better)
    pictures = drawn(figures, compared.estimates)
    return Document(
        title=_sound(title or _compared(compared.estimates)),
        command=_sound(command),
        seed=str(seed),
        date=date,
        facts=_facts(facts),
        charts=_charts(list(timelines), metrics or {}, due, pictures),
        figures=pictures,
        meanings=_meanings(measures),
        comparison=compared,
    )


def from_solution(
    solution: Solution,
    *,
    metrics: Mapping[str, float] | None = None,
    due: Mapping[str, int] | None = None,
    timelines: Iterable[tuple[str, Timeline]] = (),
    command: str = "",
    seed: int | str = "",
    date: str = "",
    facts: Facts = (),
    title: str = "",
    figures: Iterable[Given] = (),
    measures: Mapping[str, Any] | None = None,
) -> Document:
    """The report of a solution; `timelines` are others to set beside it, such as a policy's run.

    `figures` and `measures` are as in `from_run`.
    """
    own = label(solution)
    charts = [] if solution.timeline is None else [(own, solution.timeline)]
    pictures = drawn(figures, ())
    return Document(
        title=_sound(title or f"{solution.scenario}: {solution.objective} ({solution.status})"),
        command=_sound(command),
        seed=str(seed),
        date=date,
        facts=_facts(facts),
        charts=_charts([*charts, *timelines], {own: metrics or {}}, due, pictures),
        figures=pictures,
        meanings=_meanings(measures),
        solved=Solved(
            scenario=solution.scenario,
            objective=solution.objective,
            status=solution.status,
            solver=solution.solver,
            seconds=solution.seconds,
            value=solution.value,
            bound=solution.bound,
            gap=solution.gap,
            reason=solution.reason,
            steps=solution.log,
        ),
        violations=solution.violations if solution.timeline is not None else None,
    )


def label(solution: Solution) -> str:
    """What a solution's timeline is called."""
    return "optimal" if solution.status == "optimal" else solution.solver or solution.status


def _charts(
    timelines: Sequence[tuple[str, Timeline]],
    metrics: Mapping[str, Mapping[str, float]],
    due: Mapping[str, int] | None,
    figures: Sequence[Figure],
) -> tuple[Chart, ...]:
    """The timelines, drawn bar by bar as far as strips do not show them better."""
    strips = any(isinstance(figure, Strips) for figure in figures)
    most = MOST_BARS // max(1, len(timelines)) if strips else None
    return tuple(
        encode(label, timeline, metrics=metrics.get(label), due=due, most=most, levels=not strips)
        for label, timeline in timelines
    )


def _meanings(measures: Mapping[str, Any] | None) -> dict[str, Meaning]:
    found = (measures or {}).items()
    return {name: Meaning(one.unit, one.meaning, one.shown) for name, one in found}


def comparison_of(
    rows: Iterable[Any],
    differences: Iterable[Any] = (),
    failures: Iterable[Any] = (),
    better: Mapping[str, Direction] | None = None,
) -> Comparison:
    """A Comparison from mappings or objects with the fields of Estimate, Difference and Failure.

    Raises msgspec.ValidationError for a row that lacks a field.
    """
    return Comparison(
        tuple(_row(row, Estimate) for row in rows),
        tuple(_row(row, Difference) for row in differences),
        tuple(msgspec.convert(row, Failure, from_attributes=True) for row in failures),
        dict(better or {}),
    )


def _row(row: Any, kind: type[_Row]) -> _Row:
    found = msgspec.convert(row, kind, from_attributes=True)
    known = {name: finite(getattr(found, name)) for name in ("mean", "low", "high")}
    return msgspec.structs.replace(found, **known)


def _facts(facts: Facts) -> tuple[Fact, ...]:
    pairs = facts.items() if isinstance(facts, Mapping) else facts
    return tuple(Fact(_sound(label), _sound(str(value))) for label, value in pairs)


def _sound(text: str) -> str:
    """Text that UTF-8 can write: a file name in another encoding leaves stray surrogates."""
    return text.encode("utf-8", "replace").decode()


def _compared(estimates: Sequence[Estimate]) -> str:
    policies = list(dict.fromkeys(estimate.policy for estimate in estimates))
    scenarios = list(dict.fromkeys(estimate.scenario for estimate in estimates))
    where = scenarios[0] if len(scenarios) == 1 else f"{len(scenarios)} scenarios"
    return f"{len(policies)} policies on {where}"
