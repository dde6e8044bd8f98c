"""The replicas of a cluster as its front end knows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hocket.serving.model.cluster import Pool
from hocket.serving.roles.batching import Request
from hocket.serving.roles.cluster import Load
from hocket.serving.simulate.live import Live
from hocket.serving.simulate.world import Replica


class Member:
    """A replica of the cluster, up or not.

    - `up`: whether it serves; `draining`: whether it is to be stopped once it is empty
    - `sent`: requests sent to it so far; `outstanding`: those of them not finished, by index
    - `since`: when its present state began
    """

    __slots__ = (
        "draining",
        "name",
        "outstanding",
        "pool",
        "replica",
        "sent",
        "since",
        "tokens",
        "up",
    )

    def __init__(self, name: str, pool: Pool, replica: Replica) -> None:
        self.name, self.pool, self.replica = name, pool, replica
        self.up = True
        self.draining = False
        self.sent = self.since = self.tokens = 0
        self.outstanding: dict[int, Live] = {}

    def send(self, live: Live) -> None:
        """Count a request that is sent here."""
        self.sent += 1
        self.tokens += live.prompt
        self.outstanding[live.index] = live

    def done(self, live: Live) -> None:
        """Count a request that is finished here, or has gone elsewhere."""
        if self.outstanding.pop(live.index, None) is not None:
            self.tokens -= live.prompt


class FleetView:
    """A ClusterView at one decision: `members` are those that it shows."""

    __slots__ = ("_everyone", "_loads", "_members", "_migrating", "_request", "now")

    def __init__(
        self,
        now: int,
        members: Sequence[Member],
        everyone: Mapping[str, Member],
        migrating: Callable[[str], bool],
        request: Live | None = None,
    ) -> None:
        self.now = now
        self._members, self._everyone = members, everyone
        self._migrating, self._request = migrating, request
        self._loads: tuple[Load, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The replicas that are shown."""
        return tuple(member.name for member in self._members)

    @property
    def loads(self) -> tuple[Load, ...]:
        """See ClusterView."""
        if self._loads is None:
            self._loads = tuple(
                m.replica.load(m.draining, self._migrating(m.name), m.sent) for m in self._members
            )
        return self._loads

    def outstanding(self, replica: str) -> int:
        """See ClusterView."""
        return len(self._everyone[replica].outstanding)

    def outstanding_tokens(self, replica: str) -> int:
        """See ClusterView."""
        return self._everyone[replica].tokens

    def cached(self, replica: str, request: Request) -> int:
        """See ClusterView."""
        live = self._request
        if live is None or live.id != request.id:
            return 0
        return self._everyone[replica].replica.cached(live)
