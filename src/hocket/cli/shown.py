"""A run, simulated or recorded, as commands show it: tables, a report, traces, columns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

from cyclopts import Parameter

from hocket.cli.output import (
    command_line,
    due_dates,
    facts,
    figures,
    main_metrics,
    measures,
    say,
    say_rejected,
    units,
)
from hocket.core.scenario import Scenario
from hocket.core.solution import Violation
from hocket.core.timeline import Timeline
from hocket.core.writing import require_place


def place(_: Any, path: Path | None) -> None:
    """Whether a file can be written there, asked before long work."""
    if path is not None:
        require_place(path)


Report = Annotated[
    Path | None, Parameter(validator=place, help="Write an HTML report to this file.")
]

Trace = Annotated[
    Path | None,
    Parameter(validator=place, help="Write a trace for ui.perfetto.dev to this file."),
]
Columns = Annotated[
    Path | None,
    Parameter(validator=place, help="Write the timeline: .json, .csv, .parquet or .arrow."),
]
Everything = Annotated[
    bool, Parameter(name="--all", negative="", help="Print all metrics, not the main ones.")
]


class Shown(NamedTuple):
    """A run, simulated or recorded, as it is shown."""

    scenario: Scenario
    policy: str
    timeline: Timeline
    metrics: dict[str, float]
    violations: list[Violation]
    seed: int = 0


class Files(NamedTuple):
    """Where to write what of a run; None for not at all."""

    report: Path | None = None
    trace: Path | None = None
    timeline: Path | None = None
    scenario: Path | None = None


def write(shown: Shown, files: Files) -> None:
    """Write the files that are asked for."""
    world = shown.scenario
    if files.report is not None:
        from hocket.report import document, html

        html.write(
            document.from_run(
                scenario=world.name,
                policy=shown.policy,
                timeline=shown.timeline,
                metrics=shown.metrics,
                due=due_dates(world),
                violations=shown.violations,
                command=command_line(),
                seed=shown.seed,
                facts=facts(world),
                figures=figures(world, [(shown.policy, shown.timeline)]),
                measures=measures(world),
            ),
            files.report,
        )
    if files.trace is not None:
        from hocket.report.trace import write_trace

        write_trace(shown.timeline, files.trace)
    if files.timeline is not None:
        from hocket.report.columns import write_columns

        write_columns(shown.timeline, files.timeline)
    if files.scenario is not None:
        from hocket.core.save import save

        save(world, files.scenario)


def table(shown: Shown, title: str, everything: bool, files: Files) -> None:
    """Print the main metrics, or all; and which files were written."""
    from hocket.report import tables

    main = shown.metrics if everything else main_metrics(shown.scenario, shown.metrics)
    tables.show(tables.metrics(main, title=title, units=units(shown.scenario)))
    if len(main) < len(shown.metrics):
        say(f"{len(shown.metrics) - len(main)} more metrics with --all or --json")
    for path in files:
        if path is not None:
            say(f"wrote {path}")


def told(shown: Shown) -> int:
    """Say what was refused, and what the checker found; the exit code."""
    say_rejected(shown.timeline)
    for violation in shown.violations:
        say(f"check: {violation}")
    return 1 if shown.violations else 0
