"""What the generators share: field types, and a scenario from a workload that is drawn once."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hocket.core.streams import Streams
from hocket.serving.model.cluster import Cluster
from hocket.serving.workload import Workload, recorded

Count = Annotated[int, msgspec.Meta(ge=1, le=10**6)]
"""A number of requests, replicas or the like."""

Rate = Annotated[float, msgspec.Meta(gt=0, le=10**6)]
"""Requests per second."""

Spread = Annotated[float, msgspec.Meta(ge=1e-3, le=100)]
"""A coefficient of variation."""

SECOND = 1_000_000
"""In ticks of the scenarios made here, which count microseconds."""


def cluster(name: str, workload: Workload, seed: int, **fields: Any) -> Cluster:
    """A cluster that meets the requests that `workload` yields with this seed, in every run."""
    trace = recorded(workload.draw(Streams(seed), "us"))
    return Cluster(name=f"{name}-{seed}", workload=trace, **fields)
