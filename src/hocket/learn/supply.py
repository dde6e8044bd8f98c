"""Where the episodes of a training come from: scenarios with fresh seeds, and fresh scenarios."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from hocket.core.domain import Generator
from hocket.core.errors import UserError
from hocket.core.run import require_applicable
from hocket.core.scenario import Scenario
from hocket.core.streams import Streams
from hocket.learn.asking import Episode, Learned

Source = Scenario | Generator

VALIDATION_SEEDS = 2**31
TRAINING_SEEDS = 2**32
"""Training with seed s draws episode n with the seed ``(s + 1) * 2**32 + n``, validation with
``2**31 + n``. So the seeds 0, 1, 2 ... that everybody evaluates with are never seen before."""


class Supply:
    """Fresh episodes, from each source in turn."""

    def __init__(self, policy: Learned, sources: Sequence[Source], seed: int = 0) -> None:
        """Raises UserError without a source, NotApplicable if the policy is not made for one."""
        if not sources:
            raise UserError("nothing to learn from: give a scenario or a generator")
        self._first = (Streams(seed).seed + 1) * TRAINING_SEEDS
        Streams(self._first)  # refuses what is too large for a seed
        self._policy, self._sources = policy, list(sources)
        self.drawn = 0
        self.progress = 0.0
        for source in sources:
            require_applicable(_scenario(source, VALIDATION_SEEDS), policy)

    def draw(self, count: int) -> list[Episode]:
        """The next `count` episodes, on the scenarios of this stage of the policy's curriculum."""
        found = []
        for number in range(self.drawn, self.drawn + count):
            seed = self._first + number
            scenario = _scenario(self._sources[number % len(self._sources)], seed)
            found.append(Episode(self._policy.curriculum(scenario, self.progress), seed))
        self.drawn += count
        return found


def fixed(sources: Sequence[Source], count: int) -> list[Episode]:
    """`count` episodes to validate on, always the same, from each source in turn."""
    seeds = range(VALIDATION_SEEDS, VALIDATION_SEEDS + count)
    return [
        Episode(_scenario(sources[i % len(sources)], seed), seed) for i, seed in enumerate(seeds)
    ]


def described(source: Source) -> dict[str, Any]:
    """A source in a few words, and the digest that tells it from others."""
    data = msgspec.json.encode(source, order="deterministic")
    digest = hashlib.sha256(data).hexdigest()[:24]
    if not isinstance(source, Generator):
        return {"scenario": source.name, "digest": digest}
    return {"generator": source.name, "fields": msgspec.to_builtins(source)}


def _scenario(source: Source, seed: int) -> Scenario:
    return source.make(seed) if isinstance(source, Generator) else source
