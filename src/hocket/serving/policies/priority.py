"""Urgent requests first."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec

from hocket.core.streams import Streams
from hocket.serving.roles.batching import (
    Batcher,
    FirstComeFirstServed,
    Limits,
    Preemption,
    ReplicaView,
    Request,
)
from hocket.serving.roles.facts import Engine
from hocket.serving.roles.policy import BatchingPolicy

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Priority(BatchingPolicy, frozen=True):
    """The most urgent first; who is least urgent, and of those arrived last, gives way.

    Composed as in vLLM V1, whose ``--scheduling-policy priority`` this is. With `urgent`, running
    requests also give way to a strictly more urgent one that lacks memory to be admitted; vLLM
    makes it wait.
    """

    name: ClassVar[str] = "serving/priority"
    tokens: Positive = 2048
    seqs: Positive = 256
    preemption: Preemption = "recompute"
    urgent: bool = False

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        return _ByPriority(
            Limits(
                tokens=self.tokens,
                seqs=self.seqs,
                preemption=self.preemption,
                urgent=self.urgent,
                whole=True,
            )
        )


class _ByPriority(FirstComeFirstServed):
    def rank(self, request: Request) -> Any:
        return (request.priority, request.arrival)

    def victim(self, view: ReplicaView, needy: Request) -> str:
        last = max(reversed(view.running), key=lambda r: (r.priority, r.arrival))
        running = any(r.id == needy.id for r in view.running)
        return last.id if running or last.priority > needy.priority else ""


POLICIES = (Priority,)
