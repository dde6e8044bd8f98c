"""Message passing over the links of a batch.

`ends` is int64 of shape (2, edges): the row that each edge comes from and the row it leads to, as
in ``Tensors.links``. Rows that no edge leads to receive nothing.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from hocket.learn.networks.mlp import MLP, Activation
from hocket.learn.networks.segments import (
    segment_max,
    segment_mean,
    segment_softmax,
    segment_sum,
)

Pool = Literal["sum", "mean", "max"]
POOLS = {"sum": segment_sum, "mean": segment_mean, "max": segment_max}


def reverse(ends: Tensor) -> Tensor:
    """The same edges, the other way round."""
    return ends.flip(0)


def gather(rows: Tensor, ends: Tensor, targets: int, pool: Pool = "sum") -> Tensor:
    """What reaches each of `targets` rows along the edges: shape (targets, width); 0 if nothing."""
    return POOLS[pool](rows[ends[0]], ends[1], targets)


class GraphConvolution(nn.Module):
    """``A row + B pool(rows that lead here) [+ C pool(rows that it leads to)]``.

    Hamilton, Ying, Leskovec, "Inductive representation learning on large graphs" (GraphSAGE),
    NeurIPS 2017, without its normalisation; with `both` the two directions have weights of their
    own, as relations have in Schlichtkrull et al., "Modeling relational data", ESWC 2018.
    """

    def __init__(self, inward: int, outward: int, pool: Pool = "mean", both: bool = False) -> None:
        """The widths of what comes in and what goes out."""
        super().__init__()
        self.pool: Pool = pool
        self.own = nn.Linear(inward, outward)
        self.along = nn.Linear(inward, outward, bias=False)
        self.against = nn.Linear(inward, outward, bias=False) if both else None

    def forward(self, rows: Tensor, ends: Tensor) -> Tensor:
        """Shape (rows, inward) to (rows, outward), for edges within one table."""
        out: Tensor = self.own(rows) + self.along(gather(rows, ends, len(rows), self.pool))
        if self.against is not None:
            out = out + self.against(gather(rows, reverse(ends), len(rows), self.pool))
        return out


class BetweenTables(nn.Module):
    """``A target + B pool(source rows that lead to it)``: messages from one table to another."""

    def __init__(self, source: int, target: int, outward: int, pool: Pool = "mean") -> None:
        """The widths of both tables, and of what goes out."""
        super().__init__()
        self.pool: Pool = pool
        self.own = nn.Linear(target, outward)
        self.along = nn.Linear(source, outward, bias=False)

    def forward(self, sources: Tensor, targets: Tensor, ends: Tensor) -> Tensor:
        """Shape (rows of the target, outward), for edges from the source to the target."""
        received = gather(sources, ends, len(targets), self.pool)
        out: Tensor = self.own(targets) + self.along(received)
        return out


class ChildrenToParents(nn.Module):
    """``e = x + g(sum of f(e) over the children)``: the node embedding of Decima.

    Mao et al., "Learning scheduling algorithms for data processing clusters", SIGCOMM 2019,
    equation 1. Edges lead from parent to child. All rows are computed anew in each of `rounds`
    rounds, so a row knows its descendants at most that many edges away, and in a graph no deeper
    than that it equals one sweep from the leaves up. A row without children stays ``x``.
    """

    def __init__(
        self, width: int, hidden: tuple[int, ...], rounds: int, activation: Activation
    ) -> None:
        """`hidden` are the widths inside both ``f`` and ``g``."""
        super().__init__()
        self.rounds = rounds
        self.of_child = MLP((width, *hidden, width), activation)
        self.of_sum = MLP((width, *hidden, width), activation)

    def forward(self, rows: Tensor, ends: Tensor) -> Tensor:
        """Shape (rows, width) to the same."""
        parent = rows.new_zeros(len(rows), 1).index_fill(0, ends[0], 1.0)
        out = rows
        for _ in range(self.rounds):
            received = gather(self.of_child(out), reverse(ends), len(rows))
            out = rows + parent * self.of_sum(received)
        return out


class GraphAttention(nn.Module):
    """Each row takes a weighted mean of the rows that lead to it, with learnt weights.

    Veličković et al., "Graph attention networks", ICLR 2018, equations 1 to 5: the weight of an
    edge is the softmax, over the edges to one row, of ``leaky_relu(a . W source + b . W target)``
    (slope 0.2). The results of the heads stand side by side. Add edges from each row to itself
    where a row should see itself; a row that no edge leads to gets 0.
    """

    def __init__(self, inward: int, outward: int, heads: int = 1) -> None:
        """`heads` divides `outward`."""
        super().__init__()
        if outward % heads:
            raise ValueError(f"{heads} heads do not divide a width of {outward}")
        self.heads, self.each = heads, outward // heads
        self.project = nn.Linear(inward, outward, bias=False)
        self.from_source = nn.Parameter(torch.empty(heads, self.each))
        self.from_target = nn.Parameter(torch.empty(heads, self.each))
        nn.init.xavier_uniform_(self.from_source)
        nn.init.xavier_uniform_(self.from_target)

    def forward(self, rows: Tensor, ends: Tensor) -> Tensor:
        """Shape (rows, inward) to (rows, outward), for edges within one table."""
        source, target = ends
        projected = self.project(rows).view(-1, self.heads, self.each)
        given = (projected * self.from_source).sum(2)
        taken = (projected * self.from_target).sum(2)
        logits = leaky_relu(given[source] + taken[target], 0.2)
        weights = segment_softmax(logits, target, len(rows))
        return segment_sum(weights[:, :, None] * projected[source], target, len(rows)).flatten(1)


def with_loops(ends: Tensor, rows: int) -> Tensor:
    """The edges, and one from each of `rows` rows to itself."""
    own = torch.arange(rows, device=ends.device).expand(2, rows)
    return torch.cat([ends, own], 1)
