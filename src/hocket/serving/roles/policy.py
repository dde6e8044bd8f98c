"""A serving policy answers for four roles; what it says nothing about is done plainly."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from hocket.core.errors import UserError
from hocket.core.load import load_policy
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.serving.roles.batching import Batcher
from hocket.serving.roles.cluster import Dispatcher, Rescheduler, Scaler
from hocket.serving.roles.facts import Engine, Fleet

PROBLEMS = ("serving/cluster",)
BATCHING = "serving/vllm-v1"
DISPATCH = "serving/least-outstanding"
WHOLE = "whole system"

P = TypeVar("P", bound="ServingPolicy")
Part = str | dict[str, Any]
"""A policy of one role, as a field of a combination: its name, or a mapping with its fields."""


class ServingPolicy(Policy, frozen=True):
    """A policy for a serving cluster: one object per role, each made from facts, not a scenario.

    That is why the same policy runs in the simulator, inside a real engine (which asks for a
    batcher) and in front of several (which asks for a dispatcher and a rescheduler). A policy of a
    single role overrides one of the four, a whole system several.
    """

    problems: ClassVar[tuple[str, ...]] = PROBLEMS
    role: ClassVar[str] = WHOLE

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """A fresh batcher for one engine; `streams` are its own."""
        return batching(BATCHING).batcher(engine, streams)

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """A fresh dispatcher for one run."""
        return dispatching(DISPATCH).dispatcher(fleet, streams)

    def rescheduler(self, fleet: Fleet, streams: Streams) -> Rescheduler | None:
        """A fresh rescheduler for one run; None leaves requests where they are."""
        return None

    def scaler(self, fleet: Fleet, streams: Streams) -> Scaler | None:
        """A fresh scaler for one run; None leaves the replicas as they are."""
        return None

    def begin(self, scenario: Any, streams: Streams) -> Deciders:
        """See Policy.begin."""
        return Deciders(self, scenario, streams)


class Deciders:
    """What decides in one simulated run: one object per role, batchers made per replica."""

    def __init__(
        self,
        policy: ServingPolicy,
        scenario: Any,
        streams: Streams,
        *,
        dispatcher: Dispatcher | None = None,
        scaler: Scaler | None = None,
    ) -> None:
        """With `dispatcher` or `scaler` that one decides instead of the policy's own."""
        from hocket.serving.facts import fleet_of

        fleet = fleet_of(scenario)
        self.policy, self._scenario, self._streams = policy, scenario, streams
        self.dispatcher = dispatcher or policy.dispatcher(fleet, streams)
        self.rescheduler = policy.rescheduler(fleet, streams)
        self.scaler = scaler or policy.scaler(fleet, streams)

    def batcher(self, replica: str, pool: Any) -> Batcher:
        """A batcher for a replica of a pool."""
        from hocket.serving.facts import engine_of

        streams = self._streams.child(f"policy.{replica}")
        engine = engine_of(self._scenario, pool, replica, self._streams.seed)
        return self.policy.batcher(engine, streams)


class BatchingPolicy(ServingPolicy, frozen=True):
    """A policy of the batching role; alone, requests go to the replica with fewest of them."""

    role: ClassVar[str] = "batching"

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See ServingPolicy.batcher."""
        raise NotImplementedError(f"{type(self).__name__} has no batcher(engine, streams)")


class DispatchPolicy(ServingPolicy, frozen=True):
    """A policy of the dispatch role; alone, every replica batches as vLLM does."""

    role: ClassVar[str] = "dispatch"

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """See ServingPolicy.dispatcher."""
        raise NotImplementedError(f"{type(self).__name__} has no dispatcher(fleet, streams)")


class ReschedulingPolicy(ServingPolicy, frozen=True):
    """A policy of the rescheduling role; alone, plain dispatch and batching join it."""

    role: ClassVar[str] = "rescheduling"

    def rescheduler(self, fleet: Fleet, streams: Streams) -> Rescheduler:
        """See ServingPolicy.rescheduler."""
        raise NotImplementedError(f"{type(self).__name__} has no rescheduler(fleet, streams)")


class ScalingPolicy(ServingPolicy, frozen=True):
    """A policy of the scaling role; alone, plain dispatch and batching join it."""

    role: ClassVar[str] = "scaling"

    def scaler(self, fleet: Fleet, streams: Streams) -> Scaler:
        """See ServingPolicy.scaler."""
        raise NotImplementedError(f"{type(self).__name__} has no scaler(fleet, streams)")


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
