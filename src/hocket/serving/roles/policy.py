"""How policies of single roles become a whole system."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from hocket.core.errors import UserError
from hocket.core.load import load_policy
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.serving.roles.batching import Batcher
from hocket.serving.roles.cluster import Dispatcher, Rescheduler, Scaler

PROBLEMS = ("serving/cluster",)

P = TypeVar("P", bound="ServingPolicy")
Part = str | dict[str, Any]
"""A policy of one role, as a field of a combination: its name, or a mapping with its fields."""


class Deciders:
    """What decides in one run: one object per role, batchers made per replica."""

    def __init__(
        self,
        batching: BatchingPolicy,
        scenario: Any,
        streams: Streams,
        dispatcher: Dispatcher,
        rescheduler: Rescheduler | None = None,
        scaler: Scaler | None = None,
    ) -> None:
        self._batching, self._scenario, self._streams = batching, scenario, streams
        self.dispatcher = dispatcher
        self.rescheduler = rescheduler
        self.scaler = scaler

    def batcher(self, replica: str, pool: Any) -> Batcher:
        """A batcher for a replica of a pool."""
        return self._batching.batcher(
            self._scenario, pool, self._streams.child(f"policy.{replica}")
        )


class ServingPolicy(Policy, frozen=True):
    """A policy for a serving cluster. Alone, one of a single role is joined by plain others."""

    problems: ClassVar[tuple[str, ...]] = PROBLEMS
    role: ClassVar[str] = "whole system"

    def begin(self, scenario: Any, streams: Streams) -> Deciders:
        """See Policy.begin."""
        raise NotImplementedError(f"{type(self).__name__} has no begin(scenario, streams)")


class BatchingPolicy(ServingPolicy, frozen=True):
    """A policy of the batching role; alone, requests go to the replica with fewest of them."""

    role: ClassVar[str] = "batching"

    def batcher(self, scenario: Any, pool: Any, streams: Streams) -> Batcher:
        """A fresh batcher for one replica of `pool`; `streams` are its own."""
        raise NotImplementedError(f"{type(self).__name__} has no batcher(scenario, pool, streams)")

    def begin(self, scenario: Any, streams: Streams) -> Deciders:
        """See Policy.begin."""
        return plain(scenario, streams, policy=self)


class DispatchPolicy(ServingPolicy, frozen=True):
    """A policy of the dispatch role; alone, every replica batches as vLLM does."""

    role: ClassVar[str] = "dispatch"

    def dispatcher(self, scenario: Any, streams: Streams) -> Dispatcher:
        """A fresh dispatcher for one run."""
        raise NotImplementedError(f"{type(self).__name__} has no dispatcher(scenario, streams)")

    def begin(self, scenario: Any, streams: Streams) -> Deciders:
        """See Policy.begin."""
        return plain(scenario, streams, dispatcher=self.dispatcher(scenario, streams))


class ReschedulingPolicy(ServingPolicy, frozen=True):
    """A policy of the rescheduling role; alone, plain dispatch and batching join it."""

    role: ClassVar[str] = "rescheduling"

    def rescheduler(self, scenario: Any, streams: Streams) -> Rescheduler:
        """A fresh rescheduler for one run."""
        raise NotImplementedError(f"{type(self).__name__} has no rescheduler(scenario, streams)")

    def begin(self, scenario: Any, streams: Streams) -> Deciders:
        """See Policy.begin."""
        return plain(scenario, streams, rescheduler=self.rescheduler(scenario, streams))


class ScalingPolicy(ServingPolicy, frozen=True):
    """A policy of the scaling role; alone, plain dispatch and batching join it."""

    role: ClassVar[str] = "scaling"

    def scaler(self, scenario: Any, streams: Streams) -> Scaler:
        """A fresh scaler for one run."""
        raise NotImplementedError(f"{type(self).__name__} has no scaler(scenario, streams)")

    def begin(self, scenario: Any, streams: Streams) -> Deciders:
        """See Policy.begin."""
        return plain(scenario, streams, scaler=self.scaler(scenario, streams))


BATCHING = "serving/vllm-v1"
DISPATCH = "serving/least-outstanding"


def plain(
    scenario: Any,
    streams: Streams,
    *,
    policy: BatchingPolicy | None = None,
    dispatcher: Dispatcher | None = None,
    rescheduler: Rescheduler | None = None,
    scaler: Scaler | None = None,
) -> Deciders:
    """One run's deciders, with plain batching and dispatch where no others are given."""
    if policy is None:
        policy = batching(BATCHING)
    if dispatcher is None:
        dispatcher = dispatching(DISPATCH).dispatcher(scenario, streams)
    return Deciders(policy, scenario, streams, dispatcher, rescheduler, scaler)


def batching(part: Part) -> BatchingPolicy:
    """The batching policy that a field names. Raises UnknownName, InputError, UserError."""
    return _of_role(part, BatchingPolicy, "batching", BATCHING)


def dispatching(part: Part) -> DispatchPolicy:
    """The dispatch policy that a field names. Raises UnknownName, InputError, UserError."""
    return _of_role(part, DispatchPolicy, "dispatch", DISPATCH)


def rescheduling(part: Part) -> ReschedulingPolicy:
    """The rescheduling policy that a field names. Raises UnknownName, InputError, UserError."""
    return _of_role(part, ReschedulingPolicy, "rescheduling", "serving/llumnix-migration")


def scaling(part: Part) -> ScalingPolicy:
    """The scaling policy that a field names. Raises UnknownName, InputError, UserError."""
    return _of_role(part, ScalingPolicy, "scaling", "serving/llumnix-scaling")


def _of_role(part: Part, kind: type[P], role: str, example: str) -> P:
    found = load_policy(part)
    if not isinstance(found, kind):
        raise UserError(f"{found.name} is no {role} policy; {example} is one")
    return found
