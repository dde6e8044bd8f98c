# ruff: noqa: E402
"""Segments against loops over questions, one at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from hocket.learn.networks.segments import (
    entropy,
    log_softmax,
    segment_count,
    segment_max,
    segment_mean,
    segment_softmax,
    segment_sum,
)

SIZES = st.lists(st.integers(0, 5), min_size=1, max_size=6)


def ragged(sizes, width=None, seed=0):
    """Rows in segments of these sizes, not in order, as float64."""
    generator = torch.Generator().manual_seed(seed)
    lanes = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    lanes = lanes[torch.randperm(len(lanes), generator=generator)]
    shape = (len(lanes),) if width is None else (len(lanes), width)
    return torch.randn(shape, generator=generator, dtype=torch.double), lanes


@settings(max_examples=40, deadline=None)
@given(SIZES, st.sampled_from([None, 1, 3]))
def test_sums_means_and_maxima_are_those_of_each_segment(sizes, width):
    values, lanes = ragged(sizes, width)
    for pool, plain in (
        (segment_sum, lambda rows: rows.sum(0)),
        (segment_mean, lambda rows: rows.mean(0)),
        (segment_max, lambda rows: rows.amax(0)),
    ):
        found = pool(values, lanes, len(sizes))
        for i, count in enumerate(sizes):
            own = values[lanes == i]
            expected = plain(own) if count else torch.zeros(values.shape[1:], dtype=torch.double)
            torch.testing.assert_close(found[i], expected)
    assert segment_count(lanes, len(sizes)).tolist() == sizes


def test_a_segment_without_rows_has_the_maximum_asked_for():
    found = segment_max(torch.tensor([-3.0]), torch.tensor([1]), 2, empty=-torch.inf)
    assert found.tolist() == [-torch.inf, -3.0]


@settings(max_examples=40, deadline=None)
@given(SIZES, st.sampled_from([None, 2]))
def test_softmax_is_that_of_each_segment(sizes, width):
    logits, lanes = ragged(sizes, width)
    found = segment_softmax(logits * 100, lanes, len(sizes))
    for i in range(len(sizes)):
        torch.testing.assert_close(found[lanes == i], torch.softmax(logits[lanes == i] * 100, 0))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 10**6))
def test_log_softmax_and_entropy_leave_masked_rows_out(sizes, seed):
    logits, lanes = ragged(sizes, seed=seed)
    rng = np.random.default_rng(seed)
    mask = torch.from_numpy(rng.random(len(lanes)) < 0.5)
    for i in range(len(sizes)):  # at least one of each segment
        mask[int((lanes == i).nonzero()[0])] = True
    logs = log_softmax(logits, mask, lanes, len(sizes))
    spread = entropy(logs, lanes, len(sizes))
    assert torch.isinf(logs[~mask]).all()
    for i in range(len(sizes)):
        own = logits[(lanes == i) & mask]
        torch.testing.assert_close(logs[(lanes == i) & mask], torch.log_softmax(own, 0))
        expected = torch.distributions.Categorical(logits=own).entropy()
        torch.testing.assert_close(spread[i], expected)


def test_huge_and_equal_logits_are_no_trouble():
    logits = torch.tensor([1e30, -1e30, 5.0, 5.0], dtype=torch.double)
    lanes, mask = torch.tensor([0, 0, 1, 1]), torch.ones(4, dtype=torch.bool)
    logs = log_softmax(logits, mask, lanes, 2)
    assert logs[0] == 0 and logs[2] == pytest.approx(-np.log(2))
    assert entropy(logs, lanes, 2).tolist() == pytest.approx([0, np.log(2)])


@pytest.mark.parametrize("pool", [segment_sum, segment_mean, segment_max, segment_softmax])
def test_gradients_are_those_of_finite_differences(pool):
    values, lanes = ragged([3, 0, 2], 2)
    values.requires_grad_()
    assert torch.autograd.gradcheck(lambda rows: pool(rows, lanes, 3), (values,))


def test_gradients_of_the_loss_are_those_of_finite_differences():
    logits, lanes = ragged([3, 1, 4])
    mask = torch.ones(8, dtype=torch.bool)
    mask[(lanes == 0).nonzero()[0]] = False
    logits.requires_grad_()

    def loss(rows):
        logs = log_softmax(rows, mask, lanes, 3)
        return logs[mask].sum() - 0.3 * entropy(logs, lanes, 3).sum()

    assert torch.autograd.gradcheck(loss, (logits,))
    (gradient,) = torch.autograd.grad(loss(logits), logits)
    assert torch.isfinite(gradient).all() and (gradient[~mask] == 0).all()
