"""Questions as Gymnasium observations: as they are, or padded to one size. Needs Gymnasium."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hocket.core.errors import MissingExtra, UserError
from hocket.learn.batch import Batch

try:
    from gymnasium import spaces
except ModuleNotFoundError as error:
    raise MissingExtra("learn", "gymnasium") from error

Observation = dict[str, Any]

HUGE = float(np.finfo(np.float32).max)
"""Bounds of features: any finite number."""


def graph_space(first: Batch) -> spaces.Dict:
    """The space of `graph` for questions like this one, of any size.

    - ``tables``: by name, any number of rows of features
    - ``links``, if there are any: by name, edges (row in the source, row in the target)
    - ``mask``: 1 for each row of the table of actions that may be chosen
    """
    tables: dict[str, spaces.Space[Any]] = {
        name: _rows(_features(table.shape[1:])) for name, table in first.tables.items()
    }
    ends = spaces.Box(0, np.iinfo(np.int64).max, (2,), np.int64)
    parts: dict[str, spaces.Space[Any]] = {
        "tables": spaces.Dict(tables),
        "mask": _rows(spaces.Discrete(2)),
    }
    if first.links:  # Gymnasium refuses an empty Dict
        parts["links"] = spaces.Dict({name: _rows(ends) for name in first.links})
    return spaces.Dict(parts)


def graph(batch: Batch) -> Observation:
    """A question as it is; arrays of its own, which later questions leave alone."""
    found: Observation = {
        "tables": {name: table.copy() for name, table in batch.tables.items()},
        "mask": batch.mask.astype(np.int8),
    }
    if batch.links:
        found["links"] = {name: link.ends.T.copy() for name, link in batch.links.items()}
    return found


def padded_space(first: Batch, most: Mapping[str, int]) -> spaces.Dict:
    """The space of `padded` for questions like this one, of at most `most` rows in each table.

    For each table ``jobs`` there is ``jobs``, its rows with zeros after them, and ``jobs_there``,
    1 for each row that there is. ``mask`` is 1 for each row that may be chosen. Links are left out.
    """
    found: dict[str, spaces.Space[Any]] = {}
    for name, table in first.tables.items():
        found[name] = _features((most[name], *table.shape[1:]))
        found[f"{name}_there"] = spaces.Box(0, 1, (most[name],), np.float32)
    return spaces.Dict(found | {"mask": spaces.MultiBinary(most[first.actions])})


def padded(batch: Batch, space: spaces.Dict) -> Observation:
    """A question with every table padded to the size that the space gives it.

    Raises UserError for a question that is larger, or that has other tables or features.
    """
    found: Observation = {}
    for name, table in batch.tables.items():
        if name not in space.spaces:
            raise UserError(f"the observations hold no table {name!r}: {', '.join(space.spaces)}")
        shape = space[name].shape or (0,)
        if shape[1:] != table.shape[1:]:
            raise UserError(
                f"the table {name!r} has {table.shape[1]} features, the observations {shape[-1]}"
            )
        _fits(len(table), shape[0], name)
        found[name] = np.zeros(shape, np.float32)
        found[name][: len(table)] = table
        found[f"{name}_there"] = (np.arange(shape[0]) < len(table)).astype(np.float32)
    return found | {"mask": wide_mask(batch, len(found[f"{batch.actions}_there"])).astype(np.int8)}


def wide_mask(batch: Batch, most: int) -> npt.NDArray[np.bool_]:
    """Which of `most` actions may be chosen: bool of shape (most,). Raises UserError."""
    _fits(len(batch.mask), most, batch.actions)
    found = np.zeros(most, bool)
    found[: len(batch.mask)] = batch.mask
    return found


def _fits(rows: int, most: int, name: str) -> None:
    if rows > most:
        raise UserError(
            f"a question has {rows} rows in the table {name!r}, more than max_rows, {most}: "
            f"make room with max_rows={{{name!r}: {rows}}} or more"
        )


def _features(shape: tuple[int, ...]) -> spaces.Box:
    return spaces.Box(-HUGE, HUGE, shape, np.float32)


def _rows(row: spaces.Space[Any]) -> spaces.Sequence:
    return spaces.Sequence(row, stack=True)
