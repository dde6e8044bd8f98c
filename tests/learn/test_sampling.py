"""Rows drawn from scores: the right distribution, and the same as a loop over questions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hocket.core.errors import RunError
from hocket.learn.batch import Batch, join, question
from hocket.learn.sampling import greedy, sample


def batch_of(masks: list[list[bool]]) -> Batch:
    return join([question({"a": np.zeros((len(mask), 1))}, "a", mask) for mask in masks])


def random_batch(rng: np.random.Generator, size: int) -> tuple[Batch, np.ndarray[Any, Any]]:
    masks = []
    for _ in range(size):
        mask = rng.random(int(rng.integers(1, 9))) < 0.6
        mask[int(rng.integers(len(mask)))] = True
        masks.append(mask.tolist())
    batch = batch_of(masks)
    return batch, rng.normal(size=len(batch.mask)).astype(np.float32) * 3


def test_greedy_takes_the_best_legal_row_of_every_question() -> None:
    rng = np.random.default_rng(0)
    batch, logits = random_batch(rng, 200)
    logits = np.round(logits)  # many equals: the first counts
    rows = greedy(logits, batch)
    for i, (a, b) in enumerate(zip(batch.bounds[:-1], batch.bounds[1:], strict=True)):
        legal = [r for r in range(b - a) if batch.mask[a + r]]
        assert rows[i] == max(legal, key=lambda r: logits[a + r])


def test_log_probabilities_are_those_of_the_masked_softmax() -> None:
    rng = np.random.default_rng(1)
    batch, logits = random_batch(rng, 200)
    rows, log_probs = sample(logits, batch, rng)
    assert log_probs.dtype == np.float32
    for i, (a, b) in enumerate(zip(batch.bounds[:-1], batch.bounds[1:], strict=True)):
        weight = np.exp(logits[a:b].astype(float)) * batch.mask[a:b]
        assert batch.mask[a + rows[i]]
        assert log_probs[i] == pytest.approx(np.log(weight[rows[i]] / weight.sum()), abs=1e-6)


def test_rows_come_as_often_as_their_probability() -> None:
    count, mask = 40_000, [True, False, True, True]
    batch = batch_of([mask] * count)
    logits = np.tile(np.array([0.0, 9.0, 1.0, -1.0], np.float32), count)
    rows, _ = sample(logits, batch, np.random.default_rng(2))
    expected = np.exp([0.0, -np.inf, 1.0, -1.0])
    expected /= expected.sum()
    found = np.bincount(rows, minlength=4) / count
    # Four standard deviations of a share of 40,000 draws are at most 0.01.
    assert np.abs(found - expected).max() < 0.01
    assert found[1] == 0


def test_the_same_generator_draws_the_same() -> None:
    batch, logits = random_batch(np.random.default_rng(3), 50)
    one = sample(logits, batch, np.random.default_rng(4))
    two = sample(logits, batch, np.random.default_rng(4))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_large_scores_do_not_overflow() -> None:
    batch = batch_of([[True, True]])
    rows, log_probs = sample(np.array([1e30, -1e30], np.float32), batch, np.random.default_rng(0))
    assert rows.tolist() == [0]
    assert log_probs.tolist() == [0.0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite(value: float) -> None:
    batch = batch_of([[True, True, False]])
    for pick in (greedy, lambda *given: sample(*given, np.random.default_rng(0))):
        with pytest.raises(RunError, match="scores are not finite"):
            pick(np.array([0, value, 0], np.float32), batch)
        pick(np.array([0, 1, value], np.float32), batch)  # a masked row's score is nobody's


def test_scores_of_another_number() -> None:
    with pytest.raises(RunError, match=r"scores of shape \(2, 1\) for 2 actions"):
        greedy(np.zeros((2, 1), np.float32), batch_of([[True, True]]))
