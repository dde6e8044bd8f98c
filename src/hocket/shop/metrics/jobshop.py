"""The figures of a job shop."""

from __future__ import annotations

from hocket.core.timeline import Timeline
from hocket.shop.metrics.jobs import job_metrics, utilisation
from hocket.shop.model.jobshop import JobShop


def metrics(scenario: JobShop, timeline: Timeline) -> dict[str, float]:
    """All figures of `job_metrics`, and the share of time machines work.

    A job counts from its arrival as it happened.
    """
    arrived = {p.group: p.time for p in timeline.points("arrive")}
    facts = [(j.name, arrived.get(j.name, j.release), j.due, j.weight) for j in scenario.jobs]
    machines = [machine.name for machine in scenario.machines]
    return job_metrics(facts, timeline) | {"utilisation": utilisation(machines, timeline)}
