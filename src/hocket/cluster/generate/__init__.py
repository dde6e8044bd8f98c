"""Published workloads of clusters, seeded, and small scenarios that need no file."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hocket.cluster.generate import analytics, macro
from hocket.cluster.generate.analytics import Micro
from hocket.cluster.generate.dynamic import SECOND, Churn
from hocket.cluster.generate.examples import EXAMPLES
from hocket.cluster.generate.macro import Macro
from hocket.cluster.generate.replicasets import ReplicaSets
from hocket.core.domain import Generator
from hocket.core.errors import UnknownName
from hocket.core.scenario import Scenario

GENERATORS: tuple[type[Generator], ...] = (ReplicaSets, Churn, Micro, Macro)

_DRAWN: dict[str, Generator] = {
    "replicasets": ReplicaSets(),
    "churn": Churn(nodes=8, duration=5 * 60 * SECOND),
    **analytics.NAMED,
    **macro.NAMED,
}

NAMED: dict[str, Callable[[], Scenario]] = {
    **EXAMPLES,
    **{name: generator.make for name, generator in _DRAWN.items()},
}
"""What makes the scenarios that need no file; those that are drawn are of seed 0."""

__all__ = ["GENERATORS", "NAMED", "named", "names"]


def names() -> list[str]:
    """The scenarios that need no file."""
    return list(NAMED)


def named(name: str) -> Scenario:
    """The scenario of a name. Raises UnknownName."""
    if name not in NAMED:
        hint = f"Scenarios that need no file are {', '.join(NAMED)}."
        raise UnknownName("instance", name, names(), hint)
    return msgspec.structs.replace(NAMED[name](), name=name)
