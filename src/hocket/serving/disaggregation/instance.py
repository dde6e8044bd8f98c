"""One kind of instance in DistServe's simulator: what it costs, and what an iteration may hold."""

from __future__ import annotations

from typing import NamedTuple

from hocket.serving.cost.distserve import DistServe

CONTEXT = 50_000
"""The authors' cap on the tokens that one decode iteration reads, whatever the memory."""


class Instance(NamedTuple):
    """Equal instances of a model: `instances` rings of `pp` ranks.

    - `tokens`: most prompt tokens of one iteration; the authors' simulator puts the key-value
      memory here
    - `pack`: prompts are packed together up to so many tokens, L_m in the paper; a longer prompt
      runs alone. None packs up to `tokens`
    - `context`: most tokens that one decode iteration reads
    """

    costs: DistServe
    pp: int = 1
    tokens: int = 10**7
    pack: int | None = None
    context: int = CONTEXT
    instances: int = 1
