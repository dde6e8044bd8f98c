"""A transformer encoder over the rows of each question."""

from __future__ import annotations

from torch import Tensor, nn

from hocket.learn.networks.attention import SelfAttention
from hocket.learn.networks.mlp import MLP, Activation


class EncoderLayer(nn.Module):
    """Self-attention and an MLP, each after a layer norm and added to what came in.

    The order is "pre-norm" (Xiong et al., "On layer normalization in the transformer
    architecture", ICML 2020), which trains without a warm-up. There is no dropout and no position:
    rows are a set.
    """

    def __init__(
        self, width: int, heads: int, hidden: int, activation: Activation = "relu"
    ) -> None:
        """`hidden` is the width inside the MLP."""
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.before_mlp = nn.LayerNorm(width)
        self.mlp = MLP((width, hidden, width), activation)

    def forward(self, rows: Tensor, lanes: Tensor, size: int) -> Tensor:
        """Shape (rows, width) to the same; `lanes` ascends."""
        rows = rows + self.attention(self.before_attention(rows), lanes, size)
        out: Tensor = rows + self.mlp(self.before_mlp(rows))
        return out


class Encoder(nn.Module):
    """Several encoder layers, and a layer norm after the last."""

    def __init__(
        self, layers: int, width: int, heads: int, hidden: int, activation: Activation = "relu"
    ) -> None:
        """See `EncoderLayer`."""
        super().__init__()
        self.layers = nn.ModuleList(
            EncoderLayer(width, heads, hidden, activation) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, rows: Tensor, lanes: Tensor, size: int) -> Tensor:
        """Shape (rows, width) to the same; `lanes` ascends."""
        for layer in self.layers:
            rows = layer(rows, lanes, size)
        out: Tensor = self.norm(rows)
        return out
