"""Iteration times as a linear form of what is in them: a fit of a handful of coefficients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec

from hocket.core.errors import Problem
from hocket.serving.cost import growing
from hocket.serving.cost.protocol import Cost, Floats

if TYPE_CHECKING:
    from hocket.serving.model.cluster import Pool

NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class Regime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The decode part of `Linear` for large batches; from `decodes` requests on."""

    decodes: Annotated[int, msgspec.Meta(ge=1)]
    base: NotNegative
    per_decode: NotNegative
    per_context: NotNegative


class Linear(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="linear",
):
    """Seconds = base + per_token P + per_pair Q + per_decode D + per_context C.

    P are the prompt tokens of the iteration, Q the pairs of a token and one it attends to, for a
    chunk of c tokens after b others c (b + c/2), D the requests that decode and C the tokens that
    these have in memory.

    - `large`: other coefficients in place of base, per_decode and per_context from a number of
      decodes on: where batches stop being bound by reading weights
    """

    base: NotNegative
    per_token: NotNegative = 0.0
    per_pair: NotNegative = 0.0
    per_decode: NotNegative = 0.0
    per_context: NotNegative = 0.0
    large: Regime | None = None

    def problems(self, path: str, pool: Pool) -> Iterator[Problem]:
        """What is wrong with it; `path` leads to it."""
        if self.base == 0 and (self.per_decode == 0 or self.per_token == 0):
            yield Problem(path, "some iterations would take no time: base is 0")

    def model(self, pool: Pool) -> Cost:
        """The cost model of one replica of `pool`: the seconds are those of a stage."""
        return _Linear(self)


class _Linear:
    def __init__(self, config: Linear) -> None:
        large = config.large
        self._threshold = large.decodes if large else 2**62
        small = (config.base, config.per_decode, config.per_context)
        self._small = small
        self._large = (large.base, large.per_decode, large.per_context) if large else small
        self._per_token, self._per_pair = config.per_token, config.per_pair

    def iteration(self, prefill: Sequence[tuple[int, int]], decodes: int, context: int) -> float:
        tokens, pairs = 0, 0.0
        for chunk, before in prefill:
            tokens += chunk
            pairs += chunk * (before + 0.5 * chunk)
        decode = self.decode(decodes, context)
        return decode + (tokens * self._per_token + pairs * self._per_pair)

    def decode(self, decodes: int, context: int) -> float:
        base, each, read = self._small if decodes < self._threshold else self._large
        return base + decodes * each + context * read

    def decode_run(self, decodes: int, context: int, steps: int) -> Floats:
        base, each, read = self._small if decodes < self._threshold else self._large
        at = growing.contexts(context, decodes, steps)
        return base + decodes * each + at * read
