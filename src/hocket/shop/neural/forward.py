"""The trained network in NumPy, so that the rule runs without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hocket.learn.batch import Batch, Floats
from hocket.learn.inference import linear, part, relu, segment_max, segment_mean
from hocket.learn.weights import require_shapes
from hocket.shop.neural.ahead import MACHINE_FEATURES
from hocket.shop.neural.features import FEATURES

LAYERS = ("glance", "look", "first", "second", "own", "mean", "most", "score")


class Forward:
    """`network.Pointer` as a plain function of a batch: the same weights, the same scores."""

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        """Raises UserError for the weights of another network."""
        own = shapes(len(weights.get("first.bias", ())), len(weights.get("look.bias", ())))
        require_shapes(own, weights, "shop/neural")
        self.of = {name: part(weights, name) for name in LAYERS}

    def __call__(self, batch: Batch) -> Floats:
        """The score of each rival: float32 of shape (rows,)."""
        rows = np.concatenate([batch.tables["rivals"], self.ahead(batch)], 1)
        rows = relu(linear(self.of["first"], rows))
        rows = relu(linear(self.of["second"], rows))
        field = linear(self.of["mean"], segment_mean(rows, batch.bounds))
        field += linear(self.of["most"], segment_max(rows, batch.bounds))
        compared = linear(self.of["own"], rows) + np.repeat(field, np.diff(batch.bounds), axis=0)
        return linear(self.of["score"], relu(compared))[:, 0]

    def ahead(self, batch: Batch) -> Floats:
        """What each rival meets: on all machines, and on those that its job still visits."""
        machines, rivals = batch.tables["machines"], np.diff(batch.bounds)
        each = np.repeat(np.diff(batch.starts["machines"]) // rivals, rivals)
        starts = np.concatenate(([0], each.cumsum()))
        seen = relu(linear(self.of["look"], relu(linear(self.of["glance"], machines))))
        visited = seen * machines[:, :1]
        pooled = [segment_mean(seen, starts), segment_mean(visited, starts)]
        return np.concatenate([*pooled, segment_max(visited, starts)], 1)


def shapes(width: int, glance: int) -> dict[str, tuple[int, ...]]:
    """The weights of a `Pointer` of this size."""
    square = (width, width)
    return {
        "glance.weight": (glance, MACHINE_FEATURES),
        "glance.bias": (glance,),
        "look.weight": (glance, glance),
        "look.bias": (glance,),
        "first.weight": (width, FEATURES + 3 * glance),
        "first.bias": (width,),
        "second.weight": square,
        "second.bias": (width,),
        "own.weight": square,
        "own.bias": (width,),
        "mean.weight": square,
        "most.weight": square,
        "score.weight": (1, width),
        "score.bias": (1,),
    }
