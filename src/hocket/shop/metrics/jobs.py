"""What the figures of all shop problems share: those of jobs with release, due date and weight."""

from __future__ import annotations

from collections.abc import Iterable

from hocket.core.timeline import Timeline
from hocket.shop.model.jobshop import JobShop
from hocket.shop.model.project import Project
from hocket.shop.model.single import SingleMachine

JobFacts = tuple[str, int, int | None, int]  # name, release, due, weight


def due_dates(scenario: JobShop | SingleMachine | Project) -> dict[str, int]:
    """The due date (ticks) of every job or activity that has one, by its name."""
    parts = scenario.activities if isinstance(scenario, Project) else scenario.jobs
    return {part.name: part.due for part in parts if part.due is not None}


def job_metrics(jobs: Iterable[JobFacts], timeline: Timeline) -> dict[str, float]:
    """The objectives of `model.objectives` and their means, from the ends of the ``run`` spans.

    Times are ticks. Figures about due dates are left out where no job has one.
    """
    completion: dict[str, int] = {}
    for span in timeline.spans("run"):
        completion[span.group] = max(completion.get(span.group, 0), span.end)
    rows = [(completion[name], r, d, w) for name, r, d, w in jobs]
    flow = [c - r for c, r, _, _ in rows]
    figures: dict[str, float] = {
        "makespan": max(c for c, _, _, _ in rows),
        "total_flow_time": sum(flow),
        "weighted_flow_time": sum(w * (c - r) for c, r, _, w in rows),
        "mean_flow_time": sum(flow) / len(flow),
    }
    lateness = [(c - d, w) for c, _, d, w in rows if d is not None]
    if lateness:
        late = [max(0, value) for value, _ in lateness]
        figures |= {
            "total_tardiness": sum(late),
            "weighted_tardiness": sum(w * max(0, value) for value, w in lateness),
            "mean_tardiness": sum(late) / len(late),
            "max_lateness": max(value for value, _ in lateness),
            "late_jobs": sum(value > 0 for value, _ in lateness),
        }
    return figures


def utilisation(machines: list[str], timeline: Timeline) -> float:
    """The mean share of the makespan that machines spend in ``run`` and ``setup``; 0 if empty."""
    known = set(machines)
    busy, end = 0, 0
    for span in timeline.spans():
        if span.kind in ("run", "setup") and span.lane in known:
            busy += span.end - span.start
            end = max(end, span.end)
    return busy / (end * len(machines)) if end else 0.0
