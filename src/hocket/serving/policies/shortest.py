"""Short answers first, by a predicted length."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from hocket.core.streams import Streams
from hocket.serving.roles.batching import Batcher, FirstComeFirstServed, Limits, Request
from hocket.serving.roles.policy import BatchingPolicy

Positive = Annotated[int, msgspec.Meta(ge=1)]


class ShortestJobFirst(BatchingPolicy, frozen=True):
    """The shortest predicted answer first; a predictor as good as `sigma` says.

    The predictor is an oracle with noise: the true length times ``exp(sigma z)``, with z standard
    normal and the same for a request wherever it goes. 0 is clairvoyance; predictors that were
    published for chat have errors like a `sigma` of 0.3 to 1. The true lengths are those of the
    scenario's workload, drawn again from the seed of the run; the engine does not reveal them. A
    preempted request counts with what is left of its prediction. Composed as in vLLM V1.
    """

    name: ClassVar[str] = "serving/sjf"
    tokens: Positive = 2048
    seqs: Positive = 256
    sigma: Annotated[float, msgspec.Meta(ge=0)] = 0.0

    def batcher(self, scenario: Any, pool: Any, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        predicted = predictions(scenario, streams.seed, self.sigma)
        return _ShortestFirst(Limits(tokens=self.tokens, seqs=self.seqs, whole=True), predicted)


def predictions(scenario: Any, seed: int, sigma: float) -> dict[str, float]:
    """Predicted tokens of each request's answer, by its name; see ShortestJobFirst."""
    streams = Streams(seed)  # afresh: what others have drawn of the run's streams is no matter
    drawn = scenario.workload.draw(streams, scenario.time_unit)
    error = np.exp(sigma * streams["policy.predictor"].standard_normal(len(drawn)))
    return {drawn.name(i): float(tokens) for i, tokens in enumerate(drawn.output * error)}


class _ShortestFirst(FirstComeFirstServed):
    def __init__(self, limits: Limits, predicted: dict[str, float]) -> None:
        super().__init__(limits)
        self._predicted = predicted

    def rank(self, request: Request) -> Any:
        return (self._predicted[request.id] - request.generated, request.arrival)


POLICIES = (ShortestJobFirst,)
