"""A policy in a file of one's own: all requests go to the engine named last, and keep moving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from hocket.core.streams import Streams
from hocket.serving.roles.batching import ReplicaView, Request
from hocket.serving.roles.cluster import (
    ClusterView,
    Copying,
    Dispatcher,
    Move,
    Rescheduler,
    Send,
)
from hocket.serving.roles.facts import Fleet
from hocket.serving.roles.policy import ServingPolicy


class Shuttle(ServingPolicy, frozen=True):
    """Requests go to the engine named last; every `period` ticks one moves to the next."""

    name: ClassVar[str] = "serving/shuttle"
    period: int = 20_000

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Dispatcher:
        """See ServingPolicy.dispatcher."""
        return Last()

    def rescheduler(self, fleet: Fleet, streams: Streams) -> Rescheduler:
        """See ServingPolicy.rescheduler."""
        return Onwards(self.period)


class Last:
    """The engine named last."""

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        """See Dispatcher.dispatch."""
        return Send(view.names[-1], "the last")


class Onwards:
    """Moves the request that has run for longest from the fullest engine to the one before it."""

    reports = 0
    copying = Copying()

    def __init__(self, period: int) -> None:
        self.period = period

    def plan(self, view: ClusterView) -> Sequence[Move]:
        """See Rescheduler.plan."""
        names = list(view.names)
        fullest = max(range(len(names)), key=lambda place: view.outstanding(names[place]))
        if not view.outstanding(names[fullest]):
            return []
        return [Move(names[fullest], names[fullest - 1], "onwards")]

    def choose(self, view: ReplicaView) -> str:
        """See Rescheduler.choose."""
        return view.running[0].id if view.running else ""
