"""``hocket solve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from hocket import api
from hocket.cli.files import Json
from hocket.cli.output import (
    as_json,
    command_line,
    due_dates,
    facts,
    figures,
    measures,
    say,
    say_notes,
    ticking,
)
from hocket.cli.run import Named
from hocket.cli.shown import Report
from hocket.cli.whatif import WhatIf, changed
from hocket.core import registry
from hocket.core.domain import ProblemType
from hocket.core.errors import NotApplicable, UnknownName, UserError
from hocket.core.save import save, save_policy
from hocket.core.solution import Solution
from hocket.core.structured import KINDS
from hocket.core.timeline import Timeline
from hocket.core.writing import require_place, write_text

SCRIPT = ".sh"


def solve(
    scenario: Named,
    /,
    *,
    objective: Annotated[
        str | None, Parameter(help="What to minimise; default: the scenario's own.")
    ] = None,
    maximise: Annotated[
        str | None, Parameter(help="What to maximise instead, such as goodput.")
    ] = None,
    method: Annotated[
        str, Parameter(help="How: auto, cp-sat, or for one machine decomposition or mip.")
    ] = "auto",
    time_limit: Annotated[float, Parameter(help="Seconds of wall time.")] = 60.0,
    workers: Annotated[int, Parameter(help="Threads or processes of the solver.")] = 2,
    on: Annotated[
        Literal["local", "ray"], Parameter(help="Where to run, if it is simulations.")
    ] = "local",
    seed: Annotated[int, Parameter(help="Seed of the search.")] = 0,
    report: Report = None,
    plan: Annotated[
        Path | None,
        Parameter(help="Write what was found as a policy file (or fleet) to be run, or as .sh."),
    ] = None,
    what_if: WhatIf | None = None,
    json: Json = False,
) -> int:
    """Find the best schedule, packing or fleet of replicas, and prove how good it is.

    Of a fleet --plan writes the scenario with its replicas, and its policy to a file beside it
    whose name ends with -policy. For a cluster of pods --plan plan.sh writes a kubectl script to
    be reviewed. Ctrl-C ends the search early with the best so far (exit code 130).
    Exit code 1 if there is none.

    Examples:

        hocket solve shop/ta01 --time-limit 30
        hocket solve my-shop.yaml --objective total_tardiness --report solved.html
        hocket solve my-shop.yaml --plan plan.yaml && hocket run my-shop.yaml --policy plan.yaml
        hocket solve cluster.yaml --plan fleet.yaml --report fleet.html
        kubectl get nodes,pods,pdb -A -o json > now.json
        hocket solve now.json --time-limit 10 --plan plan.sh
        hocket solve now.json --drain node-3 --add-node spare
        hocket solve cluster.yaml --maximise goodput --time-limit 300
    """
    world = changed(api.load(scenario), what_if)
    say_notes(world)
    problem = registry.problem_type(world)
    if plan is not None:
        require_place(plan)
        _require_plan(plan, problem, registry.tag_of(world), what_if)
    if maximise is not None:
        objective = _to_maximise(problem, objective, maximise)
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
            on=on,
        )
    metrics: dict[str, float] = {}
    if found.timeline is not None:
        metrics = problem.get("metrics")(_solved(world, found), found.timeline)
    if report is not None:
        _write_report(report, world, found, metrics)
    plans = () if plan is None else _write_plan(plan, problem, world, found)
    if json:
        as_json(_document(found, seed, metrics))
    else:
        from hocket.report import tables

        tables.show(tables.solution(found), *tables.evidence(found))
        for path in (report, *plans):
            if path is not None:
                say(f"wrote {path}")
        if len(plans) == 2:
            say(f"to run it: hocket run {plans[0]} --policy {plans[1]}")
    if found.interrupted:
        return 130
    return 0 if found.feasible else 1


def _to_maximise(problem: ProblemType, objective: str | None, maximise: str) -> str:
    if objective is not None:
        raise UserError("there is one goal: give --objective or --maximise, not both")
    if maximise not in problem.maximises:
        hint = "" if problem.maximises else f"Nothing is maximised for {problem.name}."
        raise UnknownName("goal", maximise, problem.maximises, hint)
    return maximise


def _solved(world: Any, found: Solution) -> Any:
    """The scenario that the timeline is a run of."""
    return world if found.plan is None or found.plan.scenario is None else found.plan.scenario


def _require_plan(path: Path, problem: ProblemType, tag: str, what_if: WhatIf | None) -> None:
    """Refuse early what could not be written in the end."""
    scripted = path.suffix == SCRIPT
    if scripted and not problem.script:
        raise NotApplicable(f"no script carries out a plan of {tag}; write .yaml or .json")
    if scripted and what_if is not None and (what_if.add_node or what_if.without):
        raise UserError(
            "a script is for nodes and pods that are there, and --add-node and --without only ask "
            "what would be: make the change, and solve a new snapshot"
        )
    if not problem.plan and not problem.solves:
        raise NotApplicable(f"no policy follows a plan of {tag}")
    if not scripted and path.suffix.lower() not in KINDS:
        known = ", ".join([*KINDS, *([SCRIPT] if problem.script else [])])
        raise UserError(f"--plan {path}: a plan is written as {known}, told by the suffix")


def _write_plan(path: Path, problem: ProblemType, world: Any, found: Solution) -> tuple[Path, ...]:
    """Write what was found so that `run` can follow it; the files that were written."""
    if found.timeline is None:
        return ()
    if found.plan is None:
        save_policy(problem.get("plan")(found.timeline), path)
        return (path,)
    policy = api.load_policy(found.plan.policy)
    if path.suffix == SCRIPT:
        write_text(path, problem.get("script")(world, policy))
        return (path,)
    if found.plan.scenario is None:
        save_policy(policy, path)
        return (path,)
    beside = path.with_name(f"{path.stem}-policy{path.suffix}")
    save(found.plan.scenario, path)
    save_policy(policy, beside)
    return path, beside


def _write_report(path: Any, world: Any, found: Solution, metrics: dict[str, float]) -> None:
    from hocket.report import document, html

    problem = registry.problem_type(world)
    pictures: tuple[Any, ...] = problem.get("evidence")(found) if problem.evidence else ()
    if found.timeline is not None:
        pictures += figures(_solved(world, found), [(document.label(found), found.timeline)])
    html.write(
        document.from_solution(
            found,
            metrics=metrics or None,
            due=due_dates(world),
            command=command_line(),
            facts=facts(world),
            figures=pictures,
            measures=measures(world),
        ),
        path,
    )


def _document(found: Solution, seed: int, metrics: dict[str, float]) -> dict[str, Any]:
    return {
        "scenario": found.scenario,
        "policy": {"policy": found.solver} if found.plan is None else found.plan.policy,
        "seed": seed,
        "metrics": metrics,
        "maximised" if found.maximised else "minimised": found.objective,
        "objective": found.value,
        "bound": found.bound,
        "gap": found.gap,
        "status": found.status,
        "feasible": found.feasible,
        "violations": found.violations,
        "reason": found.reason,
        "seconds": found.seconds,
        "log": found.log,
        **_chosen(found),
    }


def _chosen(found: Solution) -> dict[str, Any]:
    """The schedule, or the plan and the evidence for it."""
    if not found.evidence:
        return {"schedule": [] if found.timeline is None else schedule(found.timeline)}
    if found.plan is None:
        return {"evidence": found.evidence}
    chosen: dict[str, Any] = {"advice": found.plan.advice, "evidence": found.evidence}
    if found.plan.scenario is None:
        return {**chosen, "steps": found.plan.steps}
    return {"pools": getattr(found.plan.scenario, "pools", None), **chosen}


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
