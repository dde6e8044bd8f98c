"""Live migration: a request changes its replica while it goes on decoding.

What Llumnix does (Sun et al., OSDI 2024, section 4.2), as a state machine per migration:

1. At the end of an iteration the source chooses a request that decodes. The blocks that are full
   cannot change any more: the destination reserves as many, and they are copied while the request
   goes on.
2. When they have arrived, the blocks that were written meanwhile are copied in the next stage, and
   so on; each stage is shorter than the one before.
3. When few are left, the request leaves the batch at the end of an iteration, the destination
   reserves the rest, the last blocks are copied, and the request joins the batch there. Only this
   stage keeps it from decoding: the downtime does not depend on its length.

Whatever goes wrong leaves the request where it was, and no memory taken elsewhere:

- it finishes or is preempted on the source between two stages: the destination frees what it holds
- the destination lacks memory: nothing has changed, the request goes on at the source
- the destination lacks memory for the last blocks: the request joins the batch of the source again
- too much is left after the last stage allowed: as before, the request goes on at the source
- the source dies: the destination frees the reservation when it has heard nothing for `watchdog`
  ticks; the request is lost with the source
- the destination dies: the request goes on, or joins again, at the source

A replica is in one migration at a time. Each leaves a span (lane source, group request, name
destination): ``migrate``, whose reason says why it was ordered and what was copied, or ``aborted``,
whose reason says what went wrong. The tally ``downtime`` of the source has the ticks that requests
were in no batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hocket.core.errors import IllegalDecision
from hocket.core.kernel import Event, Phase
from hocket.serving import memory as capacity
from hocket.serving.model.cluster import Link
from hocket.serving.roles.batching import ReplicaView
from hocket.serving.roles.cluster import Copying, Move
from hocket.serving.simulate.live import Holding, Live
from hocket.serving.simulate.world import Replica, World


class Migrations:
    """The migrations of a cluster that are under way."""

    def __init__(
        self,
        world: World,
        copying: Copying,
        link: Link,
        choose: Callable[[ReplicaView], str],
        find: Callable[[str], Live],
    ) -> None:
        """`choose` names a running request of the source; `find` is the request of that name."""
        self.world, self.copying, self.link = world, copying, link
        self.choose, self.find = choose, find
        self._of: dict[str, Migration] = {}  # by replica, of both ends

    def busy(self, replica: str) -> bool:
        """Whether a replica is source or destination of a migration."""
        return replica in self._of

    def begin(self, move: Move, source: Replica, destination: Replica) -> None:
        """Migrate a request when the source's iteration ends. Raises IllegalDecision."""
        if why := self._forbidden(source, destination):
            told = f"on moving from {source.name!r} to {destination.name!r}"
            raise IllegalDecision(self.world.policy, self.world.kernel.now, told, why)
        migration = Migration(self, move, source, destination)
        self._of[source.name] = self._of[destination.name] = migration
        # Not now: whoever asks may be in the middle of the instant.
        kernel = self.world.kernel
        kernel.after(0, migration.at_boundary, migration.start, phase=Phase.WAKE)

    def _forbidden(self, source: Replica, destination: Replica) -> str:
        if source is destination:
            return "source and destination are the same replica"
        for replica in (source, destination):
            if replica.gone:
                return f"{replica.name} is not up"
            if self.busy(replica.name):
                return f"{replica.name} is in another migration"
        if source.pool.model != destination.pool.model:
            return f"one runs {source.pool.model}, the other {destination.pool.model}"
        if source.pool.serves != destination.pool.serves:
            return "they serve different tenants"
        if destination.pool.role == "prefill":
            return f"{destination.name} does not decode"
        return ""

    def failed(self, replica: Replica) -> list[Live]:
        """A replica is about to fail: call this before `Replica.fail`.

        Returns the request that is lost with it although it is in no batch, if there is one.
        """
        migration = self._of.get(replica.name)
        if migration is None:
            return []
        if replica is migration.source:
            return migration.source_died()
        migration.destination_died()
        return []

    def over(self, migration: Migration, *replicas: Replica) -> None:
        """The replicas may take part in another migration than this one."""
        for replica in replicas:
            if self._of.get(replica.name) is migration:
                del self._of[replica.name]

    def ticks(self, blocks: int, source: Replica) -> int:
        """How long so many blocks of the source take to copy."""
        volume = blocks * capacity.block_bytes(source.pool)
        seconds = volume / (self.link.bandwidth * 1e9)
        return max(1, round(seconds * self.world.ticks_per_second) + self.link.latency)


