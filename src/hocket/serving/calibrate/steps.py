"""A cost model from the iterations of a record, whose composition and duration are both known.

Where a log of requests leaves iterations to be guessed (`fit`), a record of the scheduler names
them, and the coefficients of `Linear` are a regression with no coefficient below 0. Two things are
open, and both are decided by prediction: on iterations of the record that a candidate was not
fitted to, whose sums over stretches are what requests will see.

- **Noise.** Other programs of the machine hold up some iterations for many times what they take.
  Least squares, weighted as if the variance grew with the mean (McCullagh and Nelder, Generalized
  Linear Models, chapter 9), let such iterations bend the model; Huber's estimator (Huber, Robust
  Statistics, chapter 7) does not, and is scaled afterwards. Either keeps the sum of all times,
  disturbances included: there will be others.
- **Large batches.** From some number of decodes on an engine is no longer bound by reading weights;
  `Linear` may have a second regime there.

What is tried later must be better by more than the uncertainty of the comparison (the
one-standard-error rule of Breiman et al., Classification and Regression Trees, section 3.4.3):
first Huber's shape, then least squares, then second regimes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from hocket.core.errors import InputError
from hocket.serving.calibrate.calibration import Calibration
from hocket.serving.calibrate.iterations import Iterations
from hocket.serving.calibrate.start import nonnegative
from hocket.serving.cost import Linear, Regime
from hocket.serving.cost.protocol import Floats

FEWEST = 50
"""Iterations with which a fit is worth anything."""

FOLDS = 5
STRETCH = 20  # iterations whose sum is predicted
ROUNDS = 8  # of reweighting
HUBER = 1.345  # standard deviations: 95 % as efficient as least squares where noise is normal
QUANTILES = (0.25, 0.5, 0.75)  # of the decodes, where a second regime may begin
NEGLIGIBLE = 0.001  # share of the times by which no simulation will differ visibly
TICK = 1e-6

Loss = Literal["least squares", "Huber"]
LOSSES: tuple[Loss, ...] = ("Huber", "least squares")


class Candidate(NamedTuple):
    """A way to fit; `threshold` is the number of decodes from which on the second regime holds."""

    loss: Loss
    threshold: int = 0


def from_steps(found: Iterations) -> Calibration:
    """A `Linear` model of the iterations, fitted in the way that predicts best among them.

    `meta` tells what it was made from and how far single iterations lie from the model. Raises
    InputError if there are too few.
    """
    if len(found) < FEWEST:
        message = f"{len(found)} iterations are too few to fit to; {FEWEST} are needed"
        raise InputError("record", [message])
    chosen, error = _best(found)
    cost = _model(_fit(found, chosen), chosen)
    ratio = found.seconds / predicted(found, cost) - 1
    meta = {
        "from": "iterations",
        "iterations": len(found),
        "fitted by": chosen.loss,
        f"error of {STRETCH} iterations": round(error, 4),
        "spread of one iteration": round(float(np.quantile(np.abs(ratio), 0.6827)), 4),
        "most prompt tokens": int(found.prompt.max()),
        "most decodes": int(found.decodes.max()),
    }
    return Calibration(cost=cost, meta=meta)


def _best(found: Iterations) -> tuple[Candidate, float]:
    """The candidate to take, and its mean error."""
    chosen = Candidate(LOSSES[0])
    wrong = _errors(found, chosen)
    for loss in LOSSES[1:]:
        chosen, wrong = _better(found, chosen, wrong, Candidate(loss))
    for threshold in _thresholds(found):
        chosen, wrong = _better(found, chosen, wrong, Candidate(chosen.loss, threshold))
    return chosen, float(wrong.mean())


def _better(
    found: Iterations, chosen: Candidate, wrong: Floats, other: Candidate
) -> tuple[Candidate, Floats]:
    """`other` with its errors if it is clearly better than `chosen`, else that one with its own."""
    there = _errors(found, other)
    gain = wrong - there
    clear = gain.mean() > max(NEGLIGIBLE, gain.std() / np.sqrt(len(gain)))
    return (other, there) if clear else (chosen, wrong)


def _errors(found: Iterations, candidate: Candidate) -> Floats:
    """How far the sums over stretches are off, in shares of their mean; shape (stretches,).

    Each fold is predicted from the others. The share is of the mean and not of each sum's own, for
    that would favour models that say too little.
    """
    fold = np.arange(len(found)) * FOLDS // len(found)
    wrong, truths = [], []
    for k in range(FOLDS):
        inside, outside = found.at(fold == k), found.at(fold != k)
        cost = _model(_fit(outside, candidate), candidate)
        cuts = np.arange(0, len(inside), STRETCH)
        truth = np.add.reduceat(inside.seconds, cuts)
        wrong.append(np.abs(np.add.reduceat(predicted(inside, cost), cuts) - truth))
        truths.append(truth)
    answer: Floats = np.concatenate(wrong) / np.concatenate(truths).mean()
    return answer


def _thresholds(found: Iterations) -> Iterator[int]:
    """Numbers of decodes with enough iterations on either side, the folds' share considered."""
    for at in sorted({int(x) for x in np.quantile(found.decodes, QUANTILES)}):
        below = int((found.decodes < at).sum())
        if at > 1 and min(below, len(found) - below) >= 2 * FEWEST:
            yield at


