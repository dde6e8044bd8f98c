"""The figures of a single machine: those of a job shop of one machine."""

from __future__ import annotations

from hocket.core.timeline import Timeline
from hocket.shop.metrics.jobshop import metrics as shop_metrics
from hocket.shop.model.single import SingleMachine


def metrics(scenario: SingleMachine, timeline: Timeline) -> dict[str, float]:
    """All figures of `job_metrics`, and the share of time the machine works."""
    return shop_metrics(scenario.as_job_shop(), timeline)
