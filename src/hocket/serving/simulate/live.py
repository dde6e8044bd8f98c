"""One request inside the simulator."""

from __future__ import annotations

from typing import Any, NamedTuple

from hocket.serving.roles.batching import Request
from hocket.serving.simulate.blocks import Unit

NEVER = -1


class Live:
    """What the world knows of a request, also what schedulers must not: its `target` length.

    While it decodes in an aggregate, `computed` and `generated` are those at joining; replicas
    settle them when it leaves.

    - `target`: tokens of its answer, after cutting at its limit and at the longest context
    - `expected`: tokens that its sender expects the answer to have, 0 if unknown
    - `hashes`: prefix ids of its prompt
    - `held`: blocks of its own that it occupies on the replica, as far as they do not follow from
      `computed`
    - `units`: units of the prefix cache that it uses, in order
    - `own_units`: further ones behind them that only it can ever use, as `Holding.own_units`
    - `keeps`: whether all its full units have content, those that follow from `computed` included
    - `leaving`: which cancellation of the run takes it away, 0 for none
    - `enqueued`: when it entered its present queue; `order`: its admission number there
    - `why`: what refused it first since then
    - `first_token`, `last_token`: ticks of its first and latest token, -1 before
    - `longest_gap`: most ticks between two of its tokens
    - `started`: when its present span of work began; `done`: tokens computed in it
    - `source`: the replica that holds its memory while it waits elsewhere to be decoded
    """

    __slots__ = (
        "arrival",
        "computed",
        "done",
        "enqueued",
        "epoch",
        "expected",
        "first_gap",
        "first_token",
        "generated",
        "group",
        "hashes",
        "held",
        "id",
        "index",
        "joined",
        "keeps",
        "killed",
        "last_token",
        "leaving",
        "limit",
        "longest_gap",
        "order",
        "own_units",
        "preemptions",
        "priority",
        "prompt",
        "source",
        "started",
        "target",
        "tenant",
        "units",
        "why",
    )

    def __init__(
        self,
        index: int,
        name: str,
        arrival: int,
        prompt: int,
        target: int,
        limit: int,
        priority: int = 0,
        tenant: str = "",
        hashes: tuple[int, ...] = (),
        expected: int = 0,
    ) -> None:
        self.index, self.id, self.arrival = index, name, arrival
        self.prompt, self.target, self.limit = prompt, target, limit
        self.priority, self.tenant, self.hashes = priority, tenant, hashes
        self.expected, self.leaving = expected, 0
        self.generated = self.computed = self.preemptions = 0
        self.held = self.done = self.order = 0
        self.units: tuple[Unit, ...] = ()
        self.own_units, self.keeps = 0, False
        self.why = ""
        self.enqueued = self.started = arrival
        self.first_token = self.last_token = NEVER
        self.longest_gap = 0
        self.killed = NEVER  # when it was last preempted
        self.source: Any = None
        self.group: Any = None  # the micro-batch that it belongs to, None while it waits
        self.joined = 0  # decode iterations of its micro-batch when it joined it
        self.epoch = 0  # how often it joined or left one
        self.first_gap = False  # whether it noted the gap after its first token there itself

    @property
    def total(self) -> int:
        """Tokens that must be in memory before its next token comes."""
        return self.prompt + self.generated

    def request(self, computed: int, generated: int, cached: int = 0) -> Request:
        """What a scheduler may know of it."""
        return Request(
            self.id,
            self.arrival,
            self.prompt,
            computed,
            generated,
            cached,
            self.limit,
            self.priority,
            self.tenant,
            self.preemptions,
            self.expected,
        )

    def hold(self, holding: Holding) -> None:
        """Have this memory from now on."""
        self.held, self.units, self.own_units = holding.blocks, holding.units, holding.own_units

    def __repr__(self) -> str:
        return f"Live({self.id}, {self.computed} of {self.total} + {self.target - self.generated})"


class Holding(NamedTuple):
    """Memory of a request that is not in a batch.

    - `blocks`: those of its own
    - `units`: units of the prefix cache that it uses
    - `own_units`: how many units of its own blocks have content that only `owner` can use again,
      where these are not among `units`
    """

    blocks: int
    units: tuple[Unit, ...] = ()
    own_units: int = 0
    owner: int = -1
