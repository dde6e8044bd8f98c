"""Iteration times from datasheets alone: every operator takes its compute or its memory time.

The roofline (Williams, Waterman and Patterson, "Roofline: An Insightful Visual Performance Model",
CACM 2009) applied to the operators of a transformer layer: a matrix product of few tokens waits for
its weights to be read, one of many tokens for the arithmetic units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec

from hocket.core.errors import Problem
from hocket.serving import catalogue
from hocket.serving.catalogue.model import Model
from hocket.serving.cost import growing
from hocket.serving.cost.network import EFFICIENCY, SYNC, all_reduce
from hocket.serving.cost.protocol import Cost, Floats

if TYPE_CHECKING:
    from hocket.serving.model.cluster import Pool

Efficiency = Annotated[float, msgspec.Meta(gt=0, le=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class Roofline(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="roofline",
):
    """Seconds of an iteration from the model's shapes and the GPU's datasheet.

    - `compute`: share of the peak arithmetic rate that matrix products reach
    - `attention`: share of the peak that the attention of prompts reaches
    - `memory`: share of the memory bandwidth that reading weights, keys and values reaches
    - `link`: share of the bandwidth between GPUs that all-reduce reaches
    - `tile`: once arithmetic binds, a matrix product costs as much as with its tokens rounded up
      to a multiple of this
    - `overhead`: seconds per iteration in which the GPU waits for the host
    - `launch`: seconds per layer that its small operators take whatever the number of tokens
    - `sync`: seconds that one all-reduce takes however little it sends

    The defaults are round numbers near what measured operators reach. Whole iterations of
    Llama-3.1-8B come out within about a quarter of those put together from operator times on H100,
    L40S, RTX 4090 and RTX PRO 6000. They are shortest where neither bound decides alone, at a few
    hundred tokens: kernels there reach neither.
    """

    compute: Efficiency = 0.8
    attention: Efficiency = 0.5
    memory: Efficiency = 0.85
    link: Efficiency = EFFICIENCY
    tile: Annotated[int, msgspec.Meta(ge=1)] = 128
    overhead: NotNegative = 0.0
    launch: NotNegative = 15e-6
    sync: NotNegative = SYNC

    def problems(self, path: str, pool: Pool) -> Iterator[Problem]:
        """What is wrong with it for this pool, of which there is nothing; `path` leads to it."""
        yield from ()

    def model(self, pool: Pool) -> Cost:
        """The cost model of one replica of `pool`. Raises UnknownName for its model or GPU."""
        return _Roofline(self, pool)


class Product(NamedTuple):
    """A matrix product of all layers of a stage: seconds per token of arithmetic, for reading its
    weights once, and per token for reading and writing activations.
    """

    compute: float
    weights: float
    activations: float


class _Roofline:
    """Coefficients of one stage: `pp` divides the layers, `tp` the matrices of each."""

    def __init__(self, config: Roofline, pool: Pool) -> None:
        model, gpu = catalogue.model(pool.model), catalogue.gpu(pool.gpu)
        self._flops = gpu.tflops * 1e12
        self._bytes = gpu.bandwidth * 1e9 * config.memory
        self._layers = model.layers / pool.pp
        self._tile, self._tp = config.tile, pool.tp
        self._experts, self._active = model.experts, model.active
        rate = self._flops * config.compute
        self._dense = self._attention_products(model, rate)
        self._sparse: list[Product] = []
        if model.experts:
            self._sparse = self._feed_forward(model, rate, model.intermediate)
            self._dense += self._feed_forward(model, rate, model.shared) if model.shared else []
        else:
            self._dense += self._feed_forward(model, rate, model.intermediate)
        head = model.vocab * model.hidden / pool.tp / pool.pp
        self._head_compute = 2 * head / rate
        self._head_read = head * model.dtype_bytes / self._bytes
        self._small = self._elementwise(model)
        heads = model.heads * model.head_dim / pool.tp
        self._pair = self._layers * 4 * heads / (self._flops * config.attention)
        ranks = min(pool.tp, model.kv_heads)
        self._read = model.kv_bytes / pool.pp / ranks / self._bytes
        self._base = config.overhead + self._layers * config.launch
        each, per_token = all_reduce(pool, config.link, config.sync)
        self._base += each
        self._small += per_token
        self._tokens: dict[int, float] = {}
        self._decodes: dict[int, float] = {}

    def iteration(self, prefill: Sequence[tuple[int, int]], decodes: int, context: int) -> float:
        if not prefill:
            return self.decode(decodes, context)
        tokens = decodes
        attention = context * self._read
        for chunk, before in prefill:
            tokens += chunk
            compute = chunk * (before + 0.5 * chunk) * self._pair
            attention += max(compute, (before + chunk) * self._read)
        fixed = self._tokens.get(tokens)
        if fixed is None:
            fixed = self._tokens[tokens] = self._matrices(tokens)
        return fixed + self._head(decodes + len(prefill)) + attention

    def decode(self, decodes: int, context: int) -> float:
        fixed = self._decodes.get(decodes)
        if fixed is None:
            fixed = self._decodes[decodes] = self._matrices(decodes) + self._head(decodes)
        return fixed + context * self._read

    def decode_run(self, decodes: int, context: int, steps: int) -> Floats:
        self.decode(decodes, context)  # puts the share of all but attention in its place
        at = growing.contexts(context, decodes, steps)
        return self._decodes[decodes] + at * self._read

    def _matrices(self, tokens: int) -> float:
        """Seconds of all but attention and head."""
        rounded = -(-tokens // self._tile) * self._tile
        total = self._base + tokens * self._small
        for compute, weights, activations in self._dense:
            total += max(rounded * compute, weights + tokens * activations)
        if self._sparse:
            # Of E experts, n tokens that choose k each at random visit E (1 - (1 - k/E)^n).
            visited = self._experts * (1 - (1 - self._active / self._experts) ** tokens)
            rows = tokens * self._active
            for compute, weights, activations in self._sparse:
                total += max(rows * compute, visited * weights + rows * activations)
        return total

    def _head(self, samples: int) -> float:
        return max(samples * self._head_compute, self._head_read)

    def _attention_products(self, model: Model, rate: float) -> list[Product]:
        heads = model.heads * model.head_dim / self._tp
        keys = 2 * model.kv_heads * model.head_dim / min(self._tp, model.kv_heads)
        return [
            self._product(model, rate, model.hidden, heads + keys),
            self._product(model, rate, heads, model.hidden),
        ]

    def _feed_forward(self, model: Model, rate: float, width: int) -> list[Product]:
        up = (2 if model.gated else 1) * width / self._tp
        return [
            self._product(model, rate, model.hidden, up),
            self._product(model, rate, width / self._tp, model.hidden),
        ]

    def _product(self, model: Model, rate: float, rows: float, columns: float) -> Product:
        size = model.dtype_bytes
        return Product(
            self._layers * 2 * rows * columns / rate,
            self._layers * rows * columns * size / self._bytes,
            self._layers * (rows + columns) * size / self._bytes,
        )

    def _elementwise(self, model: Model) -> float:
        """Seconds per token for norms with residuals (8 x hidden), activation and rotation."""
        width = (model.intermediate * max(1, model.active) + model.shared) / self._tp
        heads = (model.heads + model.kv_heads) * model.head_dim / self._tp
        values = 8 * model.hidden + (3 if model.gated else 2) * width + 2 * heads
        return self._layers * values * model.dtype_bytes / self._bytes
