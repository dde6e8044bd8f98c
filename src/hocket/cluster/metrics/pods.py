"""The figures of a run of pods: who runs and who waits, what was disturbed, how full nodes are."""

from __future__ import annotations

from collections import Counter

import numpy as np

from hocket.cluster.metrics.pods_record import (
    CPU,
    GPU,
    MEMORY,
    Fate,
    fates,
    request,
    room,
    steps,
)
from hocket.cluster.metrics.stranded import stranded
from hocket.cluster.model.pods import Pods
from hocket.cluster.units import seconds_per_tick
from hocket.core.domain import Measure
from hocket.core.timeline import Timeline

EVICTED, MOVED = 1, 2
"""What a pod adds to the disruption that is evicted for good, and one that runs again."""

NAMES = {"cpu": CPU, "memory": MEMORY, "gpu": GPU}

METRICS: dict[str, Measure] = {
    "pending": Measure("pods", "lower", "pods that wait at the end", shown=True),
    "pending_highest": Measure("pods", "lower", "of these, of the highest priority", shown=True),
    "placed": Measure("pods", "higher", "pods on nodes at the end, or that have ended", shown=True),
    "disruption": Measure(
        "", "lower", "1 for each eviction for good, and 2 for each that ran again", shown=True
    ),
    "evictions": Measure("", "lower", "evictions by plans", shown=True),
    "preemptions": Measure("", "lower", "evictions by preemption", shown=True),
    "moves": Measure("", "lower", "times that a pod ran again after either"),
    "cpu": Measure("share", "higher", "of all cores, requested by pods at the end", shown=True),
    "cpu_mean": Measure("share", "higher", "the same, mean over time"),
    "memory": Measure("share", "higher", "of all memory, requested by pods at the end", shown=True),
    "memory_mean": Measure("share", "higher", "the same, mean over time"),
    "gpu": Measure("share", "higher", "of all GPUs, requested by pods at the end"),
    "gpu_mean": Measure("share", "higher", "the same, mean over time"),
    "pod_seconds": Measure("s", "higher", "time on nodes, sum over all pods"),
    "pod_seconds_highest": Measure(
        "s", "higher", "the same of the highest priority, which counts first"
    ),
    "pod_seconds_lowest": Measure("s", "higher", "the same of the lowest priority"),
    "wait_mean": Measure("s", "lower", "time that a pod waited in all, mean", shown=True),
    "wait_p95": Measure("s", "lower", "time that a pod waited in all: 95th percentile"),
    "stranded_cpu": Measure(
        "share", "lower", "of the free cores, those that a pod of the scenario cannot use, mean"
    ),
    "stranded_gpu": Measure("share", "lower", "the same of free GPUs"),
    "plans": Measure("", "", "plans that were carried out"),
}
"""Every key of `metrics`, in the order in which they are shown."""


def metrics(scenario: Pods, timeline: Timeline) -> dict[str, float]:
    """The figures of `METRICS`, all finite.

    `pending` counts those held back by gates too; waiting times do not. What a cluster has none of
    is 0. `stranded` is explained in `hocket.cluster.metrics.stranded`.
    """
    known = fates(scenario, timeline)
    priority = {pod.key: pod.priority for pod in scenario.pods}
    highest = max(priority.values(), default=0)
    waiting = [key for key, fate in known.items() if fate.waits]
    points = Counter(point.kind for point in timeline.points())
    cpu_left, gpu_left = stranded(scenario, timeline)
    figures = {
        "pending": len(waiting),
        "pending_highest": sum(priority[key] == highest for key in waiting),
        "placed": len(known) - len(waiting),
        "disruption": disruption(known),
        "evictions": points["evict"],
        "preemptions": points["preempt"],
        "moves": sum(fate.back for fate in known.values()),
        **_use(scenario, timeline, known),
        **_running(scenario, timeline),
        **_waiting(scenario, timeline),
        "stranded_cpu": cpu_left,
        "stranded_gpu": gpu_left,
        "plans": sum(p.name.startswith("better") for p in timeline.points("plan")),
    }
    return {name: float(figures[name]) for name in METRICS}


def disruption(known: dict[str, Fate]) -> int:
    """`MOVED` for each eviction or preemption of a pod that ran again, `EVICTED` for others.

    The weights of H. D. Christensen, J. Mauro, S. Giallorenzo, arXiv 2511.08373.
    """
    return sum(MOVED * fate.back + EVICTED * (fate.left - fate.back) for fate in known.values())


def _use(scenario: Pods, timeline: Timeline, known: dict[str, Fate]) -> dict[str, float]:
    """Shares of what all nodes have, at the end and on average."""
    found = {}
    end = timeline.end
    for name, resource in NAMES.items():
        total = sum(room(node, resource) for node in scenario.nodes)
        on = (pod for pod in scenario.pods if pod.key in known and known[pod.key].node)
        last = sum(request(pod, resource) for pod in on)
        times, levels = steps(scenario, timeline, resource, known)
        area = float(np.sum(levels[:-1] * np.diff(times)))
        found[name] = last / total if total else 0.0
        found[f"{name}_mean"] = area / (total * end) if total and end else found[name]
    return found


def _running(scenario: Pods, timeline: Timeline) -> dict[str, float]:
    second = seconds_per_tick(scenario.time_unit)
    priority = {pod.key: pod.priority for pod in scenario.pods}
    ran: Counter[int] = Counter()
    for span in timeline.spans("run"):
        ran[priority.get(span.group, 0)] += span.end - span.start
    ends = (max(priority.values(), default=0), min(priority.values(), default=0))
    return {
        "pod_seconds": ran.total() * second,
        "pod_seconds_highest": ran[ends[0]] * second,
        "pod_seconds_lowest": ran[ends[1]] * second,
    }


def _waiting(scenario: Pods, timeline: Timeline) -> dict[str, float]:
    """Of all pods that have come; those that never waited count with 0."""
    second = seconds_per_tick(scenario.time_unit)
    waited = {point.group: 0 for point in timeline.points("arrive")} | {
        pod.key: 0 for pod in scenario.pods if pod.node is not None
    }
    for span in timeline.spans("wait"):
        waited[span.group] = waited.get(span.group, 0) + span.end - span.start
    for pod in scenario.pods:
        if pod.gated:
            waited.pop(pod.key, None)
    times = np.array([*waited.values()] or [0], dtype=np.float64) * second
    return {"wait_mean": float(times.mean()), "wait_p95": float(np.percentile(times, 95))}
