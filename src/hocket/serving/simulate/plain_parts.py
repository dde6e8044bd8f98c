"""What the plain replica is made of: iterations, micro-batches, and what policies see of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from hocket.serving.roles.batching import Request
from hocket.serving.simulate.live import Live


@dataclass
class Step:
    """One iteration: who gets a token, and whose prompt gets how many of the budget."""

    decodes: list[Live] = field(default_factory=list)
    chunks: list[tuple[Live, int]] = field(default_factory=list)
    preempted: bool = False
    ousted: bool = False  # for one that waited
    over: bool = False  # somebody gave way to itself: nobody behind it gets anything

    @property
    def tokens(self) -> int:
        """Tokens of the budget that are used up."""
        return len(self.decodes) + sum(tokens for _, tokens in self.chunks)

    def withdraw(self, live: Live) -> None:
        """Take a request out again."""
        self.decodes = [other for other in self.decodes if other is not live]
        self.chunks = [chunk for chunk in self.chunks if chunk[0] is not live]


@dataclass(eq=False)
class Batch:
    """A micro-batch; without pipeline parallelism the only one.

    `running` is in order of admission, `step` the iteration under way. `since` counts iterations
    with decodes since the queue was last looked at, for ``limits.every``; `prompted` is whether the
    latest had prompt tokens.
    """

    number: int
    running: list[Live] = field(default_factory=list)
    step: Step | None = None
    idle_since: int = 0
    since: int = 0
    prompted: bool = False


@dataclass(frozen=True)
class PlainView:
    """See roles.batching.ReplicaView."""

    now: int
    iteration: int
    block_size: int
    blocks: int
    free: int
    running: tuple[Request, ...]
    waiting: tuple[Request, ...]
