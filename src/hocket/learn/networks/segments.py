"""Sums, means, maxima and softmax over the rows of each question (segment) of a ragged batch.

Everywhere, `lanes` is int64 of shape (rows,): the segment of each row, in any order; `size` is how
many segments there are. Rows may be tensors of any further shape.
"""

from __future__ import annotations

import torch
from torch import Tensor


def segment_sum(values: Tensor, lanes: Tensor, size: int) -> Tensor:
    """The sum of each segment: shape (size, ...); 0 for a segment without rows."""
    return values.new_zeros(size, *values.shape[1:]).index_add(0, lanes, values)


def segment_count(lanes: Tensor, size: int) -> Tensor:
    """How many rows each segment has: int64 of shape (size,)."""
    return torch.bincount(lanes, minlength=size)


def segment_mean(values: Tensor, lanes: Tensor, size: int) -> Tensor:
    """The mean of each segment: shape (size, ...); 0 for a segment without rows."""
    count = segment_count(lanes, size).clamp(min=1).to(values.dtype)
    return segment_sum(values, lanes, size) / _like(count, values)


def segment_max(values: Tensor, lanes: Tensor, size: int, empty: float = 0.0) -> Tensor:
    """The maximum of each segment: shape (size, ...); `empty` for a segment without rows.

    The gradient goes to the row with the maximum, in equal parts where several have it.
    """
    start = values.new_full((size, *values.shape[1:]), empty)
    where = _like(lanes, values).expand_as(values)
    return start.scatter_reduce(0, where, values, "amax", include_self=False)


def segment_softmax(logits: Tensor, lanes: Tensor, size: int) -> Tensor:
    """The softmax within each segment: shape of `logits`; every further column on its own."""
    top = segment_max(logits.detach(), lanes, size)
    weights = (logits - top[lanes]).exp()
    return weights / segment_sum(weights, lanes, size)[lanes]


def log_softmax(logits: Tensor, mask: Tensor, lanes: Tensor, size: int) -> Tensor:
    """Logarithms of the probabilities of the rows of each segment: shape (rows,).

    Rows where `mask` is false have probability 0, so minus infinity; they get no gradient. Each
    segment needs at least one row where `mask` is true.
    """
    open_logits = logits.masked_fill(~mask, -torch.inf)
    shifted = open_logits - segment_max(open_logits.detach(), lanes, size)[lanes]
    return shifted - segment_sum(shifted.exp(), lanes, size).log()[lanes]


def entropy(log_probs: Tensor, lanes: Tensor, size: int) -> Tensor:
    """The entropy (nats) of each segment's distribution, from `log_softmax`: shape (size,)."""
    possible = torch.isfinite(log_probs)
    finite = log_probs.masked_fill(~possible, 0.0)
    return -segment_sum(finite * finite.exp() * possible, lanes, size)


def _like(values: Tensor, rows: Tensor) -> Tensor:
    """A column of numbers with as many dimensions as `rows`."""
    return values.reshape(-1, *[1] * (rows.dim() - 1))