def _features(found: Iterations, threshold: int) -> Floats:
    """One row per iteration; with a threshold the columns of the second regime are at the end."""
    shared = [found.prompt, found.pairs]
    own = [np.ones(len(found)), found.decodes, found.context]
    if not threshold:
        return np.stack([*own, *shared], axis=1).astype(np.float64)
    large = found.decodes >= threshold
    columns = [*(c * ~large for c in own), *shared, *(c * large for c in own)]
    return np.stack(columns, axis=1).astype(np.float64)


def _fit(found: Iterations, candidate: Candidate) -> Floats:
    """Coefficients in the order of `_features`, by reweighting until they stand."""
    matrix, seconds = _features(found, candidate.threshold), found.seconds
    weights = 1 / seconds
    answer = np.zeros(matrix.shape[1])
    for _ in range(ROUNDS):
        before = answer
        root = np.sqrt(weights)
        answer = nonnegative(matrix * root[:, None], seconds * root)
        fitted = np.maximum(matrix @ answer, TICK)
        if np.allclose(answer, before, rtol=1e-5, atol=0):
            break
        weights = 1 / fitted
        if candidate.loss != "least squares":
            weights *= _huber((seconds - fitted) / np.sqrt(fitted))
    scaled: Floats = answer * (seconds.sum() / fitted.sum())
    return scaled


def _huber(residuals: Floats) -> Floats:
    """Weights under which outliers count linearly; the scale is the median's."""
    size = np.abs(residuals)
    scale = float(np.median(size)) / 0.6745
    weights: Floats = np.minimum(1.0, HUBER * scale / np.maximum(size, 1e-30))
    return weights


def _model(found: Floats, candidate: Candidate) -> Linear:
    base, decode, context, token, pair, *more = found.tolist()
    large = None
    if more:
        large = Regime(
            decodes=candidate.threshold,
            base=max(more[0], TICK),
            per_decode=more[1],
            per_context=more[2],
        )
    return Linear(
        base=max(base, TICK),  # whatever an engine does takes a tick
        per_token=token,
        per_pair=pair,
        per_decode=decode,
        per_context=context,
        large=large,
    )


def predicted(found: Iterations, cost: Linear) -> Floats:
    """Seconds that the model gives these iterations, shape (n,)."""
    base, decode, context = (
        np.full(len(found), value) for value in (cost.base, cost.per_decode, cost.per_context)
    )
    if cost.large is not None:
        rows = found.decodes >= cost.large.decodes
        base[rows], decode[rows] = cost.large.base, cost.large.per_decode
        context[rows] = cost.large.per_context
    own = base + decode * found.decodes + context * found.context
    answer: Floats = own + cost.per_token * found.prompt + cost.per_pair * found.pairs
    return answer
