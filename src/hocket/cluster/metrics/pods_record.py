"""What a run of pods left behind: how each pod fared, and what was requested over time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hocket.cluster.model.pods import WHOLE, Node, Pod, Pods
from hocket.core.timeline import Timeline

Floats = npt.NDArray[np.float64]

CPU, MEMORY, GPU = "milli_cpu", "memory", "gpu"
RESOURCES = (CPU, MEMORY, GPU)
"""What figures are told for; ``gpu`` counts shared GPUs, and whole ones by whatever vendor."""


class Fate(NamedTuple):
    """How a pod that came has fared.

    - `node`: where it is in the end, empty if nowhere; `done`: whether it has ended
    - `left`: how often it was evicted or preempted; `back`: after how many of these it ran again
    """

    node: str
    done: bool
    left: int
    back: int

    @property
    def waits(self) -> bool:
        """Whether it waits in the end."""
        return not self.node and not self.done


def fates(scenario: Pods, timeline: Timeline) -> dict[str, Fate]:
    """The fate of every pod that has come, by key.

    A pod that is leaving in the end counts as on its node.
    """
    end, horizon = timeline.end, scenario.horizon
    if horizon is not None and end >= horizon:
        end = horizon - 1  # the last instant at which anything happens
    found = {pod.key: Fate(pod.node, False, 0, 0) for pod in scenario.pods if pod.node is not None}
    for point in timeline.points():
        known = found.get(point.group)
        if point.kind == "arrive":
            found.setdefault(point.group, Fate("", False, 0, 0))
        elif known is None:
            continue
        elif point.kind == "bind":
            again = known.left > known.back
            found[point.group] = known._replace(node=point.lane, back=known.back + again)
        elif point.kind in ("evict", "preempt"):
            stays = point.time + scenario.grace > end
            node = known.node if stays else ""
            found[point.group] = known._replace(node=node, left=known.left + 1)
        elif point.kind == "done":
            found[point.group] = known._replace(node="", done=True)
    return found


def request(pod: Pod, resource: str) -> float:
    """How much of one of `RESOURCES` a pod requests."""
    if resource != GPU:
        return float(pod.requests.get(resource, 0))
    whole = sum(amount for name, amount in pod.requests.items() if _is_gpu(name))
    return whole + pod.gpus * pod.gpu_milli / WHOLE


def room(node: Node, resource: str) -> float:
    """How much of one of `RESOURCES` a node has."""
    if resource != GPU:
        return float(node.allocatable.get(resource, 0))
    return float(node.gpus + sum(n for name, n in node.allocatable.items() if _is_gpu(name)))


def steps(
    scenario: Pods, timeline: Timeline, resource: str, known: dict[str, Fate]
) -> tuple[Floats, Floats]:
    """When the requests of pods on nodes changed (ticks), and what they were from then on.

    The last time is the end of the run, with what is requested then; `known` are `fates`.
    """
    asked = {pod.key: request(pod, resource) for pod in scenario.pods}
    last = {span.group: n for n, span in enumerate(timeline.spans("run"))}
    changes: dict[int, float] = {0: 0.0, timeline.end: 0.0}
    for n, span in enumerate(timeline.spans("run")):
        amount = asked.get(span.group, 0.0)
        changes[span.start] = changes.get(span.start, 0.0) + amount
        if last[span.group] == n and span.group in known and known[span.group].node:
            continue  # it is cut at the end of the run, where the pod is still there
        changes[span.end] = changes.get(span.end, 0.0) - amount
    times = sorted(changes)
    levels = np.cumsum([changes[time] for time in times])
    return np.array(times, dtype=np.float64), levels


def pending(timeline: Timeline) -> tuple[Floats, Floats]:
    """When the number of waiting pods changed (ticks), and what it was from then on."""
    now: dict[str, float] = {}
    levels: dict[int, float] = {0: 0.0}
    for gauge in timeline.gauges("pending"):
        now[gauge.lane] = gauge.value
        levels[gauge.time] = sum(now.values())
    return np.array([*levels], dtype=np.float64), np.array([*levels.values()], dtype=np.float64)


def _is_gpu(name: str) -> bool:
    return name.endswith("/gpu")
