"""Generators of clusters with their requests, and named ones that need no file."""

from __future__ import annotations

from hocket.core.domain import Generator
from hocket.core.errors import UnknownName
from hocket.serving.generate.chat import BurstyChat, Chat, Talks
from hocket.serving.generate.pressure import Pressure
from hocket.serving.generate.published import Llumnix, PastFuture
from hocket.serving.model.cluster import Cluster

GENERATORS: tuple[type[Generator], ...] = (
    Chat,
    BurstyChat,
    Talks,
    Llumnix,
    PastFuture,
    Pressure,
)

NAMED: dict[str, Llumnix | PastFuture | Chat] = {
    "llumnix-ss": Llumnix(prompt=128, output=128, rate=36.0),
    "llumnix-mm": Llumnix(prompt=256, output=256, rate=7.7),
    "llumnix-ll": Llumnix(prompt=512, output=512, rate=2.9),
    "llumnix-sl": Llumnix(prompt=128, output=512, rate=4.2),
    "llumnix-ls": Llumnix(prompt=512, output=128, rate=16.0),
    "past-future-1": PastFuture(distribution=1),
    "past-future-2": PastFuture(distribution=2),
    "past-future-3": PastFuture(distribution=3),
    "chat": Chat(),
}
"""Published workloads, each at one of the rates that its paper measures; `chat` is ours."""

__all__ = ["GENERATORS", "NAMED", "named", "names"]


def names() -> list[str]:
    """The clusters that need no file."""
    return [*NAMED]


def named(name: str) -> Cluster:
    """The cluster of this name. Raises UnknownName."""
    if name not in NAMED:
        hint = f"Clusters that need no file are {', '.join(NAMED)}."
        raise UnknownName("instance", name, names(), hint)
    found: Cluster = NAMED[name].make()
    return found
