"""What an iteration costs: the one question that the simulator asks of a cost model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Cost(Protocol):
    """The duration of an iteration from what it computes. All answers are in seconds.

    With pipeline parallelism it is the time that one stage takes; stages are equal.
    """

    def iteration(self, prefill: Sequence[tuple[int, int]], decodes: int, context: int) -> float:
        """Seconds for the chunks `prefill`, each ``(tokens, tokens of it computed before)``, and
        for one token of each of `decodes` requests.

        `context` is the sum over those requests of the tokens that lie in memory before the
        iteration.
        """

    def decode(self, decodes: int, context: int) -> float:
        """``iteration((), decodes, context)``, without the overhead of the general case."""

    def decode_run(self, decodes: int, context: int, steps: int) -> Floats:
        """Element j is ``decode(decodes, context + j * decodes)``, bit for bit; shape (steps,)."""
