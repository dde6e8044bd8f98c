"""Replicas are started and stopped while requests come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hocket.core.errors import IllegalDecision
from hocket.core.kernel import Phase
from hocket.serving.model.cluster import Pool
from hocket.serving.roles.cluster import Scale
from hocket.serving.simulate.fleet import Member

if TYPE_CHECKING:
    from hocket.serving.simulate.cluster import World


class Scaling:
    """Carries out what a Scaler decides."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.starting: dict[str, int] = {pool.name: 0 for pool in world.scenario.pools}

    def begin(self) -> None:
        """Ask the scaler, if there is one, every period."""
        scaler = self.world.deciders.scaler
        if scaler is not None:
            self.world.every(scaler.period, self._ask)

    def _ask(self) -> None:
        scaler = self.world.deciders.scaler
        if scaler is None or self.world.scheduler_down():
            return
        for member in self.world.members.values():
            self.emptied(member)  # of a migration to it that was given up nobody told
        for scale in scaler.scale(self.world.view()):
            if scale.drain:
                self._drain(scale)
            for _ in range(scale.add):
                self._add(scale)

    def _add(self, scale: Scale) -> None:
        """Take back a drain, or order a replica; nothing where the pool has its most."""
        world = self.world
        pool = self._pool(scale)
        own = [m for m in world.members.values() if m.pool is pool and m.up]
        for member in own:
            if member.draining:
                member.draining = False
                now = world.kernel.now
                world.timeline.span("drain", member.name, "", "", member.since, now, "taken back")
                return
        if len(own) + self.starting[pool.name] >= pool.most:
            return
        self.starting[pool.name] += 1
        now = world.kernel.now
        world.kernel.after(pool.start_up, self._started, pool, now, scale, phase=Phase.WAKE)

    def _started(self, pool: Pool, ordered: int, scale: Scale) -> None:
        world = self.world
        self.starting[pool.name] -= 1
        if not world.left:
            return
        member = world.add(pool)
        now = world.kernel.now
        world.timeline.span("start", member.name, "", "", ordered, now, scale.reason)
        world.welcome()

    def _drain(self, scale: Scale) -> None:
        """A replica takes no new requests, and is stopped when it is empty."""
        world = self.world
        member = world.members.get(scale.drain)
        if member is None or not member.up:
            why = "it is not up"
            raise IllegalDecision(world.policy, world.kernel.now, f"to drain {scale.drain!r}", why)
        if member.draining:
            return
        member.draining, member.since = True, world.kernel.now
        self.emptied(member)

    def emptied(self, member: Member) -> None:
        """Stop a draining replica if nothing is left on it."""
        if not (member.up and member.draining and member.replica.empty and not member.outstanding):
            return
        member.up = False
        world = self.world
        world.timeline.span("drain", member.name, "", "", member.since, world.kernel.now)

    def _pool(self, scale: Scale) -> Pool:
        pools = self.world.scenario.pools
        if not scale.pool:
            return pools[0]
        for pool in pools:
            if pool.name == scale.pool:
                return pool
        now = self.world.kernel.now
        raise IllegalDecision(self.world.policy, now, f"to start a {scale.pool!r}", "no such pool")
