"""How long prompts and answers are: distributions of token counts.

Every distribution has ``draw(rng, size)``, which returns that many lengths as an int64 array of
shape ``(size,)``, each at least 1 and at most `cap` where that is given: longer ones are cut, as a
front end cuts them, so a cap lowers the mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from hocket.core.errors import Problem
from hocket.core.streams import Streams
from hocket.serving.model.requests import Ints

MOST_TOKENS = 2**31 - 1
"""The longest prompt or answer that a scenario can hold."""

Tokens = Annotated[int, msgspec.Meta(ge=1, le=MOST_TOKENS)]

_P90 = 1.2815515655446004  # the standard normal's 90th percentile


class _Distribution(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    """How a distribution is written in a file: a mapping with its `kind`."""

    def problems(self, path: str) -> Iterator[Problem]:
        """What is wrong beyond types."""
        yield from ()


class Fixed(_Distribution, frozen=True, kw_only=True, tag="fixed"):
    """All of one length."""

    tokens: Tokens

    def draw(self, rng: np.random.Generator, size: int) -> Ints:
        """Lengths, shape ``(size,)``. Draws nothing from `rng`."""
        return np.full(size, self.tokens, dtype=np.int64)


class Uniform(_Distribution, frozen=True, kw_only=True, tag="uniform"):
    """Every length from `low` to `high`, both included, equally often."""

    low: Tokens
    high: Tokens
    cap: Tokens | None = None

    def problems(self, path: str) -> Iterator[Problem]:
        """See _Distribution.problems."""
        if self.low > self.high:
            yield Problem(path, f"low = {self.low} is above high = {self.high}")

    def draw(self, rng: np.random.Generator, size: int) -> Ints:
        """Lengths, shape ``(size,)``."""
        return _capped(rng.integers(self.low, self.high, size, endpoint=True), self.cap)


class Zipf(_Distribution, frozen=True, kw_only=True, tag="zipf"):
    """Length k from 1 to `high` with probability proportional to ``k ** -exponent``."""

    exponent: Annotated[float, msgspec.Meta(ge=0, le=50)]
    high: Annotated[int, msgspec.Meta(ge=1, le=10**7)]
    cap: Tokens | None = None

    def draw(self, rng: np.random.Generator, size: int) -> Ints:
        """Lengths, shape ``(size,)``."""
        below = np.cumsum(np.arange(1, self.high + 1, dtype=np.float64) ** -self.exponent)
        drawn = np.searchsorted(below, rng.random(size) * below[-1], side="right") + 1
        return _capped(np.minimum(drawn, self.high), self.cap)


class LogNormal(_Distribution, frozen=True, kw_only=True, tag="lognormal"):
    """Lognormal lengths, given by the two percentiles that logs are usually described by.

    The mean is ``median * exp(sigma**2 / 2)`` with ``sigma = ln(p90 / median) / 1.2816``.
    """

    median: Annotated[float, msgspec.Meta(ge=1, le=MOST_TOKENS)]
    p90: Annotated[float, msgspec.Meta(ge=1, le=MOST_TOKENS)]
    cap: Tokens | None = None

    @property
    def sigma(self) -> float:
        """The standard deviation of the logarithm."""
        return math.log(self.p90 / self.median) / _P90

    def problems(self, path: str) -> Iterator[Problem]:
        """See _Distribution.problems."""
        if self.p90 < self.median:
            yield Problem(path, f"p90 = {self.p90:g} is below the median, {self.median:g}")

    def draw(self, rng: np.random.Generator, size: int) -> Ints:
        """Lengths, shape ``(size,)``."""
        drawn = rng.lognormal(math.log(self.median), self.sigma, size)
        return _capped(np.rint(np.minimum(drawn, MOST_TOKENS)), self.cap)


class Geometric(_Distribution, frozen=True, kw_only=True, tag="geometric"):
    """Geometric lengths from 1 up, with this mean before any cut: what has no memory."""

    mean: Annotated[float, msgspec.Meta(ge=1, le=MOST_TOKENS)]
    cap: Tokens | None = None

    def draw(self, rng: np.random.Generator, size: int) -> Ints:
        """Lengths, shape ``(size,)``."""
        return _capped(rng.geometric(1 / self.mean, size), self.cap)


class Empirical(_Distribution, frozen=True, kw_only=True, tag="empirical"):
    """Lengths seen elsewhere, drawn with replacement."""

    values: tuple[Tokens, ...]
    cap: Tokens | None = None

    def problems(self, path: str) -> Iterator[Problem]:
        """See _Distribution.problems."""
        if not self.values:
            yield Problem(f"{path}.values", "must hold at least one length")

    def draw(self, rng: np.random.Generator, size: int) -> Ints:
        """Lengths, shape ``(size,)``."""
        drawn = rng.integers(0, len(self.values), size)
        return _capped(np.array(self.values, dtype=np.int64)[drawn], self.cap)


Distribution: TypeAlias = Fixed | Uniform | Zipf | LogNormal | Geometric | Empirical
"""Any distribution of one length, as the type of a scenario's field."""


