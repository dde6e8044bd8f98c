"""The generated traces of Llumnix, number for number."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
import numpy as np

from hocket.core.disturb.checks import Floats
from hocket.core.errors import Problem
from hocket.core.scenario import TimeUnit
from hocket.core.streams import Streams
from hocket.serving.model.requests import Ints, Requests, requests
from hocket.serving.workload.arrivals import PerSecond
from hocket.serving.workload.clock import ticks_per_second
from hocket.serving.workload.synthetic import Count

Mean = Literal[128, 256, 512, 1024]

EXPONENTS: dict[int, float] = {128: 2.0, 256: 1.5, 512: 1.15, 1024: 1.0005}
"""The exponent of the Zipf law by mean length; 128, 256, 512 are the paper's Short, Medium, Long"""

LONGEST_LENGTH = 6144
PUBLISHED_SEED = 0xCADE

URGENT = -1
"""The priority of what the paper calls high-priority requests."""


def llumnix_lengths(rng: np.random.RandomState, mean: int, count: int) -> Ints:
    """Lengths of one kind, shape ``(count,)``: a Zipf law stretched to the mean.

    Ranks 1 to ``2 mean - 1`` are drawn by a Zipf law, multiplied by ``mean`` over their own mean,
    rounded up, and cut at 6144 tokens. A legacy generator with the seed 0xCADE yields the lengths
    behind the paper's table of percentiles.
    """
    ranks = np.arange(1, 2 * mean)
    weights = ranks.astype(np.float64) ** -EXPONENTS[mean]
    drawn = rng.choice(ranks, size=count, p=weights / weights.sum())
    stretched: Floats = np.ceil(drawn * (mean / drawn.mean()))
    return np.minimum(stretched, LONGEST_LENGTH).astype(np.int64)


class Llumnix(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="llumnix",
):
    """A generated trace as in Sun et al., Llumnix: Dynamic Scheduling for Large Language Model
    Serving, OSDI 2024, section 6.1, drawn as by the load generator of its artifact.

    - `prompt`, `output`: mean lengths
    - `rate`: requests per second; `cv`: coefficient of variation of the gaps, 1 is Poisson
    - `high`: share of requests of high priority; they have priority -1
    - `seed`: of all that is drawn, so that every run meets the same trace, as in the artifact; None
      draws another trace in every run
    """

    rate: PerSecond
    prompt: Mean = 256
    output: Mean = 256
    count: Count = 10_000
    cv: Annotated[float, msgspec.Meta(ge=1e-3, le=100)] = 1.0
    high: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] | None = PUBLISHED_SEED

    def problems(self, path: str) -> Iterator[Problem]:
        """What is wrong beyond types: nothing can be."""
        yield from ()

    def draw(self, streams: Streams, unit: TimeUnit) -> Requests:
        """The requests of one run."""
        seed = self.seed
        if seed is None:
            seed = int(streams["workload.llumnix"].integers(2**32))
        rng = np.random.RandomState(seed)
        prompt = llumnix_lengths(rng, self.prompt, self.count)
        output = llumnix_lengths(rng, self.output, self.count)
        ticks = self._gaps(rng) * ticks_per_second(unit)
        # The generator sends a request, then sleeps: the first comes at once.
        arrival = np.rint(np.concatenate([[0.0], np.cumsum(ticks)[:-1]]))
        return requests(arrival, prompt, output, priority=self._priorities(seed))

    def _gaps(self, rng: np.random.RandomState) -> Floats:
        """Seconds between requests, shape ``(count,)``."""
        if self.cv == 1:
            return rng.exponential(1 / self.rate, self.count)
        return rng.gamma(1 / self.cv**2, self.cv**2 / self.rate, self.count)

    def _priorities(self, seed: int) -> list[int] | None:
        if not self.high:
            return None
        # The generator draws these from Python's own numbers, of which making up prompts may have
        # taken some before: the share is the artifact's, which requests they are may differ.
        luck = random.Random(seed)
        return [URGENT if luck.random() < self.high else 0 for _ in range(self.count)]
