"""Dispatch: to which replica a request goes. Each is one rule; ties go to the replica named first.

All but the first three go by what replicas have reported of themselves, which is as old as their
latest iteration, and by what the front end has counted itself, which is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np

from hocket.core.streams import Streams
from hocket.serving.freeness import block_load, dispatch_load, freeness
from hocket.serving.roles.batching import Request
from hocket.serving.roles.cluster import ClusterView, Dispatcher, Load, Send
from hocket.serving.roles.facts import Fleet
from hocket.serving.roles.policy import DispatchPolicy

Score = Callable[[ClusterView, Load, Request], float]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Least:
    """A dispatcher that takes the replica with the least `score`; `what` names it in reasons."""

    def __init__(self, score: Score, what: str) -> None:
        self.score, self.what = score, what

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        """See Dispatcher.dispatch."""
        loads = view.loads
        if len(loads) == 1:
            return Send(loads[0].replica, "the only replica")
        values = [self.score(view, load, request) for load in loads]
        best = min(range(len(loads)), key=values.__getitem__)
        return Send(loads[best].replica, f"{self.what} {values[best]:g}, least of {len(loads)}")


class Fewest:
    """A dispatcher that goes by what the front end counts itself, and asks for no report."""

    def __init__(self, count: Callable[[ClusterView, str], int], what: str) -> None:
        self.count, self.what = count, what

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        """See Dispatcher.dispatch."""
        names = view.names
        if len(names) == 1:
            return Send(names[0], "the only replica")
        counts = [self.count(view, name) for name in names]
        least = min(counts)
        return Send(names[counts.index(least)], f"{self.what} {least}, least of {len(names)}")


def fewest_outstanding() -> Fewest:
    """Join the shortest queue."""
    return Fewest(lambda view, name: view.outstanding(name), "outstanding requests")


class RoundRobin(DispatchPolicy, frozen=True):
    """Replicas in turn.

    With `fewest` the one that has been sent the fewest requests so far, which differs when replicas
    come and go: the baseline that Llumnix's published code calls balanced.
    """

    name: ClassVar[str] = "serving/round-robin"
    fewest: bool = False

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """See DispatchPolicy.dispatcher."""
        if self.fewest:
            return Least(lambda view, load, request: load.dispatched, "dispatched")
        return Turns()


class Turns:
    """A dispatcher that takes replicas in turn, whichever there are."""

    def __init__(self) -> None:
        self.turn = 0

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        """See Dispatcher.dispatch."""
        name = view.names[self.turn % len(view.names)]
        self.turn += 1
        return Send(name, "its turn")


class Random(DispatchPolicy, frozen=True):
    """Any replica, each as likely."""

    name: ClassVar[str] = "serving/random"

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """See DispatchPolicy.dispatcher."""
        return _Lots(streams["policy.dispatch"])


class _Lots:
    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        place = int(self.rng.integers(len(view.names)))
        return Send(view.names[place], f"drawn from {len(view.names)}")


class LeastOutstanding(DispatchPolicy, frozen=True):
    """The replica with fewest unfinished requests, or, by tokens, with least prompt in them.

    ``unit="requests"`` joins the shortest queue, which is also called least connections;
    ``unit="tokens"`` is the token-based variant of Splitwise.
    """

    name: ClassVar[str] = "serving/least-outstanding"
    source: ClassVar[str] = (
        "by tokens: P. Patel et al., Splitwise: Efficient Generative LLM Inference Using Phase "
        "Splitting, ISCA 2024"
    )
    unit: Literal["requests", "tokens"] = "requests"

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """See DispatchPolicy.dispatcher."""
        if self.unit == "requests":
            return fewest_outstanding()
        return Fewest(lambda view, name: view.outstanding_tokens(name), "outstanding prompt tokens")


class PowerOfTwo(DispatchPolicy, frozen=True):
    """Of two replicas drawn at random the one with fewer unfinished requests.

    `choices` is how many are drawn. Two already bring most of what looking at all would.
    """

    name: ClassVar[str] = "serving/power-of-two"
    source: ClassVar[str] = (
        "M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, IEEE Transactions "
        "on Parallel and Distributed Systems 12 (2001)"
    )
    choices: Positive = 2

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """See DispatchPolicy.dispatcher."""
        return _Choices(self.choices, streams["policy.dispatch"])


class _Choices:
    def __init__(self, choices: int, rng: np.random.Generator) -> None:
        self.choices, self.rng = choices, rng

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        names = view.names
        drawn = self.rng.choice(len(names), min(self.choices, len(names)), replace=False).tolist()
        counts = [view.outstanding(names[place]) for place in drawn]
        least = min(range(len(drawn)), key=counts.__getitem__)
        told = " and ".join(map(str, counts))
        return Send(names[drawn[least]], f"outstanding {told} at {len(drawn)} drawn")


class LeastKv(DispatchPolicy, frozen=True):
    """The replica with the least share of its key-value memory in use."""

    name: ClassVar[str] = "serving/least-kv"

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """See DispatchPolicy.dispatcher."""
        return Least(
            lambda view, load, request: (load.blocks - load.free) / load.blocks, "memory in use"
        )


class Infaas(DispatchPolicy, frozen=True):
    """Least load including what the queue demands: the load balancing of INFaaS++, Llumnix's rival.

    ``mode="paper"``: used memory and queue demand as a share of the memory. ``mode="artifact"``:
    what the code published with Llumnix ran as INFaaS++, its own dispatch with migration off.
    """

    name: ClassVar[str] = "serving/infaas"
    source: ClassVar[str] = (
        "F. Romero et al., INFaaS: Automated Model-less Inference Serving, USENIX ATC 2021; "
        "B. Sun et al., Llumnix: Dynamic Scheduling for Large Language Model Serving, OSDI 2024, "
        "section 6.1"
    )
    mode: Literal["paper", "artifact"] = "paper"

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """See DispatchPolicy.dispatcher."""
        if self.mode == "artifact":
            return Warming(Least(lambda view, load, request: dispatch_load(load), "load"))
        return Least(lambda view, load, request: block_load(load), "memory and queue")


class Freeness(DispatchPolicy, frozen=True):
    """The freest replica: Llumnix's dispatch alone, without its migration.

    ``mode="paper"``: greatest freeness by virtual usage; among equals the one with fewest requests.
    ``mode="artifact"``: least dispatch-load, with the rule that sets replicas apart for requests of
    high priority, and round robin until every replica has been sent one. `target` is how many
    tokens a replica with requests of high priority should hold at most; None ignores priorities.
    """

    name: ClassVar[str] = "serving/freeness"
    source: ClassVar[str] = (
        "B. Sun et al., Llumnix: Dynamic Scheduling for Large Language Model Serving, OSDI 2024"
    )
    mode: Literal["paper", "artifact"] = "paper"
    target: Positive | None = 1600

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """See DispatchPolicy.dispatcher."""
        if self.mode == "paper":
            return _Freest(self.target)
        target = self.target
        return Warming(
            Least(
                lambda view, load, request: dispatch_load(load, request.priority < 0, target),
                "load",
            )
        )


class _Freest:
    def __init__(self, target: int | None) -> None:
        self.target = target

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        loads = view.loads
        values = [freeness(load, self.target, urgent=request.priority < 0) for load in loads]
        best = max(
            range(len(loads)), key=lambda i: (values[i], -view.outstanding(loads[i].replica))
        )
        return Send(loads[best].replica, f"freeness {values[best]:g}, greatest of {len(loads)}")


class Warming:
    """Round robin until every replica has been sent a request, then what `inner` says."""

    def __init__(self, inner: Dispatcher) -> None:
        self.inner = inner
        self.turns = Turns()
        self.warm = False

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        """See Dispatcher.dispatch."""
        self.warm = self.warm or all(load.dispatched for load in view.loads)
        return (
            self.inner.dispatch(view, request) if self.warm else self.turns.dispatch(view, request)
        )


class CacheAware(DispatchPolicy, frozen=True):
    """The replica that holds most of the prompt's prefix, unless loads have drifted apart.

    As in SGLang's router: if the most and the least loaded differ by more than `most_apart`
    unfinished requests and by the factor `most_ratio`, the least loaded gets the request; else the
    one that holds most of the prompt, if that is at least the share `least_match`; else again the
    least loaded. What each token of a match is worth against a request that is ahead is `penalty`:
    so many tokens are taken off the match for every unfinished request of the replica.
    """

    name: ClassVar[str] = "serving/cache-aware"
    source: ClassVar[str] = (
        "L. Zheng et al., SGLang: Efficient Execution of Structured Language Model Programs, "
        "NeurIPS 2024; the rule is that of its router"
    )
    least_match: Share = 0.5
    most_apart: Annotated[int, msgspec.Meta(ge=0)] = 32
    most_ratio: Annotated[float, msgspec.Meta(ge=1)] = 1.0001
    penalty: Annotated[float, msgspec.Meta(ge=0)] = 0.0

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """See DispatchPolicy.dispatcher."""
        return _CacheAware(self)


class _CacheAware:
    def __init__(self, rule: CacheAware) -> None:
        self.rule = rule

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        names = [load.replica for load in view.loads]
        ahead = [view.outstanding(name) for name in names]
        least, most = min(ahead), max(ahead)
        idlest = names[ahead.index(least)]
        if most - least > self.rule.most_apart and most > least * self.rule.most_ratio:
            return Send(idlest, f"loads {least} to {most} are too far apart")
        held = [view.cached(name, request) for name in names]
        value = [
            match - self.rule.penalty * count for match, count in zip(held, ahead, strict=True)
        ]
        best = max(range(len(names)), key=lambda i: (value[i], -ahead[i]))
        if held[best] and held[best] >= self.rule.least_match * request.prompt:
            return Send(names[best], f"holds {held[best]} of {request.prompt} prompt tokens")
        return Send(idlest, f"no match; outstanding requests {least}")


POLICIES = (
    RoundRobin,
    Random,
    LeastOutstanding,
    PowerOfTwo,
    LeastKv,
    Infaas,
    Freeness,
    CacheAware,
)
