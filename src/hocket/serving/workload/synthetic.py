"""Requests drawn at random: open loop (`Random`) and closed loop (`ClosedLoop`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
import numpy as np

from hocket.core.disturb.noise import Noise
from hocket.core.errors import Problem
from hocket.core.scenario import Ticks, TimeUnit
from hocket.core.streams import Streams
from hocket.serving.model.requests import Ints, Requests, requests
from hocket.serving.workload.arrivals import Arrivals, arrival_problems, arrival_times
from hocket.serving.workload.lengths import Lengths, Tokens
from hocket.serving.workload.trace import Priority

Count = Annotated[int, msgspec.Meta(ge=1, le=10**7)]


class Tenant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A class of clients: `weight` is its part of the requests, next to those of the others.

    `priority` is that of its requests: the smaller the more urgent, 0 is normal.
    """

    name: str = ""
    weight: Annotated[float, msgspec.Meta(gt=0, le=1e12)] = 1.0
    priority: Priority = 0


class _Drawn(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    """What random workloads share.

    - `count`: how many requests
    - `lengths`: of prompts and answers
    - `limit`: most tokens that clients allow an answer; longer ones are cut there
    - `tenants`: who sends them
    """

    count: Count
    lengths: Lengths
    limit: Tokens | None = None
    tenants: tuple[Tenant, ...] = (Tenant(),)

    def _drawn(self, streams: Streams) -> dict[str, object]:
        """The columns that do not depend on time."""
        prompt, output = self.lengths.draw_pairs(streams, self.count)
        tenant = drawn_tenants(self.tenants, streams, self.count)
        priorities = np.array([one.priority for one in self.tenants], dtype=np.int64)
        return {
            "prompt": prompt,
            "output": output,
            "limit": None if self.limit is None else np.full(self.count, self.limit),
            "tenant": tenant,
            "priority": priorities[tenant],
            "tenants": tuple(one.name for one in self.tenants),
        }

    def _problems(self, path: str) -> Iterator[Problem]:
        yield from self.lengths.problems(f"{path}.lengths")
        yield from tenant_problems(self.tenants, f"{path}.tenants")


class Random(_Drawn, frozen=True, kw_only=True, tag="random"):
    """Requests that arrive whatever becomes of those before them: an open loop.

    Lengths, arrivals and tenants have random streams of their own: another rate meets the same
    requests, only closer together.
    """

    arrivals: Arrivals

    def problems(self, path: str) -> Iterator[Problem]:
        """What is wrong beyond types."""
        yield from self._problems(path)
        yield from arrival_problems(self.arrivals, self.count, f"{path}.arrivals")

    def draw(self, streams: Streams, unit: TimeUnit) -> Requests:
        """The requests of one run."""
        arrival = arrival_times(self.arrivals, streams["workload.arrivals"], self.count, unit)
        return requests(arrival=arrival, **self._drawn(streams))  # type: ignore[arg-type]


class ClosedLoop(_Drawn, frozen=True, kw_only=True, tag="closed-loop"):
    """`clients` that each send a request, wait for its answer, think, and send the next.

    The think time has mean `think` and is multiplied by `noise`, if there is any. All clients send
    their first request at the start.
    """

    clients: Count
    think: Ticks = 0
    noise: Noise | None = None

    def problems(self, path: str) -> Iterator[Problem]:
        """What is wrong beyond types."""
        yield from self._problems(path)

    def draw(self, streams: Streams, unit: TimeUnit) -> Requests:
        """The requests of one run."""
        arrival = np.full(self.count, -1, dtype=np.int64)
        arrival[: self.clients] = 0
        delay = think_times(self.think, self.noise, streams, self.count)
        return requests(
            arrival=arrival,
            delay=delay,
            clients=min(self.clients, self.count),
            **self._drawn(streams),  # type: ignore[arg-type]
        )


def think_times(think: int, noise: Noise | None, streams: Streams, count: int) -> Ints:
    """How long clients take to send the next request, in ticks, shape ``(count,)``."""
    nominal = np.full(count, think, dtype=np.int64)
    return nominal if noise is None else noise.sample(streams["workload.think"], nominal)


def drawn_tenants(tenants: tuple[Tenant, ...], streams: Streams, count: int) -> Ints:
    """Whose request each is: indices of `tenants`, shape ``(count,)``."""
    if len(tenants) == 1:
        return np.zeros(count, dtype=np.int64)
    below = np.cumsum([tenant.weight for tenant in tenants])
    drawn = streams["workload.tenants"].random(count) * below[-1]
    found: Ints = np.searchsorted(below, drawn, side="right")
    return np.minimum(found, len(tenants) - 1)


def tenant_problems(tenants: tuple[Tenant, ...], path: str) -> Iterator[Problem]:
    """Tenants that cannot be told apart, or none."""
    if not tenants:
        yield Problem(path, "there are no tenants: leave the field out, or name one")
    names = [tenant.name for tenant in tenants]
    for i, name in enumerate(names):
        if name in names[:i]:
            yield Problem(f"{path}[{i}].name", f"{name!r} is the name of an earlier tenant")
