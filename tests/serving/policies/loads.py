"""Loads and views made by hand, for tests of policies that see a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hocket.serving.roles.batching import Request
from hocket.serving.roles.cluster import Load


def request(
    name: str = "r", prompt: int = 16, generated: int = 0, priority: int = 0, **others: Any
) -> Request:
    """A request; one that has generated something has all but the latest token computed."""
    others.setdefault("computed", prompt + generated - 1 if generated else 0)
    return Request(name, 0, prompt, generated=generated, priority=priority, **others)


def load(
    replica: str = "a",
    running: Sequence[Request] = (),
    waiting: Sequence[Request] = (),
    blocks: int = 100,
    free: int | None = None,
    **others: Any,
) -> Load:
    """A load of 16-token blocks; `free` is what the running requests leave, unless given."""
    used = sum(-(-(r.prompt + r.generated) // 16) for r in running)
    return Load(
        replica=replica,
        pool=others.pop("pool", "pool"),
        role=others.pop("role", "both"),
        time=others.pop("time", 0),
        block_size=16,
        blocks=blocks,
        free=blocks - used if free is None else free,
        running=running,
        waiting=waiting,
        urgent=sum(r.priority < 0 for r in running),
        **others,
    )


@dataclass
class View:
    """A ClusterView whose answers are given."""

    loads: Sequence[Load]
    now: int = 0
    ahead: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """See ClusterView.names."""
        return [load.replica for load in self.loads]

    def outstanding(self, replica: str) -> int:
        """See ClusterView.outstanding."""
        return self.ahead.get(replica, 0)

    def outstanding_tokens(self, replica: str) -> int:
        """See ClusterView.outstanding_tokens."""
        return self.tokens.get(replica, 0)

    def cached(self, replica: str, request: Request) -> int:
        """See ClusterView.cached."""
        return self.held.get(replica, 0)


def replicas(count: int) -> list[Load]:
    """So many empty replicas, named a, b, ..."""
    return [load(chr(ord("a") + i)) for i in range(count)]
