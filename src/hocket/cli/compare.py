"""``hocket compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from hocket import api
from hocket.cli import bound
from hocket.cli.adversary import hunt
from hocket.cli.files import Json, Settings
from hocket.cli.output import (
    as_json,
    better,
    command_line,
    due_dates,
    duration,
    facts,
    figures,
    measures,
    say,
    say_notes,
    shown_metrics,
    ticking,
    units,
)
from hocket.cli.settings import with_settings
from hocket.cli.shown import Report
from hocket.cli.whatif import WhatIf, changed
from hocket.core import study
from hocket.core.errors import UserError
from hocket.core.fields import with_fields
from hocket.core.policy import Policy
from hocket.core.run import run
from hocket.core.scenario import Scenario
from hocket.core.solution import Solution

PICTURED = 6  # a report draws at most so many schedules


def compare(
    scenarios: Annotated[tuple[str, ...], Parameter(name="SCENARIO")] = (),
    /,
    *,
    policy: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="A policy; give it again for each. Default: a few."),
    ] = (),
    settings: Settings = (),
    seeds: Annotated[int, Parameter(help="How many seeds each policy meets.")] = 1,
    first_seed: Annotated[int, Parameter(help="The first of them.")] = 0,
    workers: Annotated[
        int | None, Parameter(help="Processes; the result is the same for any number.")
    ] = None,
    on: Annotated[Literal["local", "ray"], Parameter(help="Where to run.")] = "local",
    study_file: Annotated[
        Path | None, Parameter(name="--study", help="Where results are kept as they come.")
    ] = None,
    keep: Annotated[
        bool, Parameter(name="--keep", negative="--no-study", help="Keep results in a file.")
    ] = True,
    resume: Annotated[
        bool, Parameter(negative="", help="Run only what an interrupted study lacks.")
    ] = False,
    solve: Annotated[
        float | None, Parameter(help="Also solve each scenario, for so many seconds at most.")
    ] = None,
    adversarial: Annotated[
        tuple[str, str] | None,
        Parameter(
            negative="", help="Search for the scenario on which policy A loses most to policy B."
        ),
    ] = None,
    moves: Annotated[int, Parameter(help="How many scenarios that search tries.")] = 2000,
    worst: Annotated[
        Path | None, Parameter(help="Where to write the scenario that it finds.")
    ] = None,
    report: Report = None,
    what_if: WhatIf | None = None,
    json: Json = False,
) -> int:
    """Compare policies on scenarios, paired on the same random numbers.

    Differences are to the first policy, with 95 % confidence intervals over the seeds. Exit code 1
    if a run failed, 130 if interrupted (what finished is kept; go on with --resume).

    Examples:

        hocket compare shop/ta01 shop/ta02 --policy shop/spt --policy shop/mwkr
        hocket compare shop/ta01 --solve 20 --report c.html
        hocket compare noisy.yaml --policy shop/spt --policy shop/gt --seeds 30 --report c.html
        hocket compare my-shop.yaml --policy my_rule.py --policy shop/atc --seeds 100 --resume
        hocket compare --adversarial taskgraph/heft taskgraph/cpop --worst worst.yaml
    """
    if adversarial is not None:
        if policy or solve is not None:
            raise UserError("--adversarial names its two policies itself; leave --policy out")
        return hunt(
            adversarial,
            scenarios,
            settings=settings,
            moves=moves,
            seed=first_seed,
            worst=worst,
            report=report,
            json=json,
        )
    if not scenarios:
        raise UserError("name at least one scenario to compare policies on; see --help")
    worlds = [changed(api.load(name), what_if) for name in scenarios]
    for world in worlds:
        say_notes(world)
    if solve is not None:
        bound.require_bounds(worlds)
    policies = [with_fields(api.load_policy(name), ()) for name in policy]
    policies = policies or api.default_policies(*worlds)
    if settings:
        policies = with_settings(policies, settings)
    file = (study_file or study.default_path(worlds, policies)) if keep else None
    with ticking(not json) as tick:
        found = study.compare(
            worlds,
            policies,
            seeds=seeds,
            first_seed=first_seed,
            workers=workers,
            on=on,
            study=file,
            resume=resume,
            progress=lambda done, total, left: tick(
                f"{done} of {total} runs, {duration(left)} left"
            ),
        )
        solved = (
            bound.solutions(worlds, solve, tick) if solve is not None and found.complete else []
        )
    if report is not None and found.rows:
        _write_report(report, worlds, policies, found, solved, first_seed)
    if json:
        as_json(_document(worlds, found, solved))
    else:
        _show(worlds, found, solved, report)
    if found.seeds > 1 and found.rows and all(row.low == row.high for row in found.rows):
        say(f"note: nothing here is random: the {found.seeds} seeds gave the same run again")
    if not found.complete:
        kept = "" if file is None else f"; {file} keeps what finished: go on with --resume"
        say(f"interrupted{kept}")
        return 130
    if any(solution.interrupted for solution in solved):
        return 130
    return 1 if found.failures else 0


def _document(
    worlds: Sequence[Scenario], found: study.Comparison, solved: Sequence[Solution]
) -> Any:
    """The comparison; with solutions also those, and every policy's gap to their bounds."""
    if not solved:
        return found
    parts = zip(study.labels(worlds), worlds, solved, strict=False)
    return msgspec.to_builtins(found) | {
        "solutions": [
            {
                "scenario": name,
                "objective": one.objective,
                "status": one.status,
                "value": one.value,
                "bound": one.bound,
                "reason": one.reason,
                "seconds": one.seconds,
                "gaps": bound.gaps(name, world, one, found),
            }
            for name, world, one in parts
        ]
    }


