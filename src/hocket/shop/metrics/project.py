"""The figures of a project."""

from __future__ import annotations

from hocket.core.timeline import Timeline
from hocket.shop.metrics.jobs import job_metrics
from hocket.shop.model.project import Project


def metrics(scenario: Project, timeline: Timeline) -> dict[str, float]:
    """All figures of `job_metrics`, an activity being a job, and ``utilisation``.

    Utilisation is the mean over the renewable resources of (amount x ticks in use) / (capacity x
    makespan); 0 without any.
    """
    facts = [(a.name, a.release, a.due, a.weight) for a in scenario.activities]
    figures = job_metrics(facts, timeline)
    return figures | {"utilisation": _utilisation(scenario, timeline, figures["makespan"])}


def _utilisation(scenario: Project, timeline: Timeline, makespan: float) -> float:
    """The mean share of the renewable capacities in use from time 0 to `makespan`."""
    modes = {(a.name, a.label(k)): m for a in scenario.activities for k, m in enumerate(a.modes)}
    work = dict.fromkeys((r.name for r in scenario.renewable if r.capacity), 0)
    for span in timeline.spans("run"):
        mode = modes.get((span.group, span.name))
        for name, need in mode.demands.items() if mode is not None else ():
            if name in work:
                work[name] += need * (span.end - span.start)
    if not work or not makespan:
        return 0.0
    shares = [work[r.name] / (r.capacity * makespan) for r in scenario.renewable if r.capacity]
    return sum(shares) / len(shares)
