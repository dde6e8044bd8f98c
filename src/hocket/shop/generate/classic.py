"""What the generators share: field types, streams of seeds, and a job shop from plain lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from hocket.core.streams import Streams
from hocket.shop.generate.lehmer import MODULUS
from hocket.shop.model import Job, JobShop, Machine, Operation

Count = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
"""A number of jobs, machines or the like."""


def lehmer_seed(streams: Streams, name: str) -> int:
    """A seed for the published generators, drawn from the stream of this name."""
    return int(streams[name].integers(1, MODULUS))


def classic(
    name: str,
    routes: Sequence[Sequence[int]],
    durations: Sequence[Sequence[int]],
    machines: int,
    blocking: Literal["no", "swap", "no-swap"] = "no",
) -> JobShop:
    """The job shop whose job i visits ``routes[i]`` (from 0) for ``durations[i]`` ticks each.

    Jobs are named j0, j1, ... and machines m0, m1, ...
    """
    names = [f"m{m}" for m in range(machines)]
    jobs = tuple(
        Job(
            name=f"j{i}",
            operations=tuple(
                Operation(machine=names[m], duration=d) for m, d in zip(route, times, strict=True)
            ),
        )
        for i, (route, times) in enumerate(zip(routes, durations, strict=True))
    )
    return JobShop(
        name=name, jobs=jobs, machines=tuple(Machine(name=n) for n in names), blocking=blocking
    )
