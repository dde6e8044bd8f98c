"""Admission by sampled lengths: the Past-Future scheduler."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import numpy as np

from hocket.core.streams import Streams
from hocket.serving.gate import Batch, Ints, PeakGate, prefill_first
from hocket.serving.history import History
from hocket.serving.roles.batching import Batcher, Request
from hocket.serving.roles.facts import Engine
from hocket.serving.roles.policy import BatchingPolicy

Positive = Annotated[int, msgspec.Meta(ge=1)]
Reserve = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class PastFuture(BatchingPolicy, frozen=True):
    """Admits while the peak memory of the batch stays in bounds, by lengths drawn from the past.

    Every `every` decode steps the running requests are given lengths, drawn from those of the last
    `window` answers that are longer than what they have produced, several times over: the fewer
    run, the more draws, so that about `samples` lengths are drawn, and at most `lists` times. The
    head of the queue comes in if the peak of the largest draw stays below memory less `reserve`.

    - `first`: the answer assumed before any has finished; half the window begins with it
    - `max_output`: the longest answer of a request without a limit of its own
    - `tokens`, `batch`: most prompt tokens, and requests, of one round of admission; `seqs`: most
      requests that may run

    The defaults are those of LightLLM's scheduler. The artifact's server has a window of 40, admits
    one request per round and asks every 2 steps; its behaviour simulation has 1000, 512 and 0.03.
    """

    name: ClassVar[str] = "serving/past-future"
    source: ClassVar[str] = (
        "R. Gong, S. Bai, S. Wu, Y. Fan, Z. Wang, X. Li, H. Yang, X. Liu, Past-Future Scheduler "
        "for LLM Serving under SLA Guarantees, ASPLOS 2025"
    )
    window: Positive = 200
    first: Positive = 1024
    reserve: Reserve = 0.05
    lists: Positive = 5
    samples: Positive = 200
    max_output: Positive = 4096
    tokens: Positive = 18_000
    seqs: Positive = 1000
    batch: Positive | None = None
    every: Positive = 10

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        return _Sampling(self, streams["lengths"])


class _Sampling(PeakGate):
    def __init__(self, policy: PastFuture, rng: np.random.Generator) -> None:
        limits = prefill_first(policy.tokens, policy.seqs, policy.every, policy.batch, False)
        super().__init__(limits, policy.reserve)
        self._policy, self._rng = policy, rng
        self._history = History(policy.window, policy.first)

    def futures(self, batch: Batch, room: int) -> Ints:
        """Lengths longer than what is there, drawn anew in every round."""
        policy = self._policy
        lists = min(policy.lists, policy.samples // len(batch.held) + 1)
        uniform = self._rng.random((lists, len(batch.held)))
        limit = np.where(batch.limit < room, batch.limit, min(policy.max_output, room))
        return self._history.longer(batch.generated, limit, uniform)

    def newcomer(self, request: Request, count: int, room: int) -> Ints:
        """Any length of the window, whatever the request has produced before an eviction."""
        return self._history.fresh(self._rng, count)

    def finished(self, request: Request) -> None:
        """See Batcher.finished."""
        self._history.append(request.generated)


POLICIES = (PastFuture,)
