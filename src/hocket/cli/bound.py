"""What ``hocket compare --solve`` adds: the solver's schedule, and how far the policies are off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hocket import api
from hocket.cli.output import Ticker
from hocket.core.errors import NotApplicable
from hocket.core.registry import problem_type, tag_of
from hocket.core.scenario import Scenario
from hocket.core.solution import Solution
from hocket.core.study import Comparison
from hocket.report.document import Document, from_solution


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A policy's mean of the objective, and its distance to the proven bound as a share of it.

    `gap` is None where nothing is proven about the runs: without a bound above 0, and for scenarios
    with random disturbances, which is solved as if there were none.
    """

    policy: str
    mean: float
    gap: float | None


def require_bounds(worlds: Sequence[Scenario]) -> None:
    """Refuse early what could not be solved, or is no bound. Raises NotApplicable."""
    for world in worlds:
        problem, tag = problem_type(world), tag_of(world)
        if not problem.solve:
            raise NotApplicable(f"nothing solves {tag} to a bound; leave --solve out")
        if problem.solves and not {*problem.solves} & {*problem.objectives}:
            raise NotApplicable(
                f"what solve finds of {tag} is no bound for policies; leave --solve"
            )


def solutions(worlds: Sequence[Scenario], seconds: float, tick: Ticker) -> list[Solution]:
    """Solve each scenario for its own objective, for at most so many seconds each."""
    found: list[Solution] = []
    for world in worlds:

        def progress(
            now: float, value: float | None, bound: float | None, name: str = world.name
        ) -> None:
            tick(f"solving {name}: {now:.1f} s of {seconds:g}, best {value}, bound {bound}")

        found.append(api.solve(world, time_limit=seconds, progress=progress))
        if found[-1].interrupted:
            break
    return found


def gaps(name: str, world: Scenario, solved: Solution, compared: Comparison) -> list[Gap]:
    """All policies on the scenario of this `name`, and the solver itself, best first."""
    certain = getattr(world, "certain", True)  # problems without disturbances do not say
    bound = solved.bound if certain and solved.bound and solved.bound > 0 else None
    means = [
        (row.mean, row.policy)
        for row in compared.rows
        if row.scenario == name and row.metric == solved.objective
    ]
    if solved.value is not None:
        means.append((solved.value, f"solver ({solved.status})"))
    return [
        Gap(policy=policy, mean=mean, gap=None if bound is None else (mean - bound) / bound)
        for mean, policy in sorted(means)
    ]


def rows(found: Sequence[Gap], objective: str) -> list[dict[str, str]]:
    """Gaps as rows of a table."""
    from hocket.report.tables import number

    return [
        {
            "policy": row.policy,
            objective.replace("_", " "): number(row.mean),
            "above the bound": "-" if row.gap is None else f"{row.gap:.1%}",
        }
        for row in found
    ]


def with_solution(document: Document, world: Scenario, solved: Solution, due: Any) -> Document:
    """The report of a comparison with the solver's result and its schedule in front."""
    metrics = None
    if solved.timeline is not None:
        metrics = problem_type(world).get("metrics")(world, solved.timeline)
    part = from_solution(solved, metrics=metrics, due=due)
    return msgspec.structs.replace(
        document,
        solved=part.solved,
        charts=(*part.charts, *document.charts),
        violations=part.violations,
    )
