"""Iterations that all last the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np

from hocket.core.errors import Problem
from hocket.serving.cost.protocol import Cost, Floats

if TYPE_CHECKING:
    from hocket.serving.model.cluster import Pool


class Constant(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="constant",
):
    """Every iteration lasts `seconds`, whatever is in it: for examples and for tests."""

    seconds: Annotated[float, msgspec.Meta(gt=0)] = 0.02

    def problems(self, path: str, pool: Pool) -> Iterator[Problem]:
        """What is wrong with it for this pool; `path` leads to it."""
        yield from ()

    def model(self, pool: Pool) -> Cost:
        """The cost model of one replica of `pool`."""
        return _Constant(self.seconds)


class _Constant:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def iteration(self, prefill: Sequence[tuple[int, int]], decodes: int, context: int) -> float:
        return self._seconds

    def decode(self, decodes: int, context: int) -> float:
        return self._seconds

    def decode_run(self, decodes: int, context: int, steps: int) -> Floats:
        return np.full(steps, self._seconds)
