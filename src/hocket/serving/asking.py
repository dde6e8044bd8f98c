"""The questions that a serving cluster puts to a model which is given no others.

Alone this is no policy: `hocket.learn.models` joins it with a model, `hocket.learn.env` makes an
environment of it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hocket.core.errors import UnknownName
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.learn.asking import Asking, Choose, Question
from hocket.learn.batch import question
from hocket.serving.metrics import metrics
from hocket.serving.model.cluster import Cluster
from hocket.serving.objectives import OBJECTIVES
from hocket.serving.roles.batching import Request
from hocket.serving.roles.cluster import ClusterView, Load, Send
from hocket.serving.roles.policy import BATCHING, PROBLEMS, Deciders, Part, batching

TOKENS = 1024
"""Tokens are told in units of this many."""


class DispatchQuestions(Asking, frozen=True):
    """To which replica a request goes.

    Tables: ``replicas``, one row for each that may take it: requests running and waiting as last
    reported, requests and prompt tokens outstanding as counted by the front end, the share of its
    memory that is free, its free memory in tokens, its GPUs, and how much of this prompt it holds;
    ``request``, one row: its prompt, its limit, and its priority. Tokens count in units of 1,024.

    `batching` names the policy of the replicas. The cost is the metric `objective`, known at the
    end.
    """

    name: ClassVar[str] = "serving/dispatch-questions"
    problems: ClassVar[tuple[str, ...]] = PROBLEMS
    objective: str = "e2e_mean"
    batching: Part = BATCHING

    def __post_init__(self) -> None:
        """Refuse what cannot be minimised."""
        if self.objective not in OBJECTIVES:
            raise UnknownName("objective", self.objective, OBJECTIVES)

    def decider(self, scenario: Cluster, streams: Streams, choose: Choose) -> Deciders:
        """See Asking.decider."""
        return Deciders(batching(self.batching), scenario, streams, dispatcher=_Dispatching(choose))

    def cost(self, scenario: Cluster, timeline: Timeline) -> float:
        """See Asking.cost."""
        return metrics(scenario, timeline)[self.objective]

    def most_rows(self, scenario: Cluster) -> dict[str, int]:
        """All replicas of all pools; without a policy that scales, there are no more."""
        return {
            "replicas": sum(pool.count for pool in scenario.pools),
            "request": 1,
        }


class _Dispatching:
    def __init__(self, choose: Choose) -> None:
        self.choose = choose

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        loads = view.loads
        tables = {
            "replicas": [_replica(view, load, request) for load in loads],
            "request": [[request.prompt / TOKENS, request.limit / TOKENS, request.priority]],
        }
        row = self.choose(Question(question(tables, "replicas"), view.now))
        return Send(loads[row].replica, f"chosen of {len(loads)}")


def _replica(view: ClusterView, load: Load, request: Request) -> list[Any]:
    return [
        len(load.running),
        len(load.waiting),
        view.outstanding(load.replica),
        view.outstanding_tokens(load.replica) / TOKENS,
        load.free / max(load.blocks, 1),
        load.free * load.block_size / TOKENS,
        load.gpus,
        view.cached(load.replica, request) / TOKENS,
    ]
