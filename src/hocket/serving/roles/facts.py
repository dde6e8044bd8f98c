"""What a policy may know of the system that it will decide for, before the first question.

The same facts whether that system is simulated or real, so that a policy cannot tell which; what a
real system does not reveal, such as how long answers will be, is None there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from hocket.serving.cost.protocol import Cost
from hocket.serving.roles.cluster import Role


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """What users were promised, in seconds; None where nothing was.

    `ttft`: to the first token; `tpot`: mean per further token; `gap`: the longest between two
    tokens; `e2e`: to the last token.
    """

    ttft: float | None = None
    tpot: float | None = None
    gap: float | None = None
    e2e: float | None = None


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """One engine, of which a batcher composes the iterations.

    - `name`: of the replica; `role`: whether it prefills, decodes, or both
    - `block_size`: tokens per block of memory; `blocks`: how many there are
    - `max_context`: most tokens of prompt and answer together
    - `stages`: stages of the pipeline
    - `second`: ticks per second of the times in views
    - `targets`: what users were promised
    - `cost`: what iterations cost; None where nothing has been calibrated
    - `lengths`: gives the true length of every answer by the request's id; None where nobody
      knows, as in every real engine
    """

    name: str = "replica"
    role: Role = "both"
    block_size: int = 16
    blocks: int = 1
    max_context: int = 2**31
    stages: int = 1
    second: float = 1e6
    targets: Targets = Targets()
    cost: Cost | None = None
    lengths: Callable[[], Mapping[str, int]] | None = None


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """A front end with its replicas.

    - `second`: ticks per second of the times in views
    - `models`: what the replicas of each pool run, for whom; requests can move among equal ones
    """

    second: float = 1e6
    models: Mapping[str, str] = {}
