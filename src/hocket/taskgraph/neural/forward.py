"""The scores of `hocket.taskgraph.neural.network.PairScorer`, in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hocket.learn.batch import Batch, Floats
from hocket.learn.inference import linear, part, relu, segment_max, segment_mean
from hocket.learn.weights import require_shapes
from hocket.taskgraph.neural.features import FEATURES


def scorer(weights: dict[str, Floats], width: int) -> Callable[[Batch], Floats]:
    """The network with these weights. Raises UserError unless they are those of this `width`."""
    shapes = {
        "embed.weight": (width, len(FEATURES)),
        "embed.bias": (width,),
        "beside.weight": (width, 3 * width),
        "beside.bias": (width,),
        "score.weight": (1, width),
        "score.bias": (1,),
        "expect.weight": (width, 2 * width),
        "expect.bias": (width,),
        "value.weight": (1, width),
        "value.bias": (1,),
    }
    require_shapes(shapes, weights, "taskgraph/neural")

    def score(batch: Batch) -> Floats:
        starts, lanes = batch.starts["pairs"], batch.lane("pairs")
        rows = relu(linear(part(weights, "embed"), batch.tables["pairs"]))
        whole = np.concatenate([segment_mean(rows, starts), segment_max(rows, starts)], 1)
        both = np.concatenate([rows, whole[lanes]], 1)
        beside = relu(linear(part(weights, "beside"), both))
        return linear(part(weights, "score"), beside)[:, 0]

    return score
