"""A first estimate of the coefficients: what a log says about iterations without simulating any.

Between its first and its last token a request with n further tokens has been in n iterations. How
many requests decoded meanwhile, how long they were, and whose prompts were computed can be read off
the same log, so each request gives one linear equation for the seconds that its answer took.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hocket.serving.cost import Linear, Roofline
from hocket.serving.cost.protocol import Floats
from hocket.serving.formats.measured import Measured
from hocket.serving.model.cluster import Pool

NAMES = ("base", "per_token", "per_pair", "per_decode", "per_context")
BELIEF = 0.02  # how much the datasheet counts, in requests per request: it decides what they do not
LEAST = 0.05  # no coefficient begins lower than this share of the datasheet's


def first_estimate(measured: Measured, rows: npt.NDArray[np.bool_], pool: Pool) -> Linear:
    """Non-negative least squares of relative errors over the requests in `rows`.

    A log in which the batch is always full cannot tell apart what an iteration costs by itself and
    what its requests add. So the coefficients of the datasheet's roofline stand beside the requests
    as further observations of little weight.
    """
    use = rows & (measured.output > 1) & (measured.last_token > measured.first_token)
    seconds = (measured.last_token - measured.first_token)[use]
    relative = windows(measured)[use] / seconds[:, None]
    known = datasheet(pool)
    weight = np.sqrt(BELIEF * max(1, len(relative)))
    matrix = np.concatenate([relative, weight * np.diag(1 / known)])
    target = np.concatenate([np.ones(len(relative)), np.full(len(known), weight)])
    found = np.maximum(nonnegative(matrix, target), LEAST * known)
    return Linear(**dict(zip(NAMES, found.tolist(), strict=True)))


def datasheet(pool: Pool) -> Floats:
    """The coefficients, by `NAMES`, of a line through what `Roofline` says of the pool."""
    cost = Roofline().model(pool)
    chunk = 1024
    base = cost.decode(1, 0)
    pair = (cost.iteration([(chunk, chunk)], 0, 0) - cost.iteration([(chunk, 0)], 0, 0)) / chunk**2
    token = (cost.iteration([(chunk, 0)], 0, 0) - base) / chunk - pair * chunk / 2
    decode = (cost.decode(129, 0) - base) / 128
    context = (cost.decode(1, 10**6) - base) / 10**6
    return np.array([base, max(token, 1e-9), max(pair, 1e-15), max(decode, 1e-9), context])


def windows(measured: Measured) -> Floats:
    """What the iterations of each request's answer held together, shape (n, 5).

    Columns: iterations; prompt tokens; their pairs; decodes; tokens in memory. Preemptions cannot
    be seen and are left out.
    """
    first, last = measured.first_token, measured.last_token
    prompt, output = measured.prompt.astype(float), measured.output.astype(float)
    length = np.maximum(last - first, 1e-9)
    found = np.empty((len(prompt), 5))
    for i in range(len(prompt)):
        during = (first > first[i]) & (first <= last[i])
        begin, end = np.maximum(first, first[i]), np.minimum(last, last[i])
        shared = np.maximum(end - begin, 0.0) / length[i]
        done = np.clip(((begin + end) / 2 - first) / length, 0.0, 1.0)
        steps = output[i] - 1
        found[i] = (
            steps,
            prompt[during].sum(),
            (prompt[during] ** 2).sum() / 2,
            steps * shared.sum(),
            steps * (shared * (prompt + done * output)).sum(),
        )
    return found


def nonnegative(matrix: Floats, target: Floats, rounds: int = 5000) -> Floats:
    """The x >= 0 that minimises ``|matrix @ x - target|``, by coordinate descent; shape (columns,).

    Columns of zeros get 0.
    """
    scale = np.sqrt((matrix**2).sum(axis=0))
    scale[scale == 0] = np.inf
    scaled = matrix / scale
    gram, right = scaled.T @ scaled, scaled.T @ target
    x = np.zeros(len(right))
    for _ in range(rounds):
        before = x.copy()
        for k in range(len(x)):
            if gram[k, k] > 0:
                x[k] = max(0.0, x[k] + (right[k] - gram[k] @ x) / gram[k, k])
        if np.abs(x - before).max() <= 1e-10 * max(1e-30, np.abs(x).max()):
            break
    answer: Floats = x / scale
    return answer
