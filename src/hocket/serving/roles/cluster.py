"""The roles above single replicas: dispatch, rescheduling, scaling. All see reported loads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec

from hocket.serving.roles.batching import ReplicaView, Request

Role = Literal["both", "prefill", "decode"]


class Load(NamedTuple):
    """What a replica reported of itself after its latest iteration, at tick `time`.

    - `blocks`, `free`: blocks of memory; `block_size` tokens each
    - `running`, `waiting`: the requests themselves, in order
    - `draining`: whether it takes no new requests because it is to be stopped
    - `migrating`: whether a live migration has it as source or destination
    - `dispatched`: requests sent to it since the start; `preempted`: how many wait after having
      been preempted
    - `gpus`: how many it occupies; `urgent`: running requests of a priority below 0
    """

    replica: str
    pool: str
    role: Role
    time: int
    block_size: int
    blocks: int
    free: int
    running: Sequence[Request]
    waiting: Sequence[Request]
    draining: bool = False
    migrating: bool = False
    dispatched: int = 0
    preempted: int = 0
    gpus: int = 1
    urgent: int = 0


class ClusterView(Protocol):
    """The cluster as the front end knows it. Everything is read-only."""

    @property
    def now(self) -> int:
        """The time in ticks."""

    @property
    def loads(self) -> Sequence[Load]:
        """The latest reports of the replicas that are up, in order of their names' creation.

        For a dispatch only those that may take the request: of the fitting role, not draining.
        """

    @property
    def names(self) -> Sequence[str]:
        """The replicas of `loads`, at less cost."""

    def outstanding(self, replica: str) -> int:
        """Requests that the front end has sent to the replica and that are not finished."""

    def outstanding_tokens(self, replica: str) -> int:
        """Prompt tokens of those requests."""

    def cached(self, replica: str, request: Request) -> int:
        """Tokens of the prompt's prefix that the replica is known to hold."""


class Send(NamedTuple):
    """Send the request to this replica. `reason` travels to the report."""

    replica: str
    reason: str = ""


class Dispatcher(Protocol):
    """The role of the front end."""

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        """Where a request goes that has arrived (or whose prefill is done, to be decoded)."""


class Move(NamedTuple):
    """Migrate a request from one replica to another; which one, the source chooses."""

    source: str
    destination: str
    reason: str = ""


class Copying(msgspec.Struct, frozen=True, kw_only=True):
    """How live migration copies key-value blocks while the request keeps decoding.

    Stage after stage sends what has been written since the stage before; when no more than
    `last_blocks` are left, the request leaves the batch, the rest is copied, and it goes on at the
    destination. If after `stages` stages more is left, the migration is given up. With
    ``two_stage`` the first stage sends all full blocks and the second the rest, whatever its size.
    A reservation that hears nothing for `watchdog` ticks is freed. `slowdown` is the share by which
    iterations of both ends last longer while a copy is under way.
    """

    stages: int = 3
    last_blocks: int = 16
    two_stage: bool = False
    watchdog: int = 10_000_000
    slowdown: float = 0.01


class Rescheduler(Protocol):
    """The role that moves running requests between replicas.

    `period` is how often `plan` is asked, in ticks; 0 asks it after every `reports` load reports
    of all replicas together instead.
    """

    @property
    def period(self) -> int:
        """Ticks between plans, 0 to count reports."""

    @property
    def reports(self) -> int:
        """Load reports per replica between plans, where `period` is 0."""

    @property
    def copying(self) -> Copying:
        """How migrations copy."""

    def plan(self, view: ClusterView) -> Sequence[Move]:
        """The migrations to begin now."""

    def choose(self, view: ReplicaView) -> str:
        """Which running request of the source moves; empty for none."""


class Scale(NamedTuple):
    """Start `add` replicas of pool `pool`, or drain and stop the replica `drain`."""

    add: int = 0
    pool: str = ""
    drain: str = ""
    reason: str = ""


class Scaler(Protocol):
    """The role that adds and removes replicas."""

    @property
    def period(self) -> int:
        """Ticks between decisions."""

    def scale(self, view: ClusterView) -> Sequence[Scale]:
        """What to start and stop now. A drain may be taken back by `add` before it is complete."""
