"""A part of a log that stands for all of it: where most is asked for in the least time."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec.structs import replace

from hocket.core.streams import Streams
from hocket.serving.model.cluster import Cluster
from hocket.serving.model.requests import Requests
from hocket.serving.workload import recorded


def busiest(world: Cluster, count: int, seed: int) -> Cluster | None:
    """The scenario with only the `count` requests in a row that ask for most tokens per second.

    None for closed loops and conversations, which cannot be cut, and if there are no more requests
    than that.
    """
    drawn = world.workload.draw(Streams(seed), world.time_unit)
    if drawn.clients or np.any(drawn.follows >= 0) or len(drawn) <= count:
        return None
    tokens = np.append(0, np.cumsum(drawn.prompt + drawn.output))
    asked = tokens[count:] - tokens[:-count]
    length = drawn.arrival[count - 1 :] - drawn.arrival[: len(drawn) - count + 1]
    begin = int(np.argmax(asked / np.maximum(length, 1)))
    workload: Any = recorded(_rows(drawn, begin, begin + count))
    return replace(world, workload=workload)


def _rows(drawn: Requests, begin: int, end: int) -> Requests:
    """These requests alone, the first of them at tick 0."""
    names = ("prompt", "output", "limit", "priority", "tenant", "follows", "delay")
    columns: Any = {name: getattr(drawn, name)[begin:end] for name in names}
    return replace(
        drawn,
        arrival=drawn.arrival[begin:end] - drawn.arrival[begin],
        prefix=drawn.prefix[begin:end],
        names=drawn.names[begin:end],
        **columns,
    )
