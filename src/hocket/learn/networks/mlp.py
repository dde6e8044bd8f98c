"""Multilayer perceptrons."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["relu", "leaky-relu", "tanh", "gelu", "elu"]
Start = Literal["default", "orthogonal", "xavier"]

LEAK = 0.01
"""Slope of the leaky ReLU below zero."""

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": lambda: nn.LeakyReLU(LEAK),
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "elu": nn.ELU,
}

GAINS = {"relu": math.sqrt(2), "leaky-relu": math.sqrt(2 / (1 + LEAK**2)), "tanh": 5 / 3}
"""What keeps the variance from layer to layer (He et al. 2015); 1 for the others."""


class MLP(nn.Module):
    """Linear layers with an activation between them, and none after the last.

    `widths` holds the features that come in, those of each hidden layer, and those that go out.
    `start` is how weights begin: PyTorch's own, orthogonal (Saxe et al. 2014) or Xavier uniform
    (Glorot and Bengio 2010), these two with biases 0 and the last layer scaled by `last_gain`
    (0.01 makes a policy begin almost uniform; Andrychowicz et al. 2021, section 3.2).
    """

    def __init__(
        self,
        widths: Sequence[int],
        activation: Activation = "relu",
        start: Start = "default",
        last_gain: float = 1.0,
    ) -> None:
        """Two widths are one linear layer."""
        super().__init__()
        if len(widths) < 2:
            raise ValueError("an MLP needs the width of what comes in and of what goes out")
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.activation = ACTIVATIONS[activation]()
        if start != "default":
            gains = [GAINS.get(activation, 1.0)] * (len(self.layers) - 1) + [last_gain]
            for layer, gain in zip(self.layers, gains, strict=True):
                initialise(layer, start, gain)

    def forward(self, rows: Tensor) -> Tensor:
        """Shape (..., first width) to (..., last width)."""
        for layer in self.layers[:-1]:
            rows = self.activation(layer(rows))
        out: Tensor = self.layers[-1](rows)
        return out


def initialise(layer: nn.Module, start: Start, gain: float) -> None:
    """Set the weights of a linear layer anew, and its bias to 0."""
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"only linear layers can be initialised so, not {type(layer).__name__}")
    if start == "orthogonal":
        nn.init.orthogonal_(layer.weight, gain)
    elif start == "xavier":
        nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        with torch.no_grad():
            layer.bias.zero_()
