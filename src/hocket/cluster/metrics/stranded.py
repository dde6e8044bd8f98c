"""Free resources that nobody can use: fragmentation, as a share of what is free.

Q. Weng, L. Yang, Y. Yu, W. Wang, X. Tang, G. Yang, L. Zhang, Beware of Fragmentation: Scheduling
GPU-Sharing Workloads with Fragmentation Gradient Descent, USENIX ATC 2023, section 3: the fragment
of a node for a pod is all that is free there if the pod does not fit, else what is free of GPUs
that are too full for it; its mean is taken over the pods of the workload. Here the workload is the
scenario's own pods, and the sum over all nodes is told as a share of all that is free.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from hocket.cluster.metrics.pods_record import fates
from hocket.cluster.model.pods import WHOLE, Pods
from hocket.core.timeline import Span, Timeline

Vector = npt.NDArray[np.int64]
Want = tuple[tuple[tuple[str, int], ...], int, int]

NO_LIMIT = 2**62


def stranded(scenario: Pods, timeline: Timeline) -> tuple[float, float]:
    """The stranded shares of free cores and of free shared GPUs at the end of a run.

    Only amounts count, not where a pod may run else.
    """
    free, gpus = _left(scenario, timeline)
    wants: Counter[Want] = Counter(
        (tuple(sorted(pod.requests.items())), pod.gpus, pod.gpu_milli) for pod in scenario.pods
    )
    cores = np.maximum(free.get("milli_cpu", np.zeros(len(scenario.nodes), dtype=np.int64)), 0)
    free_gpu = gpus.sum(axis=1)
    lost_cores = lost_gpu = 0.0
    for (requests, count, milli), pods in wants.items():
        fits = np.ones(len(scenario.nodes), dtype=np.bool_)
        for name, amount in (*requests, ("pods", 1)):
            if amount:
                fits &= free[name] >= amount if name in free else False
        able = gpus >= milli
        fits &= able.sum(axis=1) >= count
        lost_cores += pods * float(cores[~fits].sum())
        if count:
            small = np.where(able, 0, gpus).sum(axis=1)
            lost_gpu += pods * float(np.where(fits, small, free_gpu).sum())
    asking = sum(pods for (_, count, _), pods in wants.items() if count)
    return (
        _share(lost_cores, len(scenario.pods) * float(cores.sum())),
        _share(lost_gpu, asking * float(free_gpu.sum())),
    )


def _left(scenario: Pods, timeline: Timeline) -> tuple[dict[str, Vector], Vector]:
    """What is free at the end: by resource for every node, and of every shared GPU."""
    nodes = scenario.nodes
    index = {node.name: j for j, node in enumerate(nodes)}
    names = dict.fromkeys(name for node in nodes for name in node.allocatable)
    free = {
        name: np.array([node.allocatable.get(name, 0) for node in nodes], dtype=np.int64)
        for name in names
    }
    free["pods"] = np.array(
        [node.allocatable.get("pods", NO_LIMIT) for node in nodes], dtype=np.int64
    )
    most = max((node.gpus for node in nodes), default=0)
    gpus = np.zeros((len(nodes), most), dtype=np.int64)
    for j, node in enumerate(nodes):
        gpus[j, : node.gpus] = WHOLE
    last: dict[str, Span] = {span.group: span for span in timeline.spans("run")}
    on = {key: fate.node for key, fate in fates(scenario, timeline).items() if fate.node}
    for pod in scenario.pods:
        if pod.key not in on:
            continue
        j = index[on[pod.key]]
        for name, amount in (pod.requests | {"pods": 1}).items():
            if name in free:
                free[name][j] -= amount
        span = last.get(pod.key)
        for device in span.name.split(",") if span and span.name else ():
            gpus[j, int(device)] -= pod.gpu_milli
    return free, np.maximum(gpus, 0)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
