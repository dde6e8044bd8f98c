"""What runs of pods contribute to a report: how full each node is, who waits, use over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hocket.cluster.metrics.pods_record import (
    CPU,
    GPU,
    MEMORY,
    fates,
    pending,
    request,
    room,
    steps,
)
from hocket.cluster.model.pods import Pods
from hocket.cluster.units import seconds_per_tick
from hocket.core.timeline import Timeline
from hocket.report.figures import Axis, Given, Line, Plot, Relation
from hocket.report.lines import short

NODES, WAITING, USE = "Nodes", "Waiting", "Use"
TOLD = ((CPU, "cores"), (MEMORY, "memory"), (GPU, "GPUs"))
POINTS = 1000
"""So many steps a line has at most; of more, evenly spaced ones are shown."""

Runs = Sequence[tuple[str, Timeline]]
Floats = npt.NDArray[np.float64]


def figures(scenario: Pods, runs: Runs) -> tuple[Given, ...]:
    """The pictures of `runs`, pairs of a label (a policy) and the timeline it gave.

    What the cluster has nothing of is not shown, nor what does not change over time.
    """
    told = [one for one in TOLD if any(room(node, one[0]) for node in scenario.nodes)]
    found: list[Given] = [_nodes(scenario, runs, *one) for one in told]
    moving = [(label, timeline) for label, timeline in runs if timeline.end]
    if moving:
        found.append(_waiting(moving))
        found += [_use(scenario, moving, *one) for one in told]
    found.append(_relation())
    return tuple(found)


def _nodes(scenario: Pods, runs: Runs, resource: str, name: str) -> Plot:
    """The share of each node that is requested at the end, the fullest nodes first."""
    lines = []
    for label, timeline in runs:
        asked: dict[str, float] = dict.fromkeys((node.name for node in scenario.nodes), 0.0)
        known = fates(scenario, timeline)
        for pod in scenario.pods:
            if pod.key in known and known[pod.key].node:
                asked[known[pod.key].node] += request(pod, resource)
        shares = [
            asked[node.name] / room(node, resource)
            for node in scenario.nodes
            if room(node, resource)
        ]
        rank = np.arange(1, len(shares) + 1, dtype=np.float64)
        y = np.array(sorted(shares, reverse=True))
        lines.append(_thinned(label, rank, y))
    return Plot(
        group=NODES,
        title=f"Requested {name} by node",
        caption="The share of each node that pods request at the end, the fullest nodes first. "
        "Where a line falls steeply, what is free lies together on few nodes.",
        x=Axis(label="node"),
        y=Axis(label=f"{name} requested", kind="share", low=0),
        style="steps",
        lines=tuple(lines),
    )


def _waiting(runs: Runs) -> Plot:
    """How many pods wait."""
    lines = []
    for label, timeline in runs:
        times, levels = pending(timeline)
        lines.append(_over_time(label, timeline, times, levels))
    return Plot(
        group=WAITING,
        title="Pending pods",
        caption="Pods that have come, or were evicted, and are on no node.",
        x=Axis(label="time", kind="seconds"),
        y=Axis(label="pods", low=0),
        style="steps",
        lines=tuple(lines),
    )


def _use(scenario: Pods, runs: Runs, resource: str, name: str) -> Plot:
    """What pods on nodes request, as a share of what all nodes have."""
    total = sum(room(node, resource) for node in scenario.nodes)
    lines = []
    for label, timeline in runs:
        known = fates(scenario, timeline)
        times, levels = steps(scenario, timeline, resource, known)
        lines.append(_over_time(label, timeline, times, levels / total))
    return Plot(
        group=USE,
        title=f"Requested {name} over time",
        caption="What pods on nodes request, over what all nodes have.",
        x=Axis(label="time", kind="seconds"),
        y=Axis(label=f"{name} requested", kind="share", low=0),
        style="steps",
        lines=tuple(lines),
    )


def _relation() -> Relation:
    return Relation(
        group=WAITING,
        title="Pending pods against disruption",
        caption="Down and to the left is better: few pods wait, and few were taken from their "
        "nodes.",
        x=Axis(label="disruption (1 for each pod evicted, 2 for each moved)"),
        y=Axis(label="pods that wait at the end"),
        metrics=("disruption", "pending"),
    )


def _over_time(label: str, timeline: Timeline, times: Floats, levels: Floats) -> Line:
    """A level that holds from each time until the next, and the last one to the end."""
    second = seconds_per_tick(timeline.unit)
    if times[-1] < timeline.end:
        times, levels = np.append(times, timeline.end), np.append(levels, levels[-1])
    return _thinned(label, times * second, levels)


def _thinned(label: str, x: Floats, y: Floats) -> Line:
    if len(x) > POINTS:
        kept = np.unique(np.linspace(0, len(x) - 1, POINTS).astype(np.int64))
        x, y = x[kept], y[kept]
    return Line(label=label, x=short(x), y=short(y))