def _show(
    worlds: Sequence[Scenario],
    found: study.Comparison,
    solved: Sequence[Solution],
    report: Path | None,
) -> None:
    from hocket.report import tables

    metrics = shown_metrics(worlds[0])
    tables.show(
        tables.comparison(
            [row for row in found.rows if row.metric in metrics],
            [row for row in found.differences if row.metric == metrics[0]],
            failures=found.failures,
            better=better(worlds[0]),
            units=units(worlds[0]),
        )
    )
    for name, world, one in zip(study.labels(worlds), worlds, solved, strict=False):
        title = f"{name}: distance to the proven bound, {tables.number(one.bound)}"
        rows = bound.rows(bound.gaps(name, world, one, found), one.objective)
        tables.show(tables.listing(rows, title=title))
        if one.reason:
            tables.show(f"{one.solver}: {one.reason}")
    if report is not None:
        say(f"wrote {report}")


def _write_report(
    path: Path,
    worlds: Sequence[Scenario],
    policies: Sequence[Policy],
    found: study.Comparison,
    solved: Sequence[Solution],
    seed: int,
) -> None:
    """The comparison, and the schedules of the first scenario and seed, the solver's first."""
    from hocket.report import document, html

    failed = {f.policy for f in found.failures if f.scenario == study.labels(worlds)[0]}
    named = zip(study.distinct([str(p) for p in policies]), policies, strict=True)
    fine = [(label, p) for label, p in named if label not in failed][:PICTURED]
    runs = [(label, run(worlds[0], p, seed)) for label, p in fine]
    summary = facts(worlds[0])
    if len(worlds) > 1:
        summary["scenarios"] = ", ".join(w.name for w in worlds)
    due = due_dates(worlds[0])
    timelines = [(label, r.timeline) for label, r in runs]
    page = document.from_compare(
        rows=found.rows,
        differences=found.differences,
        failures=found.failures,
        better=better(worlds[0]),
        timelines=timelines,
        metrics={label: r.metrics for label, r in runs},
        due=due,
        command=command_line(),
        seed=f"{seed} .. {seed + found.seeds - 1}" if found.seeds > 1 else seed,
        facts=summary,
        figures=figures(worlds[0], timelines),
        measures=measures(worlds[0]),
    )
    if solved:
        page = bound.with_solution(page, worlds[0], solved[0], due)
    html.write(page, path)
