"""The evidence of a capacity search as a picture: what fleets cost, and how far they get."""

from __future__ import annotations

from hocket.core.solution import Row, Solution
from hocket.report.figures import Axis, Line, Mark, Plot


def evidence(solution: Solution) -> tuple[Plot, ...]:
    """Attainment against price, or against the rate of requests, a dot for each simulation."""
    name = "rate" if solution.maximised else "price"
    what = "requests per second" if solution.maximised else "price of the fleet"
    rows = [row for row in solution.evidence if row.get("attainment") is not None]
    if len(rows) < 2:
        return ()
    labels = dict.fromkeys(_label(row) for row in rows)
    plot = Plot(
        group="Capacity",
        title=f"Attainment against {what}",
        caption=(
            "One dot for each simulation of the whole log. Of those that were stopped early, "
            "because they could not meet the SLO any more, it shows the most they could reach."
        ),
        x=Axis(label=what),
        y=Axis(label="requests within the SLO", kind="share"),
        lines=tuple(_dots(label, name, rows) for label in labels),
        style="dots",
        marks=_mark(solution),
    )
    return (plot,)


def _label(row: Row) -> str:
    return f"{row['policy']}, {row['split']}" if "split" in row else str(row["policy"])


def _dots(label: str, name: str, rows: list[Row]) -> Line:
    mine = [row for row in rows if _label(row) == label]
    return Line(
        label=label,
        x=tuple(float(row[name]) for row in mine),
        y=tuple(float(row["attainment"]) for row in mine),
        notes=tuple(f"{row['fleet']}: {row['verdict']}" for row in mine),
    )


def _mark(solution: Solution) -> tuple[Mark, ...]:
    slo = getattr(solution.plan.scenario, "slo", None) if solution.plan else None
    return () if slo is None else (Mark(at=slo.share, label="share asked for", axis="y"),)
