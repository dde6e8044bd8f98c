"""How this package's inner loops are compiled: numba, cached on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hocket.core.extras import need

numba = need("numba", "solve")


def jit(function: Callable[..., Any]) -> Any:
    """`function` compiled on first use, without the interpreter lock while it runs.

    The machine code is kept beside the source file or, if that is read-only, in the user's cache
    folder (or NUMBA_CACHE_DIR). Where nothing can be written it is compiled anew in each process.
    """
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba's answer when it finds no folder to cache in
        return numba.njit(nogil=True)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """A part of a compiled loop, always merged into its caller.

    Write it without early returns and without using an array in one branch only: then numba can
    drop the reference counting of its arrays, which otherwise makes the tabu search three times
    slower (measured at 20x20: 250,000 against 790,000 iterations a second).
    """
    return numba.njit(forceinline=True)(function)


@inlined
def draw(state: Any, k: int) -> Any:
    """A uniform integer below `k` (at most 2^32) from the generator in `state`, a ``uint64[1]``.

    SplitMix64 (Steele, Lea & Flood 2014, figure 17), so that a plain Python twin of a kernel can
    follow the same stream.
    """
    state[0] = state[0] + np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.int64(((z >> np.uint64(32)) * np.uint64(k)) >> np.uint64(32))
