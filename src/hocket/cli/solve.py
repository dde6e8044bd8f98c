"""``hocket solve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from hocket import api
from hocket.cli.files import Json
from hocket.cli.output import as_json, command_line, due_dates, facts, say, ticking
from hocket.cli.run import Named, Report
from hocket.core import registry
from hocket.core.errors import NotApplicable
from hocket.core.save import save_policy
from hocket.core.solution import Solution
from hocket.core.timeline import Timeline
from hocket.core.writing import require_place


def solve(
    scenario: Named,
    /,
    *,
    objective: Annotated[
        str | None, Parameter(help="What to minimise; default: the scenario's own.")
    ] = None,
    method: Annotated[
        str, Parameter(help="How: auto, cp-sat, or for one machine decomposition or mip.")
    ] = "auto",
    time_limit: Annotated[float, Parameter(help="Seconds of wall time.")] = 60.0,
    workers: Annotated[int, Parameter(help="Threads of the solver.")] = 2,
    seed: Annotated[int, Parameter(help="Seed of the search.")] = 0,
    report: Report = None,
    plan: Annotated[
        Path | None,
        Parameter(help="Write the schedule as a policy file, for run and compare to follow."),
    ] = None,
    json: Json = False,
) -> int:
    """Find the best schedule, and prove how good it is.

    Ctrl-C ends the search early with the best schedule so far (exit code 130). Exit code 1 if there
    is none.

    Examples:

        hocket solve shop/ta01 --time-limit 30
        hocket solve my-shop.yaml --objective total_tardiness --report solved.html
        hocket solve my-shop.yaml --plan plan.yaml && hocket run my-shop.yaml --policy plan.yaml
    """
    world = api.load(scenario)
    if plan is not None:
        require_place(plan)
        if not registry.problem_type(world).plan:
            raise NotApplicable(f"no policy follows a plan of {registry.tag_of(world)}")
    with ticking(not json) as tick:

        def progress(seconds: float, value: float | None, bound: float | None) -> None:
            tick(f"{seconds:6.1f} s  best {_figure(value)}  bound {_figure(bound)}")

        found = api.solve(
            world,
            objective,
            method=method,
            time_limit=time_limit,
            seed=seed,
            workers=workers,
            progress=progress,
        )
    metrics: dict[str, float] = {}
    if found.timeline is not None:
        metrics = registry.problem_type(world).get("metrics")(world, found.timeline)
    if report is not None:
        _write_report(report, world, found, metrics)
    if plan is not None and found.timeline is not None:
        save_policy(registry.problem_type(world).get("plan")(found.timeline), plan)
    if json:
        as_json(_document(found, seed, metrics))
    else:
        from hocket.report import tables

        tables.show(tables.solution(found))
        for path in (report, plan):
            if path is not None and path.exists():
                say(f"wrote {path}")
    if found.interrupted:
        return 130
    return 0 if found.feasible else 1


def _write_report(path: Any, world: Any, found: Solution, metrics: dict[str, float]) -> None:
    from hocket.report import document, html

    html.write(
        document.from_solution(
            found,
            metrics=metrics or None,
            due=due_dates(world),
            command=command_line(),
            facts=facts(world),
        ),
        path,
    )


def _document(found: Solution, seed: int, metrics: dict[str, float]) -> dict[str, Any]:
    return {
        "scenario": found.scenario,
        "policy": {"policy": found.solver},
        "seed": seed,
        "metrics": metrics,
        "minimised": found.objective,
        "objective": found.value,
        "bound": found.bound,
        "gap": found.gap,
        "status": found.status,
        "feasible": found.feasible,
        "violations": found.violations,
        "reason": found.reason,
        "seconds": found.seconds,
        "log": found.log,
        "schedule": [] if found.timeline is None else schedule(found.timeline),
    }


def schedule(timeline: Timeline) -> list[dict[str, Any]]:
    """The ``run`` spans in order of time; an interrupted operation has several."""
    return [
        {
            "job": span.group,
            "operation": span.name,
            "machine": span.lane,
            "start": span.start,
            "end": span.end,
        }
        for span in sorted(timeline.spans("run"), key=lambda s: (s.start, s.end, s.lane))
    ]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
