"""Iteration times from measured operators, interpolated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod, sqrt
from typing import TYPE_CHECKING, Annotated

import msgspec

from hocket.core.errors import Problem, UnknownName
from hocket.serving import catalogue
from hocket.serving.cost.curve import Curve, Surface
from hocket.serving.cost.network import all_reduce
from hocket.serving.cost.protocol import Cost, Floats

if TYPE_CHECKING:
    from hocket.serving.model.cluster import Pool

Positive = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Axis = tuple[int, ...]
Times = tuple[float, ...]


class Table(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="table",
):
    """Operator times of one model on one GPU, measured on a grid; `load_profile` reads them.

    All times are in microseconds. Between grid points they are linear in every variable, beyond
    the last they go on as between the last two. All-reduces are added for a `tp` above 1 as in
    `Roofline`, because profilers measure one GPU.

    - `profile`: what was measured, for people; `model_name` and `tp`: the model and the
      tensor-parallel degree that it holds for; `layers`: how many layers the model has
    - `layer`: one layer but attention, for the numbers of tokens in `tokens`; `once`: what runs
      once per iteration for them
    - `sampling`: head and sampler, for the numbers of requests in `samples`
    - `decode`: attention of one layer for n requests (`decodes`) of c tokens each (`contexts`), the
      last varying fastest
    - `prompt`: attention of one layer for a chunk (`chunks`) after other tokens (`befores`)
    - `mixed`: attention of one layer for both together, by chunk, tokens before it, n and c over
      ``mixed_decodes`` and ``mixed_contexts``. Without it the two are added
    - `overhead`: seconds per iteration in which the GPU waits for the host. None is needed where
      the host prepares the next iteration meanwhile (vLLM since V1 schedules asynchronously)

    Attention of n requests with contexts of different length counts as n of the mean length, and
    of several chunks c_i after b_i tokens as one chunk of sqrt(sum c_i^2) tokens (as in Vidur:
    Agrawal et al., MLSys 2024, section 4.3) after sum(c_i b_i) / sqrt(sum c_i^2), which has as many
    pairs of tokens. What unequal contexts cost beyond that is not seen: the longest keeps its share
    of the GPU busy when the others are done. A chunk longer than all measured ones counts as
    several, one after another.
    """

    profile: str = ""
    model_name: str
    tp: Positive = 1
    layers: Positive
    tokens: Axis
    layer: Times
    once: Times
    samples: Axis
    sampling: Times
    decodes: Axis
    contexts: Axis
    decode: Times
    chunks: Axis
    befores: Axis
    prompt: Times
    mixed_decodes: Axis = ()
    mixed_contexts: Axis = ()
    mixed: Times = ()
    overhead: NotNegative = 0.0

    def problems(self, path: str, pool: Pool) -> Iterator[Problem]:
        """What is wrong with it for this pool; `path` leads to it."""
        for name, values, axes in self._grids():
            yield from _grid_problems(f"{path}.{name}", values, axes)
        if pool.tp != self.tp:
            message = f"measured at tp {self.tp}, not at {pool.tp} as the pool asks"
            yield Problem(f"{path}.tp", message)
        try:
            here, there = catalogue.model(pool.model), catalogue.model(self.model_name)
        except UnknownName:
            return  # the pool's name is memory's task, and a profile may be of an unknown model
        if _shape(here) != _shape(there):
            message = f"measured for {self.model_name}, not for {pool.model} as the pool asks"
            yield Problem(f"{path}.model_name", message)

    def model(self, pool: Pool) -> Cost:
        """The cost model of one replica of `pool`: a stage takes its share of the layers."""
        return _Table(self, pool)

    def _grids(self) -> Iterator[tuple[str, Times, tuple[tuple[str, Axis], ...]]]:
        tokens, samples = ("tokens", self.tokens), ("samples", self.samples)
        chunks, befores = ("chunks", self.chunks), ("befores", self.befores)
        yield "layer", self.layer, (tokens,)
        yield "once", self.once, (tokens,)
        yield "sampling", self.sampling, (samples,)
        yield "decode", self.decode, (("decodes", self.decodes), ("contexts", self.contexts))
        yield "prompt", self.prompt, (chunks, befores)
        if self.mixed:
            decodes = ("mixed_decodes", self.mixed_decodes)
            contexts = ("mixed_contexts", self.mixed_contexts)
            yield "mixed", self.mixed, (chunks, befores, decodes, contexts)


class _Table:
    """One stage, in seconds."""

    def __init__(self, config: Table, pool: Pool) -> None:
        layer, once = config.layers / pool.pp * 1e-6, 1e-6 / pool.pp
        dense = [a * layer + b * once for a, b in zip(config.layer, config.once, strict=True)]
        each, per_token = all_reduce(pool)
        dense = [x + each + t * per_token for t, x in zip(config.tokens, dense, strict=True)]
        self._dense = Curve(config.tokens, dense)
        self._sample = Curve(config.samples, [x * once for x in config.sampling])
        self._decode = Surface((config.decodes, config.contexts), config.decode, layer)
        self._prompt = Surface((config.chunks, config.befores), config.prompt, layer)
        self._longest = config.chunks[-1]
        self._mixed: Surface | None = None
        if config.mixed:
            axes = (config.chunks, config.befores, config.mixed_decodes, config.mixed_contexts)
            self._mixed = Surface(axes, config.mixed, layer)
        self._overhead = config.overhead
        self._curves: dict[int, Curve] = {}

    def iteration(self, prefill: Sequence[tuple[int, int]], decodes: int, context: int) -> float:
        if not prefill:
            return self.decode(decodes, context)
        tokens, squares, before = 0, 0, 0.0
        for chunk, earlier in prefill:
            tokens += chunk
            squares += chunk * chunk
            before += chunk * earlier
        one = sqrt(squares)
        before /= one
        seconds = self._overhead + self._dense(tokens + decodes)
        seconds += self._sample(decodes + len(prefill))
        while one > self._longest:  # one part after another: attention is quadratic, no line
            seconds += self._prompt((self._longest, before))
            before += self._longest
            one -= self._longest
        if not decodes:
            return seconds + self._prompt((one, before))
        mean = context / decodes
        if self._mixed is not None:
            return seconds + self._mixed((one, before, decodes, mean))
        return seconds + self._prompt((one, before)) + self._decode((decodes, mean))

    def decode(self, decodes: int, context: int) -> float:
        curve = self._curves.get(decodes)
        if curve is None:
            curve = self._curve(decodes)
        return curve(context)

    def decode_run(self, decodes: int, context: int, steps: int) -> Floats:
        curve = self._curves.get(decodes) or self._curve(decodes)
        return curve.run(context, decodes, steps)

    def _curve(self, decodes: int) -> Curve:
        """Seconds of a decode of so many requests, over the sum of their contexts."""
        rest = self._overhead + self._dense(decodes) + self._sample(decodes)
        axis = self._decode.axes[1]
        seconds = [rest + self._decode((decodes, mean)) for mean in axis]
        curve = self._curves[decodes] = Curve([mean * decodes for mean in axis], seconds)
        return curve


def _shape(model: catalogue.Model) -> tuple[object, ...]:
    return model.layers, model.hidden, model.heads, model.kv_heads, model.intermediate, model.vocab


def _grid_problems(
    path: str, values: Times, axes: tuple[tuple[str, Axis], ...]
) -> Iterator[Problem]:
    for name, axis in axes:
        if not axis or any(a >= b for a, b in pairwise(axis)) or axis[0] < 0:
            where = f"{path.rpartition('.')[0]}.{name}"
            yield Problem(where, "must have values that rise, none below 0")
    expected = prod(len(axis) for _, axis in axes)
    if len(values) != expected:
        shape = " x ".join(name for name, _ in axes)
        yield Problem(path, f"has {len(values)} times instead of {expected} ({shape})")
    elif any(x < 0 for x in values):
        yield Problem(path, "has negative times")
