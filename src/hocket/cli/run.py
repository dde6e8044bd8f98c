"""``hocket run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from hocket import api
from hocket.cli.files import Json, Settings
from hocket.cli.output import (
    as_json,
    command_line,
    due_dates,
    facts,
    figures,
    main_metrics,
    measures,
    say,
    say_notes,
    say_rejected,
    units,
)
from hocket.cli.whatif import WhatIf, changed
from hocket.core import registry
from hocket.core.errors import HocketError, RunError
from hocket.core.fields import with_fields
from hocket.core.plugins import crash
from hocket.core.policy import spec
from hocket.core.run import run as run_once
from hocket.core.writing import require_place


def _place(_: Any, path: Path | None) -> None:
    if path is not None:
        require_place(path)


Report = Annotated[
    Path | None, Parameter(validator=_place, help="Write an HTML report to this file.")
]


Named = Annotated[
    str, Parameter(name="SCENARIO", allow_leading_hyphen=True, help="File, - or name (shop/ta41).")
]


def run(
    scenario: Named,
    /,
    *,
    policy: Annotated[str | None, Parameter(help="Name, policy file, or my_rule.py.")] = None,
    settings: Settings = (),
    seed: Annotated[int, Parameter(help="Seed of all that is random.")] = 0,
    report: Report = None,
    trace: Annotated[
        Path | None,
        Parameter(validator=_place, help="Write a trace for ui.perfetto.dev to this file."),
    ] = None,
    timeline: Annotated[
        Path | None,
        Parameter(validator=_place, help="Write the timeline: .json, .csv, .parquet or .arrow."),
    ] = None,
    everything: Annotated[
        bool, Parameter(name="--all", negative="", help="Print all metrics, not the main ones.")
    ] = False,
    what_if: WhatIf | None = None,
    json: Json = False,
) -> int:
    """Simulate one policy on one scenario: a file, or a name such as shop/ta41.

    Exit code 1 if the run failed, or its schedule did not pass the independent checker.

    Examples:

        hocket run shop/ta01 --policy shop/mwkr
        hocket run my-shop.yaml --policy shop/atc --set k=3 --report run.html --trace run.json
        hocket run my-shop.yaml --policy my_rule.py --json
    """
    world = changed(api.load(scenario), what_if)
    say_notes(world)
    chosen = api.default_policies(world)[0] if policy is None else api.load_policy(policy)
    chosen = with_fields(chosen, settings)
    try:
        done = run_once(world, chosen, seed)
    except HocketError:
        raise
    except Exception as error:
        raise RunError(f"{chosen}: {crash(error)}") from error
    violations = registry.problem_type(world).get("check")(world, done.timeline)
    if report is not None:
        from hocket.report import document, html

        html.write(
            document.from_run(
                scenario=world.name,
                policy=str(chosen),
                timeline=done.timeline,
                metrics=done.metrics,
                due=due_dates(world),
                violations=violations,
                command=command_line(),
                seed=seed,
                facts=facts(world),
                figures=figures(world, [(str(chosen), done.timeline)]),
                measures=measures(world),
            ),
            report,
        )
    if trace is not None:
        from hocket.report.trace import write_trace

        write_trace(done.timeline, trace)
    if timeline is not None:
        from hocket.report.columns import write_columns

        write_columns(done.timeline, timeline)
    if json:
        as_json(
            {
                "scenario": world.name,
                "policy": spec(chosen),
                "seed": seed,
                "metrics": done.metrics,
                "seconds": done.seconds,
            }
        )
    else:
        from hocket.report import tables

        title = f"{world.name}: {chosen}, seed {seed}"
        main = main_metrics(world, done.metrics) if not everything else done.metrics
        tables.show(tables.metrics(main, title=title, units=units(world)))
        if len(main) < len(done.metrics):
            say(f"{len(done.metrics) - len(main)} more metrics with --all or --json")
        for path in (report, trace, timeline):
            if path is not None:
                say(f"wrote {path}")
    say_rejected(done.timeline)
    for violation in violations:
        say(f"check: {violation}")
    return 1 if violations else 0
