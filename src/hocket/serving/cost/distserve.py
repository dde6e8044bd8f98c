"""The fitted iteration times of DistServe.

Zhong et al., "DistServe: Disaggregating Prefill and Decoding for Goodput-optimized Large Language
Model Serving", OSDI 2024, appendix A gives the form; the artifact's ``profile_data`` the
coefficients, for A100-80GB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from hocket.core import files, structured
from hocket.core.errors import InputError, Problem, UnknownName
from hocket.serving.cost import growing
from hocket.serving.cost.protocol import Cost, Floats

if TYPE_CHECKING:
    from hocket.serving.model.cluster import Pool

Triple = tuple[float, float, float]


class DistServe(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="distserve",
):
    """Milliseconds of prefill: a + b sum(l) + c sum(l^2); of decode: a + b sum(context + 1) + c n.

    - `prefill`: (a, b, c) over the prompts' lengths l; a chunk after others counts with the
      difference of the squares
    - `small`, `large`: (a, b, c) of decode for fewer than `threshold` requests, and for others
    - `stage`: milliseconds times pp that each pipeline stage adds to prefill; `first` and
      `first_per_token`: what the first stage adds to every iteration, once and per token

    A stage takes 1/pp of a form; the first one, which the others wait for, is what counts. An
    iteration with prompts and decodes, which DistServe's own engine never has, takes both.
    """

    prefill: Triple
    small: Triple
    large: Triple
    threshold: Annotated[int, msgspec.Meta(ge=1)] = 95
    stage: float = 1.0
    first: float = 2.0
    first_per_token: float = 1e-4

    def problems(self, path: str, pool: Pool) -> Iterator[Problem]:
        """What is wrong with it; `path` leads to it."""
        for name, (constant, per_token, _) in (
            ("prefill", self.prefill),
            ("small", self.small),
            ("large", self.large),
        ):
            if constant < 0 or per_token < 0:
                message = "the constant and the part per token must not be negative"
                yield Problem(f"{path}.{name}", message)

    def model(self, pool: Pool) -> Cost:
        """The cost model of one replica of `pool`."""
        return _DistServe(self, pool.pp)


class _DistServe:
    """Coefficients in seconds per stage; memory's part of the first stage joined with b."""

    def __init__(self, config: DistServe, pp: int) -> None:
        a, b, c = (x / pp / 1e3 for x in config.prefill)
        first, per_token = config.first / 1e3, config.first_per_token / 1e3
        self._prompt = (a + config.stage * pp / 1e3 + first, b + per_token, c)
        self._small = self._decode_part(config.small, pp, first, per_token)
        self._large = self._decode_part(config.large, pp, first, per_token)
        self._threshold = config.threshold
        self._first = first

    @staticmethod
    def _decode_part(triple: Triple, pp: int, first: float, per_token: float) -> Triple:
        a, b, c = (x / pp / 1e3 for x in triple)
        return a + first, c + b, b + per_token

    def iteration(self, prefill: Sequence[tuple[int, int]], decodes: int, context: int) -> float:
        if not prefill:
            return self.decode(decodes, context)
        a, b, c = self._prompt
        tokens = squares = 0
        for chunk, before in prefill:
            tokens += chunk
            squares += (before + chunk) ** 2 - before**2
        prompt = a + tokens * b + squares * c
        if decodes:
            prompt += self.decode(decodes, context) - self._first
        return prompt

    def decode(self, decodes: int, context: int) -> float:
        a, each, read = self._small if decodes < self._threshold else self._large
        return a + decodes * each + context * read

    def decode_run(self, decodes: int, context: int, steps: int) -> Floats:
        a, each, read = self._small if decodes < self._threshold else self._large
        at = growing.contexts(context, decodes, steps)
        return a + decodes * each + at * read


def load(path: str | Path, model: str, tp: int) -> DistServe:
    """The coefficients of a model at a tensor-parallel degree from a JSON file of the artifact.

    The file is ``profiler-a100-80g.<engine>.json`` of ``simdistserve/estimators/profile_data``; its
    `model` is like ``facebook/opt-13b``. Raises InputError and UnknownName.
    """
    source = files.display(path)
    data = structured.parse(files.text(path), "json", source)
    try:
        found: dict[str, Any] = _entry(_entry(data, "model", model), "degree tp of " + model, tp)
        return DistServe(
            prefill=_triple(found["prefill"]),
            small=_triple(found["decoding_smallbs"]),
            large=_triple(found["decoding_largebs"]),
            threshold=int(found["decoding_large_small_bs_threshold"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        message = f"no coefficients of DistServe: {type(error).__name__} {error}"
        raise InputError(source, [message]) from error


def _entry(data: Any, what: str, key: object) -> Any:
    if not isinstance(data, dict):
        raise TypeError(f"expected {what}s with values")
    if str(key) not in data:
        raise UnknownName(what, str(key), data)
    return data[str(key)]


def _triple(values: Any) -> Triple:
    a, b, c = (float(value) for value in values)
    return a, b, c