class Separate(_Distribution, frozen=True, kw_only=True, tag="separate"):
    """Prompts and answers whose lengths have nothing to do with each other."""

    prompt: Distribution
    output: Distribution

    def problems(self, path: str) -> Iterator[Problem]:
        """See _Distribution.problems."""
        yield from self.prompt.problems(f"{path}.prompt")
        yield from self.output.problems(f"{path}.output")

    def draw_pairs(self, streams: Streams, size: int) -> tuple[Ints, Ints]:
        """Prompts and outputs, each of shape ``(size,)``."""
        prompt = self.prompt.draw(streams["workload.prompt"], size)
        return prompt, self.output.draw(streams["workload.output"], size)


class Pairs(_Distribution, frozen=True, kw_only=True, tag="pairs"):
    """Prompts and answers seen together, drawn together with replacement.

    Row i is ``prompt[i], output[i]``: keeping rows whole keeps what long prompts have to do with
    long answers.
    """

    prompt: tuple[Tokens, ...]
    output: tuple[Tokens, ...]
    prompt_cap: Tokens | None = None
    output_cap: Tokens | None = None

    def problems(self, path: str) -> Iterator[Problem]:
        """See _Distribution.problems."""
        if not self.prompt:
            yield Problem(f"{path}.prompt", "must hold at least one length")
        if len(self.prompt) != len(self.output):
            yield Problem(path, f"{len(self.prompt)} prompts but {len(self.output)} outputs")

    def draw_pairs(self, streams: Streams, size: int) -> tuple[Ints, Ints]:
        """Prompts and outputs, each of shape ``(size,)``."""
        rows = streams["workload.pairs"].integers(0, len(self.prompt), size)
        prompt = np.array(self.prompt, dtype=np.int64)[rows]
        output = np.array(self.output, dtype=np.int64)[rows]
        return _capped(prompt, self.prompt_cap), _capped(output, self.output_cap)


Lengths: TypeAlias = Separate | Pairs
"""Lengths of prompts and answers, as the type of a scenario's field."""


DIST_1 = Separate(prompt=Uniform(low=32, high=4096), output=Uniform(low=2048, high=4096))
"""Decode-heavy lengths of Gong et al., Past-Future Scheduler for LLM Serving under SLA Guarantees,
ASPLOS 2025, its Distribution-1."""

DIST_2 = Separate(prompt=Uniform(low=3000, high=5000), output=Uniform(low=3000, high=5000))
"""Balanced lengths of the same paper, its Distribution-2."""

DIST_3 = Separate(prompt=Uniform(low=2048, high=4096), output=Uniform(low=32, high=4096))
"""Prefill-heavy lengths of the same paper, its Distribution-3."""


def _capped(lengths: npt.NDArray[Any], cap: int | None) -> Ints:
    cut: npt.NDArray[Any] = np.clip(lengths, 1, MOST_TOKENS if cap is None else cap)
    return cut.astype(np.int64)
