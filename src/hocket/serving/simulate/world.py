"""What a replica needs of the world around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from hocket.core.kernel import Kernel
from hocket.core.timeline import Timeline
from hocket.serving.roles.batching import Batcher
from hocket.serving.roles.cluster import Load
from hocket.serving.simulate.live import Holding, Live

if TYPE_CHECKING:
    from collections.abc import Callable

    from hocket.serving.model.cluster import Pool


class World(Protocol):
    """The cluster as its replicas see it."""

    kernel: Kernel
    timeline: Timeline
    ticks_per_second: float
    policy: str  # its name, for errors
    prefix_block: int  # tokens per prefix id of the workload, 0 if it has none

    def first_token(self, live: Live, replica: Replica) -> None:
        """A prompt is complete on a prefill replica: the request goes elsewhere to be decoded.

        ``live.source`` is the replica and the `Holding` that it keeps until `let_go`.
        """

    def finished(self, live: Live, replica: Replica) -> None:
        """A request has all its tokens and has left the replica."""

    def cancelled(self, live: Live, replica: Replica) -> None:
        """A request whose client has gone has left the replica."""

    def reported(self, replica: Replica) -> None:
        """An iteration begins here; not called unless `counts_reports`."""

    counts_reports: bool

    def pull(self, live: Live, replica: Replica) -> None:
        """A request was admitted here whose memory is elsewhere; `attach` it when it has come."""

    def migrated(self, live: Live, source: Replica, destination: Replica) -> None:
        """A live migration is complete: the destination answers for the request now."""


class Replica(Protocol):
    """What the world needs of a replica; `fast` and `plain` are two of them.

    `at_boundary`, `reserve`, `load` and `copies` are for phases ARRIVE and WAKE, in which every
    iteration that ends at the instant has ended and none that begins at it has begun.
    """

    name: str
    pool: Pool
    batcher: Batcher
    iterations: int
    busy: int
    gone: bool

    def enqueue(self, live: Live) -> None:
        """A request enters the queue."""

    def load(self, draining: bool, migrating: bool, sent: int) -> Load:
        """The report as of the latest composition, with what only the world knows."""

    def cached(self, live: Live) -> int:
        """Tokens of the prompt that the prefix cache would spare."""

    def at_boundary(self, action: Callable[[], Any]) -> None:
        """Call when the iteration under way has ended and before the next; at once if none is."""

    def reserve(self, blocks: int) -> bool:
        """Take memory for what is to come; False if there is not enough."""

    def release(self, blocks: int) -> None:
        """Give back what `reserve` took."""

    def detach(self, live: Live) -> Holding:
        """A decoding request leaves the batch, at a boundary; its memory stays."""

    def let_go(self, holding: Holding) -> None:
        """Free the memory of a request that has left."""

    def attach(self, live: Live) -> None:
        """A request with memory reserved for it joins the decodes from the next composition on."""

    def decoding(self, live: Live) -> bool:
        """Whether the request is in a batch here, decoding."""

    def requeue(self, live: Live) -> None:
        """A request that was admitted lost its memory elsewhere: to be computed again."""

    def fail(self) -> list[Live]:
        """Stop at once, empty everything; the requests, those running first, in order."""

    def cancel(self, live: Live) -> None:
        """The client of a request has gone, which is marked as `leaving`: it leaves.

        At once if it waits; if it runs, at the end of its iteration, unless it finishes with that;
        if its memory is on its way, when it has come. The world hears of it by `cancelled`.
        """

    def copies(self, change: int) -> None:
        """A copy in or out begins (+1) or ends (-1)."""

    def blocks_of(self, live: Live) -> int:
        """Blocks that the tokens of a running request fill, at a boundary."""

    def waiting(self) -> list[Live]:
        """The queue, in order."""

    def view(self) -> Any:
        """A ReplicaView of the present, at a boundary."""

    def sample(self) -> dict[str, int]:
        """The gauges, as of the iteration under way."""

    def close(self) -> None:
        """Write the tallies; the run is over."""

    @property
    def empty(self) -> bool:
        """Whether it has nothing to do and holds nothing."""
