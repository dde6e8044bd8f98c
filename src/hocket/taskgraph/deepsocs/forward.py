"""The scores of `hocket.taskgraph.deepsocs.network.TaskScorer`, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from hocket.learn.batch import Batch, Floats
from hocket.learn.inference import gather, leaky_relu, linear, segment_mean, segment_sum
from hocket.learn.inference import part as pick
from hocket.learn.weights import require_shapes
from hocket.taskgraph.deepsocs.features import WIDTH

SIZES = {
    "prepare": (WIDTH, 16, 8, 8),
    "of_child": (8, 16, 8, 8),
    "of_sum": (8, 16, 8, 8),
    "of_task": (WIDTH + 8, 16, 8, 8),
    "of_job": (8, 16, 8, 8),
    "head": (WIDTH + 24, 32, 16, 8),
}
"""The widths of what goes into each part of the network and of its layers."""


def scorer(weights: dict[str, Floats], depth: int) -> Callable[[Batch], Floats]:
    """The network with these weights. Raises UserError unless they are those of this network."""
    require_shapes(_shapes(), weights, "taskgraph/deepsocs")

    def layers(part: str, rows: Floats) -> Floats:
        for i in range(len(SIZES[part]) - 1):
            rows = leaky_relu(linear(pick(weights, f"{part}.layers.{i}"), rows), 0.2)
        return rows

    def score(batch: Batch) -> Floats:
        starts, lanes, jobs = batch.starts["tasks"], batch.lane("tasks"), batch.tables["jobs"]
        member, children = batch.links["member"].ends, batch.links["children"].ends
        rows = np.concatenate([jobs[member[1]], batch.tables["tasks"]], 1)
        known = embedded = layers("prepare", rows)
        has_children = np.zeros((len(known), 1), np.float32)
        has_children[children[0]] = 1
        for _ in range(depth):
            received = gather(layers("of_child", embedded), children[::-1], len(known))
            embedded = known + has_children * layers("of_sum", received)
        of_tasks = layers("of_task", np.concatenate([rows, embedded], 1))
        of_jobs = gather(of_tasks, member, len(jobs))
        of_all = segment_sum(layers("of_job", of_jobs), batch.starts["jobs"])
        merged = np.concatenate([rows, embedded, of_jobs[member[1]], of_all[lanes]], 1)
        centred = merged - segment_mean(merged, starts)[lanes]
        spread = segment_mean(centred**2, starts)[lanes]
        normal = centred / np.sqrt(spread + np.float32(1e-3)) * weights["scale"] + weights["shift"]
        return linear(pick(weights, "score"), layers("head", normal))[:, 0]

    return score


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "scale": (WIDTH + 24,),
        "shift": (WIDTH + 24,),
        "score.weight": (1, 8),
        "score.bias": (1,),
    }
    for part, widths in SIZES.items():
        for i, (inward, outward) in enumerate(pairwise(widths)):
            shapes[f"{part}.layers.{i}.weight"] = (outward, inward)
            shapes[f"{part}.layers.{i}.bias"] = (outward,)
    return shapes
