"""Attention among the rows of each question of a ragged batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from hocket.learn.networks.segments import segment_count


class Padding(NamedTuple):
    """Where the rows of a ragged batch stand once every question is as long as the longest.

    - `place`: int64 of shape (rows,), the place of each row among ``size * longest``
    - `there`: bool of shape (size, longest), whether a place holds a row
    """

    place: Tensor
    there: Tensor

    def pad(self, rows: Tensor) -> Tensor:
        """Shape (rows, width) to (size, longest, width), with zeros where there is no row."""
        size, longest = self.there.shape
        flat = rows.new_zeros(size * longest, rows.shape[1]).index_copy(0, self.place, rows)
        return flat.view(size, longest, rows.shape[1])

    def unpad(self, padded: Tensor) -> Tensor:
        """The inverse: shape (size, longest, width) to (rows, width)."""
        return padded.flatten(0, 1)[self.place]


def padding(lanes: Tensor, size: int) -> Padding:
    """How to pad the rows of `lanes` (ascending, int64 of shape (rows,)) of `size` questions."""
    count = segment_count(lanes, size)
    first = count.cumsum(0) - count
    longest = int(count.max()) if size else 0
    column = torch.arange(len(lanes), device=lanes.device) - first[lanes]
    there = torch.arange(longest, device=lanes.device) < count[:, None]
    return Padding(lanes * longest + column, there)


class SelfAttention(nn.Module):
    """Multi-head attention of the rows of each question to one another (Vaswani et al. 2017).

    The rows of a question never see those of another, nor the padding. The weights are laid out as
    in ``torch.nn.MultiheadAttention``: queries, keys and values stacked in `inward`.
    """

    def __init__(self, width: int, heads: int) -> None:
        """`heads` divides `width`."""
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.heads = heads
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)

    def forward(self, rows: Tensor, lanes: Tensor, size: int) -> Tensor:
        """Shape (rows, width) to the same; `lanes` ascends."""
        if not len(rows):
            return rows
        pad = padding(lanes, size)
        queries, keys, values = (self._split(pad.pad(p)) for p in self.inward(rows).chunk(3, 1))
        # Without any key a softmax is 0/0, and its gradient would reach the weights as NaN. So a
        # question without rows attends to its first padding; nobody reads what comes out.
        seen = pad.there.clone()
        seen[:, 0] = True
        mixed = scaled_dot_product_attention(queries, keys, values, attn_mask=seen[:, None, None])
        out: Tensor = self.outward(pad.unpad(mixed.transpose(1, 2).flatten(2)))
        return out

    def _split(self, padded: Tensor) -> Tensor:
        """Shape (size, longest, width) to (size, heads, longest, width / heads)."""
        size, longest, width = padded.shape
        return padded.view(size, longest, self.heads, width // self.heads).transpose(1, 2)
