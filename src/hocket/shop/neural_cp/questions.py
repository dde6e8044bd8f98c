"""Observations as questions, and back: what trainers, Gymnasium and this network exchange.

A question has two tables. `jobs` has a row per job: its window (`WINDOW` slots of 4 features), the
positions, tokens and padding of the slots, and the machine that it competes for. `actions` has a
row per job and a last one for No-Op, whose only feature is 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hocket.learn.batch import Batch, Bools
from hocket.shop.neural_cp.observation import WINDOW, Observation

COLUMNS = 7 * WINDOW + 1


def to_batch(seen: Observation, mask: Bools | None = None) -> Batch:
    """One question per lane; `mask`, bool (L, J + 1), replaces the legal actions."""
    lanes, count = seen.rivals.shape
    jobs = np.empty((lanes * count, COLUMNS), np.float32)
    shown: list[npt.NDArray[Any]] = [*seen[:5]]
    for columns, values in zip(split(jobs), shown, strict=True):
        columns[...] = values.reshape(columns.shape)
    actions = np.zeros((lanes, count + 1, 1), np.float32)
    actions[:, -1] = 1
    return Batch(
        tables={"jobs": jobs, "actions": actions.reshape(-1, 1)},
        starts={
            "jobs": np.arange(lanes + 1) * count,
            "actions": np.arange(lanes + 1) * (count + 1),
        },
        links={},
        actions="actions",
        mask=(seen.legal if mask is None else mask).flatten(),
    )


def to_observations(batch: Batch) -> list[Observation]:
    """The observations in a batch: a single one if all questions have as many jobs, else each."""
    counts = np.diff(batch.starts["jobs"])
    if len(set(counts.tolist())) > 1:
        return [found for i in range(batch.size) for found in to_observations(batch.take([i]))]
    lanes, count = batch.size, int(counts[0])
    intervals, positions, tokens, padding, rivals = (
        part.reshape(lanes, count, *part.shape[1:]) for part in split(batch.tables["jobs"])
    )
    return [
        Observation(
            intervals=intervals,
            positions=positions.astype(np.int64),
            tokens=tokens.astype(np.int64),
            padding=padding > 0,
            rivals=rivals.astype(np.int64),
            legal=batch.mask.reshape(lanes, count + 1),
        )
    ]


def split(jobs: Any) -> tuple[Any, Any, Any, Any, Any]:
    """The five parts of the table of jobs, an array or a tensor, as views: intervals (rows, W, 4),
    positions, tokens and padding (rows, W), rivals (rows,)."""
    w = WINDOW
    return (
        jobs[:, : 4 * w].reshape(-1, w, 4),
        jobs[:, 4 * w : 5 * w],
        jobs[:, 5 * w : 6 * w],
        jobs[:, 6 * w : 7 * w],
        jobs[:, 7 * w],
    )
