"""Score heads: how well each row fits what its question asks for.

`rows` has shape (rows, width), `context` one row per question: shape (size, width).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hocket.learn.networks.segments import segment_count, segment_sum


class AdditivePointer(nn.Module):
    """``v . tanh(A row + B context)``: Vinyals, Fortunato, Jaitly, "Pointer networks", 2015."""

    def __init__(self, rows: int, context: int, hidden: int) -> None:
        """The widths of rows and context, and of the sum."""
        super().__init__()
        self.of_rows = nn.Linear(rows, hidden)
        self.of_context = nn.Linear(context, hidden, bias=False)
        self.direction = nn.Linear(hidden, 1, bias=False)

    def forward(self, rows: Tensor, context: Tensor, lanes: Tensor) -> Tensor:
        """The logit of each row: shape (rows,)."""
        both = self.of_rows(rows) + self.of_context(context)[lanes]
        out: Tensor = self.direction(torch.tanh(both)).squeeze(1)
        return out


class DotPointer(nn.Module):
    """``clip tanh(query . key / sqrt(hidden))``, the query from the context, the key from the row.

    Kool, van Hoof, Welling, "Attention, learn to solve routing problems!", ICLR 2019, equation 7,
    with `clip` 10 there; 0 leaves the logits as they are.
    """

    def __init__(self, rows: int, context: int, hidden: int, clip: float = 0.0) -> None:
        """The widths of rows and context, and of query and key."""
        super().__init__()
        self.query = nn.Linear(context, hidden, bias=False)
        self.key = nn.Linear(rows, hidden, bias=False)
        self.clip = clip
        self.root = math.sqrt(hidden)

    def forward(self, rows: Tensor, context: Tensor, lanes: Tensor) -> Tensor:
        """The logit of each row: shape (rows,)."""
        logits = (self.query(context)[lanes] * self.key(rows)).sum(1) / self.root
        return self.clip * torch.tanh(logits) if self.clip else logits


def mean_of_others(rows: Tensor, lanes: Tensor, size: int) -> Tensor:
    """For each row, the mean of the other rows of its question: shape of `rows`; 0 if alone.

    A context that tells a row from its rivals, as in "permutation-equivariant" layers (Zaheer et
    al., "Deep sets", 2017).
    """
    total = segment_sum(rows, lanes, size)[lanes]
    others = (segment_count(lanes, size) - 1)[lanes].clamp(min=1)
    alone = (segment_count(lanes, size) == 1)[lanes]
    return ((total - rows) / others[:, None]).masked_fill(alone[:, None], 0.0)
