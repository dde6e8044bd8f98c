"""Urgent requests first in the queue of any batching policy: Llumnix's scheduling priority."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar

from hocket.core.streams import Streams
from hocket.serving.freeness import Mode
from hocket.serving.roles.batching import Around, Batcher, ReplicaView, Request
from hocket.serving.roles.facts import Engine
from hocket.serving.roles.policy import BatchingPolicy, Part, batching


class UrgentFirst(BatchingPolicy, frozen=True):
    """Any batching policy, except that its queue is in order of priority first.

    ``mode="artifact"`` keeps a slip of Llumnix's published code, which compares the wrong object: a
    request of high priority enters just before the last of the queue, wherever that stands.
    """

    name: ClassVar[str] = "serving/urgent-first"
    source: ClassVar[str] = (
        "B. Sun et al., Llumnix: Dynamic Scheduling for Large Language Model Serving, OSDI 2024, "
        "section 4.4.1"
    )
    batching: Part = "serving/vllm-v1"
    mode: Mode = "paper"

    def __post_init__(self) -> None:
        """Refuse what is no batching policy. Raises UnknownName, UserError."""
        batching(self.batching)

    def refuses(self, scenario: Any) -> str:
        """See Policy.refuses."""
        return batching(self.batching).refuses(scenario)

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        inner = batching(self.batching).batcher(engine, streams)
        return _ByPriority(inner) if self.mode == "paper" else _BeforeTheLast(inner)


class _ByPriority(Around):
    """Answers as `inner` does, but ranks by priority first."""

    def rank(self, request: Request) -> Any:
        return (request.priority, self.inner.rank(request))


class _BeforeTheLast(Around):
    """The artifact's queue: behind the last, before the first if preempted, or before the last.

    Ranks are fractions, as between two of them there is always another. The queue is kept here too,
    because a rank is asked without it: who is admitted has left it.
    """

    def __init__(self, inner: Batcher) -> None:
        super().__init__(inner)
        self.queue: list[tuple[Fraction, str]] = []  # in order

    def rank(self, request: Request) -> Any:
        queue = self.queue
        if not queue:
            place, rank = 0, Fraction(0)
        elif request.preemptions:
            place, rank = 0, queue[0][0] - 1
        elif request.priority < 0:
            place = len(queue) - 1
            last = queue[-1][0]
            rank = (queue[-2][0] + last) / 2 if place else last - 1
        else:
            place, rank = len(queue), queue[-1][0] + 1
        queue.insert(place, (rank, request.id))
        return rank

    def admits(self, view: ReplicaView, request: Request) -> str:
        why = self.inner.admits(view, request)
        if not why:
            self.queue = [entry for entry in self.queue if entry[1] != request.id]
        return why


POLICIES = (UrgentFirst,)
