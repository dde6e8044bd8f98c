"""From the scores of a batch to one row per question, in NumPy.

Every question's rows stand one after another (see `hocket.learn.batch`), so maxima and sums per
question are those of segments, and no loop over questions is needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hocket.core.errors import RunError
from hocket.learn.batch import Batch, Ints

Doubles = npt.NDArray[np.float64]


def greedy(logits: npt.NDArray[np.floating[Any]], batch: Batch) -> Ints:
    """The row with the highest score in each question, the first of equals.

    Raises RunError for scores that are not finite.
    """
    return _highest(_masked(logits, batch), batch)


def sample(
    logits: npt.NDArray[np.floating[Any]], batch: Batch, rng: np.random.Generator
) -> tuple[Ints, npt.NDArray[np.float32]]:
    """A row per question drawn from the softmax of its scores, and the logarithms of its chance.

    The row with the highest score plus standard Gumbel noise is such a draw (Gumbel 1954; Maddison,
    Tarlow, Minka, "A* Sampling", NeurIPS 2014). Takes one number from `rng` per row, legal or not.
    Raises RunError for scores that are not finite.
    """
    scores = _masked(logits, batch)
    rows = _highest(scores + rng.gumbel(size=len(scores)), batch)
    starts = batch.bounds[:-1]
    top = np.maximum.reduceat(scores, starts)
    shares = np.exp(scores - np.repeat(top, np.diff(batch.bounds)))
    log_probs = scores[starts + rows] - top - np.log(np.add.reduceat(shares, starts))
    return rows, log_probs.astype(np.float32)


def _masked(logits: npt.NDArray[np.floating[Any]], batch: Batch) -> Doubles:
    if logits.shape != batch.mask.shape:
        raise RunError(
            f"the network gave scores of shape {logits.shape} for {len(batch.mask)} actions"
        )
    scores = np.where(batch.mask, logits, -np.inf).astype(np.float64)
    if not np.isfinite(scores[batch.mask]).all():
        raise RunError("the network's scores are not finite: its weights or features are not")
    return scores


def _highest(scores: Doubles, batch: Batch) -> Ints:
    starts = batch.bounds[:-1]
    sizes = np.diff(batch.bounds)
    best = np.maximum.reduceat(scores, starts)
    places = np.flatnonzero(scores == np.repeat(best, sizes))
    rows: Ints = places[np.searchsorted(places, starts)] - starts
    return rows
