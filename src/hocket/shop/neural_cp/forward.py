"""The network in NumPy: from observations to a score per action. 2,442 weights.

The architecture is described in `hocket.shop.neural_cp.network`, its twin in PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hocket.learn.weights import require_shapes
from hocket.shop.neural_cp.environment import Bools
from hocket.shop.neural_cp.observation import POSITIONS, Floats, Observation
from hocket.shop.search.instance import Ints

WIDTH, FEED_FORWARD = 8, 32
Weights = Mapping[str, Floats]
_MEAN = np.full((WIDTH, 1), 1 / WIDTH, np.float32)

_LAYER = {
    "before.weight": (WIDTH,),
    "before.bias": (WIDTH,),
    "attention.weight": (3 * WIDTH, WIDTH),
    "attention.bias": (3 * WIDTH,),
    "mix.weight": (WIDTH, WIDTH),
    "mix.bias": (WIDTH,),
    "between.weight": (WIDTH,),
    "between.bias": (WIDTH,),
    "inner.weight": (FEED_FORWARD, WIDTH),
    "inner.bias": (FEED_FORWARD,),
    "outer.weight": (WIDTH, FEED_FORWARD),
    "outer.bias": (WIDTH,),
}
_HEAD = {**_LAYER, "outer.weight": (1, FEED_FORWARD), "outer.bias": (1,)}
SHAPES: dict[str, tuple[int, ...]] = {
    "started.weight": (2, 1),
    "next.weight": (2, 1),
    "tokens.weight": (3, 4),
    "project.weight": (WIDTH, 4),
    "project.bias": (WIDTH,),
    **{f"{layer}.{part}": s for layer in ("window", "jobs") for part, s in _LAYER.items()},
    **{f"{head}.{p}": s for head in ("job", "wait") for p, s in _HEAD.items() if p[0] in "io"},
}


def checked(weights: Weights) -> Weights:
    """The weights, if they are those of this network. Raises UserError, naming what is not."""
    require_shapes(SHAPES, weights, "shop/neural-cp")
    return weights


def sinusoids() -> Floats:
    """The position table, float32 (100, 8): sines in even columns, cosines in odd ones."""
    angle = np.arange(POSITIONS)[:, None] * 10_000.0 ** (-np.arange(0, WIDTH, 2) / WIDTH)
    table = np.empty((POSITIONS, WIDTH), np.float32)
    table[:, 0::2], table[:, 1::2] = np.sin(angle), np.cos(angle)
    return table


_PLACES = sinusoids()


def logits(weights: Weights, seen: Observation) -> Floats:
    """Scores of the actions, float32 (L, J + 1), of legal and illegal ones alike."""
    jobs = _windows(weights, seen)
    lanes, count = seen.rivals.shape
    jobs = _across(weights, jobs.reshape(lanes * count, WIDTH), seen.rivals) + jobs
    scores = np.empty((lanes, count + 1), np.float32)
    scores[:, :-1] = _head(weights, "job", jobs).reshape(lanes, count)
    scores[:, -1] = _head(weights, "wait", jobs).reshape(lanes, count).mean(axis=1)
    return scores


def _windows(w: Weights, seen: Observation) -> Floats:
    """Each job's window as one vector: float32 (L * J, 8)."""
    x = seen.intervals.copy()
    x[..., 0] = w["started.weight"][x[..., 0].astype(np.int64), 0]
    x[..., 3] = w["next.weight"][x[..., 3].astype(np.int64), 0]
    fake = seen.tokens > 0
    x[fake] = w["tokens.weight"][seen.tokens[fake]]
    place = _PLACES[seen.positions]
    place[fake] = 0
    x = _linear(w, "project", x) + place
    x = x.reshape(-1, *x.shape[2:])
    padding = seen.padding.reshape(x.shape[:2])
    query, key, value = _heads(w, "window", x)
    score = query @ key.transpose(0, 2, 1)
    score[np.broadcast_to(padding[:, None, :], score.shape)] = -np.inf
    mean: Floats = _residual(w, "window", x, _softmax(score) @ value).mean(axis=1)
    return mean


def _across(w: Weights, x: Floats, rivals: Ints) -> Floats:
    """The layer across jobs, x float32 (L * J, 8): who is alone attends to itself only."""
    query, key, value = _heads(w, "jobs", x)
    mixed = value.copy()
    for members, mask in _groups(rivals):
        score = query[members] @ key[members].transpose(0, 2, 1)
        score[~np.broadcast_to(mask[:, None, :], score.shape)] = -np.inf
        mixed[members[mask]] = (_softmax(score) @ value[members])[mask]
    return _residual(w, "jobs", x, mixed)


def _groups(rivals: Ints) -> list[tuple[Ints, Bools]]:
    """Rows of jobs that compete for one machine, by the size of their group: padded rows (groups,
    size) and which of them count. Groups of up to 2, 4, 8, ... are put together, none with one."""
    found = []
    machines = int(rivals.max(initial=-1)) + 1
    group = np.where(rivals >= 0, rivals + machines * np.arange(len(rivals))[:, None], -1).ravel()
    rows = np.argsort(group, kind="stable")
    rows = rows[group[rows] >= 0]
    _, begin, size = np.unique(group[rows], return_index=True, return_counts=True)
    least = 1
    while least < size.max(initial=0):
        here = (size > least) & (size <= 2 * least)
        slot = np.arange(2 * least)
        mask = slot < size[here, None]
        found.append((rows[np.where(mask, begin[here, None] + slot, 0)], mask))
        least *= 2
    return found


def _heads(w: Weights, layer: str, x: Floats) -> tuple[Floats, Floats, Floats]:
    mixed = _linear(w, f"{layer}.attention", _norm(w, f"{layer}.before", x))
    query, key, value = np.split(mixed, 3, axis=-1)
    return query / np.float32(np.sqrt(WIDTH)), key, value


def _residual(w: Weights, layer: str, x: Floats, mixed: Floats) -> Floats:
    x = x + _linear(w, f"{layer}.mix", mixed)
    inner = np.maximum(_linear(w, f"{layer}.inner", _norm(w, f"{layer}.between", x)), 0)
    out: Floats = x + _linear(w, f"{layer}.outer", inner)
    return out


def _head(w: Weights, name: str, x: Floats) -> Floats:
    return _linear(w, f"{name}.outer", np.tanh(_linear(w, f"{name}.inner", x)))


def _linear(w: Weights, name: str, x: Floats) -> Floats:
    # As one matrix: NumPy multiplies a stack of small ones one by one.
    flat = x.reshape(-1, x.shape[-1]) @ w[f"{name}.weight"].T
    flat += w[f"{name}.bias"]
    out: Floats = flat.reshape(*x.shape[:-1], -1)
    return out


def _norm(w: Weights, name: str, x: Floats) -> Floats:
    flat = x.reshape(-1, WIDTH)
    centred = flat - flat @ _MEAN
    centred /= np.sqrt((centred * centred) @ _MEAN + np.float32(1e-5))
    centred *= w[f"{name}.weight"]
    centred += w[f"{name}.bias"]
    out: Floats = centred.reshape(x.shape)
    return out


def _softmax(score: Floats) -> Floats:
    power = np.exp(score - score.max(axis=-1, keepdims=True))
    out: Floats = power / power.sum(axis=-1, keepdims=True)
    return out