class Migration:
    """One request on its way from `source` to `destination`."""

    def __init__(
        self, migrations: Migrations, move: Move, source: Replica, destination: Replica
    ) -> None:
        self.all, self.move = migrations, move
        self.source, self.destination = source, destination
        self.kernel = migrations.world.kernel
        self.live: Live | None = None
        self.preemptions = 0  # of the request when it was chosen
        self.begun = self.heard = self.kernel.now
        self.stages = 0
        self.sent = 0  # blocks of the source that have arrived
        self.reserved = 0  # blocks of the destination
        self.left: Holding | None = None  # its memory at the source once it has left the batch
        self.left_at = 0
        self.copy: Event | None = None
        self.over = False

    def at_boundary(self, action: Callable[[], Any]) -> None:
        """Do this when the source's iteration ends, once all of that instant have."""
        self.source.at_boundary(lambda: self.kernel.after(0, self._act, action, phase=Phase.WAKE))

    def _act(self, action: Callable[[], Any]) -> None:
        if not self.over:
            action()

    # The stages.

    def start(self) -> None:
        """The source chooses who goes, and the first stage begins."""
        view = self.source.view()
        name = self.all.choose(view)
        if not name:
            self._end()
            return
        if not any(request.id == name for request in view.running):
            why = f"it does not run on {self.source.name}"
            policy = self.all.world.policy
            raise IllegalDecision(policy, self.kernel.now, f"on migrating {name!r}", why)
        self.live = live = self.all.find(name)
        self.preemptions = live.preemptions
        self.begun = self.heard = self.kernel.now
        if self.source.decoding(live):
            self.stage()
        else:
            self.abort("its prompt is not complete")

    def stage(self) -> None:
        """Send what the source has written since the stage before, or the last of it."""
        live = self._request()
        if live.preemptions != self.preemptions or not self.source.decoding(live):
            self.abort("it finished or was preempted on the source")
            return
        copying = self.all.copying
        full = self.source.blocks_of(live) - 1  # the last block is still being written
        new = full - self.sent
        last = self.stages > 0 if copying.two_stage else new < copying.last_blocks
        if last or new <= 0:
            self.commit()
        elif self.stages >= copying.stages:
            self.abort(f"{new + 1} blocks are left after {self.stages} stages")
        elif not self._reserve(self._room(full * self.source.pool.block_size)):
            self.abort("the destination has no memory for it")
        else:
            self._copy(new, self._arrived)

    def _arrived(self, blocks: int) -> None:
        self.sent += blocks
        self.at_boundary(self.stage)

    def commit(self) -> None:
        """The request leaves the batch, and its last blocks follow."""
        live = self._request()
        self.left, self.left_at = self.source.detach(live), self.kernel.now
        whole = self._room(live.computed)
        if not self._reserve(whole):
            self._return()
            self.abort("the destination has no memory for the rest of it")
            return
        size = self.source.pool.block_size
        self._copy(-(-live.computed // size) - self.sent, self._landed)

    def _landed(self, blocks: int) -> None:
        """The request goes on at the destination."""
        live, left = self._request(), self.left
        if left is not None:
            self.source.let_go(left)
        live.hold(Holding(self.reserved))
        world, now = self.all.world, self.kernel.now
        world.migrated(live, self.source, self.destination)
        self.destination.attach(live)
        told = f"{self.stages} stages, {self.sent + blocks} blocks"
        reason = f"{self.move.reason}; {told}" if self.move.reason else told
        lanes = (self.source.name, live.id, self.destination.name)
        world.timeline.span("migrate", *lanes, self.begun, now, reason)
        world.timeline.tally("downtime", self.source.name, now - self.left_at, 1)
        self._end()

    # What goes wrong.

    def abort(self, why: str) -> None:
        """Give up: the destination frees what it has reserved."""
        if self.reserved:
            self.destination.release(self.reserved)
        self._record(why)
        self._end()

    def destination_died(self) -> None:
        """The reservation is gone with it; the request stays, or returns, at the source."""
        self.reserved = 0
        if self.over:
            self.all.over(self, self.destination)
            return
        self._stop_copy()
        self._return()
        self._record("the destination died")
        self._end()

    def source_died(self) -> list[Live]:
        """The destination will learn of it by silence. Returns the request if it is in no batch."""
        self._stop_copy()
        self._record("the source died")
        self.over = True
        self.all.over(self, self.source)
        if self.reserved:
            due = max(self.kernel.now, self.heard + self.all.copying.watchdog)
            self.kernel.at(due, self._silence, phase=Phase.WAKE)
        else:
            self.all.over(self, self.destination)
        if self.left is None:
            return []
        live = self._request()
        live.computed = 0
        return [live]

    def _silence(self) -> None:
        if self.reserved:
            self.destination.release(self.reserved)
            self.reserved = 0
            self.all.over(self, self.destination)

    def _return(self) -> None:
        """Put the request back into the batch of the source, if it has left it."""
        live = self.live
        if live is not None and self.left is not None:
            live.hold(self.left)
            self.left = None
            self.source.attach(live)

    # Small steps.

    def _request(self) -> Live:
        if self.live is None:
            raise RuntimeError("a stage ran before a request was chosen")
        return self.live

    def _room(self, tokens: int) -> int:
        """Blocks of the destination that so many tokens need, or will, where it says at once."""
        live, pool = self._request(), self.destination.pool
        if self.destination.batcher.limits.allocate == "longest":
            tokens = max(tokens, min(live.prompt + live.limit, capacity.max_context(pool)))
        return -(-tokens // pool.block_size)

    def _reserve(self, whole: int) -> bool:
        """Have the destination hold `whole` blocks; False, and all as before, if it cannot."""
        before = self.reserved
        if before:
            self.destination.release(before)
        granted = self.destination.reserve(whole)
        if granted:
            self.reserved = whole
            self.heard = self.kernel.now
        elif before:
            self.destination.reserve(before)
        return granted

    def _copy(self, blocks: int, then: Callable[[int], None]) -> None:
        self.stages += 1
        self.source.copies(1)
        self.destination.copies(1)
        ticks = self.all.ticks(blocks, self.source)
        self.copy = self.kernel.after(ticks, self._copied, blocks, then, phase=Phase.WAKE)

    def _copied(self, blocks: int, then: Callable[[int], None]) -> None:
        self.heard = self.kernel.now
        self._stop_copy()
        then(blocks)

    def _stop_copy(self) -> None:
        if self.copy is not None:
            self.copy.cancel()
            self.copy = None
            self.source.copies(-1)
            self.destination.copies(-1)

    def _record(self, why: str) -> None:
        if self.live is not None:
            lanes = (self.source.name, self.live.id, self.destination.name)
            now = self.kernel.now
            self.all.world.timeline.span("aborted", *lanes, self.begun, now, why)

    def _end(self) -> None:
        self.over = True
        self.all.over(self, self.source, self.destination)
