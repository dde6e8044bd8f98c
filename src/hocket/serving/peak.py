"""The most memory that a batch will ever hold, from what its requests hold and have left.

Every request of a batch gains one token per decode step and frees all its memory when it is done.
Memory therefore falls only when a request ends, and is largest at one of these moments. With the
requests in order of the steps they have left, longest first, request i is the last but i - 1 to
leave; at its end the requests 1 to i are there, each having grown by what i had left:

    peak = max over i of  (held_1 + ... + held_i) + i * left_i

This is the peak of Gong et al., "Past-Future Scheduler for LLM Serving under SLA Guarantees",
ASPLOS 2025. The order among requests with as much left does not matter: the last of them gives the
largest of their sums. All sizes are in tokens, and all arrays of integers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

HELD = 1 << 31
"""What a single request may hold stays below it, so that two numbers sort as one."""


def peak(held: npt.ArrayLike, left: npt.ArrayLike) -> Ints:
    """The peak of each of K batches; `held` and `left` have shape (..., n), the result (...).

    An empty batch has peak 0. Neither argument may be negative.
    """
    held, left = np.broadcast_arrays(np.asarray(held, np.int64), np.asarray(left, np.int64))
    if not held.shape[-1]:
        return np.zeros(held.shape[:-1], np.int64)
    highest: Ints = _at_ends(*_longest_first(held, left)).max(axis=-1)
    return highest


class Futures:
    """K guesses of how one batch will go on, kept sorted so that one more request is cheap to test.

    Testing costs O(K n) without sorting: requests that have more left than the new one keep their
    sums, those that have less gain what it holds and what they have left themselves.
    """

    def __init__(self, held: npt.ArrayLike, left: npt.ArrayLike) -> None:
        """`left` has shape (K, n), one row per guess; `held` has shape (n,) or (K, n)."""
        guesses = np.atleast_2d(np.asarray(left, np.int64))
        sizes = np.broadcast_to(np.asarray(held, np.int64), guesses.shape)
        self._held, self._left = _longest_first(sizes, guesses)
        self._sums = _at_ends(self._held, self._left)

    def __len__(self) -> int:
        """K, the number of guesses."""
        return len(self._left)

    @property
    def size(self) -> int:
        """n, the number of requests."""
        return int(self._left.shape[1])

    @property
    def peaks(self) -> Ints:
        """The peak of each guess, shape (K,)."""
        highest: Ints = self._sums.max(axis=1, initial=0)
        return highest

    def peaks_with(self, held: int, left: npt.ArrayLike) -> Ints:
        """The peaks if a request joins that holds `held` and has `left`, shape (K,)."""
        new = np.asarray(left, np.int64).reshape(-1, 1)
        before = self._left >= new
        there: Ints = np.where(before, self._sums, self._sums + self._left + held)
        own: Ints = (self._held * before).sum(axis=1) + held
        own += (before.sum(axis=1) + 1) * new[:, 0]
        highest: Ints = np.maximum(own, there.max(axis=1, initial=0))
        return highest

    def add(self, held: int, left: npt.ArrayLike) -> None:
        """Let that request join."""
        new = np.asarray(left, np.int64).reshape(-1, 1)
        sizes = np.concatenate((self._held, np.full_like(new, held)), axis=1)
        self._held, self._left = _longest_first(sizes, np.concatenate((self._left, new), axis=1))
        self._sums = _at_ends(self._held, self._left)


def _longest_first(held: Ints, left: Ints) -> tuple[Ints, Ints]:
    # Both numbers in one key: sorting it is several times faster than sorting by one of them.
    keys = np.sort(left * -HELD - held, axis=-1)
    np.negative(keys, out=keys)
    return keys % HELD, keys // HELD


def _at_ends(held: Ints, left: Ints) -> Ints:
    """Memory at the end of each request, those with the most left first."""
    ranks = np.arange(1, held.shape[-1] + 1)
    sums: Ints = held.cumsum(axis=-1) + left * ranks
    return sums
