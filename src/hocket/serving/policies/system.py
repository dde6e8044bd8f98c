"""A system put together from policies of single roles."""

from __future__ import annotations

from typing import Any, ClassVar

from hocket.core.streams import Streams
from hocket.serving.roles.batching import Batcher
from hocket.serving.roles.cluster import Dispatcher, Rescheduler, Scaler
from hocket.serving.roles.facts import Engine, Fleet
from hocket.serving.roles.policy import (
    BATCHING,
    DISPATCH,
    Part,
    ServingPolicy,
    batching,
    dispatching,
    rescheduling,
    scaling,
)


class System(ServingPolicy, frozen=True):
    """One policy for every role: batching, dispatch, and if wanted rescheduling and scaling.

    Each field names a policy of that role, or is a mapping of its name and fields, such as
    ``{"policy": "serving/vllm-v1", "tokens": 512}``.
    """

    name: ClassVar[str] = "serving/system"
    batching: Part = BATCHING
    dispatch: Part = DISPATCH
    rescheduling: Part | None = None
    scaling: Part | None = None

    def __post_init__(self) -> None:
        """Refuse parts that are no policies of their roles. Raises UnknownName, UserError."""
        self.parts()

    def parts(self) -> tuple[ServingPolicy, ...]:
        """The policies that are combined."""
        found: list[ServingPolicy] = [batching(self.batching), dispatching(self.dispatch)]
        if self.rescheduling is not None:
            found.append(rescheduling(self.rescheduling))
        if self.scaling is not None:
            found.append(scaling(self.scaling))
        return tuple(found)

    def __str__(self) -> str:
        """Its parts by their short names: ``serving/system(sarathi + infaas)``."""
        inside = " + ".join(str(part).removeprefix("serving/") for part in self.parts())
        return f"{self.name}({inside})"

    def refuses(self, scenario: Any) -> str:
        """See Policy.refuses."""
        told = ((part.name, part.refuses(scenario)) for part in self.parts())
        return "; ".join(f"{name}: {why}" for name, why in told if why)

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See ServingPolicy.batcher."""
        return batching(self.batching).batcher(engine, streams)

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """See ServingPolicy.dispatcher."""
        return dispatching(self.dispatch).dispatcher(fleet, streams)

    def rescheduler(self, fleet: Fleet, streams: Streams) -> Rescheduler | None:
        """See ServingPolicy.rescheduler."""
        moving = self.rescheduling
        return None if moving is None else rescheduling(moving).rescheduler(fleet, streams)

    def scaler(self, fleet: Fleet, streams: Streams) -> Scaler | None:
        """See ServingPolicy.scaler."""
        growing = self.scaling
        return None if growing is None else scaling(growing).scaler(fleet, streams)


POLICIES = (System,)
