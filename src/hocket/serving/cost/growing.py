"""Contexts that grow while the same requests decode."""

from __future__ import annotations

import numpy as np

from hocket.serving.cost.protocol import Floats


def contexts(context: int, decodes: int, steps: int) -> Floats:
    """The tokens in memory before each of `steps` decodes: ``context + j * decodes``, as floats.

    Exact below 2**53, so that what is computed from them is what a loop over integers computes.
    """
    return (context + decodes * np.arange(steps, dtype=np.int64)).astype(np.float64)
