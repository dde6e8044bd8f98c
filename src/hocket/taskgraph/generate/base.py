"""What the generators share: field types, and job types from compact tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec

from hocket.taskgraph.model.jobs import Edge, JobType, Task

Count = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
"""A number of tasks, processors or the like."""

Gap = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
"""Mean ticks between two arrivals."""

Noise = Annotated[float, msgspec.Meta(ge=0, le=100)]
"""Standard deviation of a task's duration as a share of its mean."""

Capacity = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
"""The most jobs in the system."""


def job_type(
    name: str, tasks: Iterable[str], edges: Iterable[tuple[int, int, float]], weight: float = 1.0
) -> JobType:
    """A job type of tasks that run what they are called, joined by (source, target, volume).

    Sources and targets are counted from 0.
    """
    names: Sequence[str] = tuple(tasks)
    return JobType(
        name=name,
        tasks=tuple(Task(name=task) for task in names),
        edges=tuple(
            Edge(source=names[a], target=names[b], volume=float(volume)) for a, b, volume in edges
        ),
        weight=weight,
    )


def arrows(text: str) -> list[tuple[int, int, float]]:
    """Edges written as ``"0>1:18 0>2:12"``: source, target, volume."""
    found = []
    for word in text.split():
        ends, _, volume = word.partition(":")
        source, _, target = ends.partition(">")
        found.append((int(source), int(target), float(volume)))
    return found
