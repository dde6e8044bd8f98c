"""From prefill to decode: a decode replica pulls keys and values when it has room for them.

Until then the memory of the prefill replica holds them (Zhong et al., "DistServe", OSDI 2024,
section 4.3). A replica sends one request at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hocket.core.kernel import Event, Phase
from hocket.serving import memory
from hocket.serving.simulate.live import Holding, Live
from hocket.serving.simulate.world import Replica

if TYPE_CHECKING:
    from hocket.serving.simulate.cluster import World


class Transfer(NamedTuple):
    """A request whose memory is on its way."""

    live: Live
    source: Replica
    holding: Holding
    destination: Replica
    asked: int
    event: Event


class Handover:
    """The transfers under way."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._transfers: dict[int, Transfer] = {}
        self._free: dict[str, int] = {}  # when a replica's link is free to send

    def pull(self, live: Live, destination: Replica) -> None:
        """The destination has room: begin, or queue behind what the source sends already."""
        kernel, link = self.world.kernel, self.world.scenario.link
        source, holding = live.source
        size = -(-live.computed // source.pool.block_size) * memory.block_bytes(source.pool)
        ticks = round(size / (link.bandwidth * 1e9) * self.world.ticks_per_second) + link.latency
        begun = max(kernel.now, self._free.get(source.name, 0))
        self._free[source.name] = end = begun + max(1, ticks)
        event = kernel.at(end, self._arrived, live.index, begun, phase=Phase.WAKE)
        self._transfers[live.index] = Transfer(
            live, source, holding, destination, kernel.now, event
        )

    def _arrived(self, index: int, begun: int) -> None:
        live, source, holding, destination, _, _ = self._transfers.pop(index)
        now = self.world.kernel.now
        self.world.timeline.span("transfer", source.name, live.id, destination.name, begun, now)
        source.let_go(holding)
        live.source = None  # its memory is here, and lost if this replica fails
        destination.attach(live)

    def failed(self, replica: Replica) -> None:
        """A replica has died: what it held for others has to be computed again."""
        for index, transfer in list(self._transfers.items()):
            if transfer.source is replica:
                transfer.event.cancel()
                del self._transfers[index]
                transfer.destination.requeue(transfer.live)
            elif transfer.destination is replica:
                transfer.event.cancel()  # the source still has it: another one may pull
                del self._transfers[index]
        for member in self.world.members.values():
            if member.replica is replica or not member.up:
                continue
            for live in member.replica.waiting():
                if live.source is not None and live.source[0] is replica:
                    live.source, live.computed = None, 0
