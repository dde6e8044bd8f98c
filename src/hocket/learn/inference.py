"""The building blocks of `hocket.learn.networks` in NumPy, to decide without PyTorch.

Only forward, only float32, and equal to the PyTorch blocks up to rounding. Weights are looked up
under the names that PyTorch gives them: a function that stands for a module takes the weights of
that module alone, which `part` picks from those of the whole network. `starts` is as in `Batch`:
the rows of question i are ``starts[i] : starts[i + 1]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np

from hocket.learn.batch import Floats, Ints

Weights = Mapping[str, Floats]
Function = Callable[[Floats], Floats]


def relu(rows: Floats) -> Floats:
    """``max(0, x)``."""
    return np.maximum(rows, np.float32(0))


def leaky_relu(rows: Floats, slope: float = 0.01) -> Floats:
    """x above 0, and `slope` times x below."""
    return np.where(rows > 0, rows, np.float32(slope) * rows)


def elu(rows: Floats) -> Floats:
    """x above 0, and ``exp(x) - 1`` below."""
    return np.where(rows > 0, rows, np.expm1(np.minimum(rows, np.float32(0))))


ACTIVATIONS: dict[str, Function] = {
    "relu": relu,
    "leaky-relu": leaky_relu,
    "tanh": np.tanh,
    "elu": elu,
}
"""By the names of `hocket.learn.networks.mlp`; its GELU needs an error function, not in NumPy."""


def part(weights: Weights, name: str) -> Weights:
    """The weights of the module `name`, such as ``"score"``, under their names within it."""
    start = f"{name}."
    return {key[len(start) :]: value for key, value in weights.items() if key.startswith(start)}


def linear(weights: Weights, rows: Floats) -> Floats:
    """``nn.Linear``: shape (..., in) to (..., out)."""
    out: Floats = rows @ weights["weight"].T
    return out + weights["bias"] if "bias" in weights else out


def mlp(weights: Weights, rows: Floats, activation: str = "relu") -> Floats:
    """``MLP``."""
    count = sum(name.endswith(".weight") for name in weights)
    for i in range(count - 1):
        rows = ACTIVATIONS[activation](linear(part(weights, f"layers.{i}"), rows))
    return linear(part(weights, f"layers.{count - 1}"), rows)


def layer_norm(weights: Weights, rows: Floats, epsilon: float = 1e-5) -> Floats:
    """``nn.LayerNorm`` over the last axis."""
    centred = rows - rows.mean(-1, keepdims=True)
    spread = np.sqrt(np.square(centred).mean(-1, keepdims=True) + np.float32(epsilon))
    out: Floats = centred / spread * weights["weight"] + weights["bias"]
    return out


def segment_sum(rows: Floats, starts: Ints) -> Floats:
    """The sum of each question: shape (size, ...); 0 for one without rows."""
    return _reduce(np.add, rows, starts)


def segment_mean(rows: Floats, starts: Ints) -> Floats:
    """The mean of each question: shape (size, ...); 0 for one without rows."""
    count = np.maximum(np.diff(starts), 1).astype(np.float32)
    return segment_sum(rows, starts) / count.reshape(-1, *[1] * (rows.ndim - 1))


def segment_max(rows: Floats, starts: Ints) -> Floats:
    """The maximum of each question: shape (size, ...); 0 for one without rows."""
    return _reduce(np.maximum, rows, starts)


def _reduce(operation: np.ufunc, rows: Floats, starts: Ints) -> Floats:
    out = np.zeros((len(starts) - 1, *rows.shape[1:]), np.float32)
    some = np.flatnonzero(np.diff(starts))  # reduceat would take the next row for none
    if len(some):
        out[some] = operation.reduceat(rows, starts[some], axis=0)
    return out


def gather(rows: Floats, ends: Ints, targets: int) -> Floats:
    """``graph.gather`` with sums: what reaches each of `targets` rows along the edges."""
    order = np.argsort(ends[1], kind="stable")
    return segment_sum(
        rows[ends[0, order]], np.searchsorted(ends[1, order], np.arange(targets + 1))
    )


def softmax(logits: Floats) -> Floats:
    """Along the last axis."""
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    out: Floats = shares / shares.sum(-1, keepdims=True)
    return out


def self_attention(weights: Weights, rows: Floats, starts: Ints, heads: int) -> Floats:
    """``SelfAttention``: the rows of each question attend to one another."""
    width = rows.shape[1]
    inward = linear(part(weights, "inward"), rows).reshape(len(rows), 3, heads, width // heads)
    mixed = np.empty((len(rows), width), np.float32)
    for begin, end in pairwise(starts.tolist()):
        queries, keys, values = inward[begin:end].transpose(1, 2, 0, 3)
        logits = queries @ keys.transpose(0, 2, 1) / np.float32(np.sqrt(width // heads))
        if end > begin:
            mixed[begin:end] = (softmax(logits) @ values).transpose(1, 0, 2).reshape(-1, width)
    return linear(part(weights, "outward"), mixed)


def encoder_layer(
    weights: Weights, rows: Floats, starts: Ints, heads: int, activation: str = "relu"
) -> Floats:
    """``EncoderLayer``."""
    normed = layer_norm(part(weights, "before_attention"), rows)
    rows = rows + self_attention(part(weights, "attention"), normed, starts, heads)
    normed = layer_norm(part(weights, "before_mlp"), rows)
    return rows + mlp(part(weights, "mlp"), normed, activation)
