"""Guessing how long answers will be from how long the latest ones were.

The memory of the scheduler of Gong et al., "Past-Future Scheduler for LLM Serving under SLA
Guarantees", ASPLOS 2025: a window of finished lengths, from which a request that has already
produced g tokens is given a length by the law "longer than g", drawn anew whenever asked. Nothing
is learnt from the request itself.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class History:
    """The lengths of the last `window` answers.

    It begins half full of `first`, a large value, so that a cold scheduler is careful and forgets
    the assumption as answers come in.
    """

    def __init__(self, window: int, first: int) -> None:
        self.lengths: deque[int] = deque([first] * max(1, window // 2), maxlen=window)
        self._ordered: Ints | None = None

    def append(self, length: int) -> None:
        """Take note of a finished answer."""
        self.lengths.append(length)
        self._ordered = None

    @property
    def ordered(self) -> Ints:
        """The lengths from the shortest to the longest."""
        if self._ordered is None:
            self._ordered = np.sort(np.fromiter(self.lengths, np.int64, len(self.lengths)))
        return self._ordered

    def fresh(self, rng: np.random.Generator, count: int) -> Ints:
        """Lengths of `count` requests that have produced nothing yet, shape (count,)."""
        drawn: Ints = self.ordered[rng.integers(len(self.lengths), size=count)]
        return drawn

    def longer(
        self, generated: Ints, limit: Ints, uniform: Floats, *, ends_at_limit: bool = False
    ) -> Ints:
        """Lengths of requests that have produced `generated` tokens and may produce `limit`.

        The support of a request is what it has produced, the lengths in the window above that, and
        its limit if that is larger still. A number from `uniform`, all in [0, 1), picks a place
        between the first and the last of them; between two the length is interpolated linearly and
        rounded. `generated` and `limit` have shape (n,), `uniform` and the result (..., n).

        With ``ends_at_limit`` the support always has a last point, the limit or a second copy of
        its largest value, as in the authors' simulation; in their server it has not.
        """
        known = self.ordered
        above = np.searchsorted(known, generated, side="right")
        largest = np.where(above < len(known), known[-1], generated)
        end = np.maximum(limit, largest)
        pieces = len(known) - above + (ends_at_limit | (limit > largest))
        place = uniform * pieces
        piece = np.minimum(place.astype(np.int64), np.maximum(pieces - 1, 0))
        right = above + piece
        low = np.where(piece > 0, known[np.minimum(right, len(known)) - 1], generated)
        high = np.where(right < len(known), known[np.minimum(right, len(known) - 1)], end)
        lengths: Ints = np.rint(low + (high - low) * (place - piece)).astype(np.int64)
        return lengths
