"""Short answers first, by a predicted length."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from hocket.core.streams import Streams
from hocket.serving.roles.batching import Batcher, FirstComeFirstServed, Limits, Request
from hocket.serving.roles.facts import Engine
from hocket.serving.roles.policy import BatchingPolicy

Positive = Annotated[int, msgspec.Meta(ge=1)]


class ShortestJobFirst(BatchingPolicy, frozen=True):
    """The shortest predicted answer first; a predictor as good as `sigma` says.

    A request whose sender says how long an answer to expect (`expected`: a column of the log, or
    with vLLM ``vllm_xargs: {"expected_tokens": 80}`` of the request) counts with that. Otherwise,
    where the engine knows the true lengths, which only a simulated one does, the predictor is an
    oracle with noise: the true length times ``exp(sigma z)``, with z standard normal and the same
    for a request wherever it goes. 0 is clairvoyance; predictors that were published for chat have
    errors like a `sigma` of 0.3 to 1. In a real engine it is the mean of the tenant's last `window`
    answers, at most the request's limit, and before any the limit itself.

    A preempted request counts with what is left of its prediction. Composed as in vLLM V1.
    """

    name: ClassVar[str] = "serving/sjf"
    tokens: Positive = 2048
    seqs: Positive = 256
    sigma: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    window: Positive = 200

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        known = None
        if engine.lengths is not None:
            known = predictions(engine.lengths(), streams.seed, self.sigma)
        limits = Limits(tokens=self.tokens, seqs=self.seqs, whole=True)
        return _ShortestFirst(limits, known, self.window)


def predictions(lengths: Mapping[str, int], seed: int, sigma: float) -> dict[str, float]:
    """Predicted tokens of each request's answer, by its name; see ShortestJobFirst."""
    rng = Streams(seed)["policy.predictor"]  # afresh: what others have drawn is no matter
    error = np.exp(sigma * rng.standard_normal(len(lengths))).tolist()
    return {
        name: true * factor for (name, true), factor in zip(lengths.items(), error, strict=True)
    }


class _ShortestFirst(FirstComeFirstServed):
    def __init__(self, limits: Limits, known: Mapping[str, float] | None, window: int) -> None:
        super().__init__(limits)
        self._known, self._window = known, window
        self._past: dict[str, deque[int]] = {}

    def rank(self, request: Request) -> Any:
        return (self._predicted(request) - request.generated, request.arrival)

    def finished(self, request: Request) -> None:
        past = self._past.setdefault(request.tenant, deque(maxlen=self._window))
        past.append(request.generated)

    def _predicted(self, request: Request) -> float:
        if request.expected:
            return request.expected
        if self._known is not None:
            return self._known[request.id]
        past = self._past.get(request.tenant)
        return min(sum(past) / len(past), request.limit) if past else request.limit


POLICIES = (ShortestJobFirst,)
