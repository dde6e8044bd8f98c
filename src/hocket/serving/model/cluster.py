"""A cluster that serves a language model: replicas in pools, links, a workload, a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.errors import Problem
from hocket.core.scenario import Scenario, Ticks, TimeUnit
from hocket.serving import memory
from hocket.serving.cost import CostConfig, Roofline, sanity
from hocket.serving.model.references import REFERENCES
from hocket.serving.model.search import Search
from hocket.serving.roles.cluster import Role
from hocket.serving.workload import Trace, Workload

Positive = Annotated[int, msgspec.Meta(ge=1, le=2**40)]
Replicas = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Slo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The service level objective; what is None is not asked for.

    `ttft`: time to the first token; `tpot`: mean time per further token of a request; `gap`: the
    longest time between two tokens of a request; `e2e`: from arrival to the last token. `share` is
    the share of requests that must meet all of these.
    """

    ttft: Ticks | None = None
    tpot: Ticks | None = None
    gap: Ticks | None = None
    e2e: Ticks | None = None
    share: Share = 0.9


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What joins two replicas: `bandwidth` in GB/s (10^9 bytes), `latency` per transfer."""

    bandwidth: Annotated[float, msgspec.Meta(ge=1e-6, le=1e9)] = 25.0
    latency: Ticks = 0


class Pool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Equal replicas: `count` of them, each on `tp` x `pp` GPUs of one kind.

    - `model`, `gpu`: names of the catalogue (`hocket list serving`); either may be empty where
      `kv_blocks`, `max_context` and a `cost` that asks for neither tell enough
    - `role`: whether its replicas prefill, decode, or do both
    - `serves`: the tenants whose requests it takes, all if empty. With a tenant for each model a
      cluster serves several
    - `cost`: what iterations cost
    - `block_size`: tokens per block of memory; `kv_blocks`: how many blocks a replica has, computed
      from GPU, model and `memory_utilization` if None
    - `host_blocks`: blocks of host memory for requests that are swapped out, over `host_link`
    - `prefix_cache`: whether blocks of finished prompts are kept and shared
    - `max_context`: most tokens of prompt and answer together; the model's own if None. Models
      with rotary positions may be given more than their own
    - `start_up`: how long a replica takes from its order to its first iteration
    - `most`: how many replicas scaling may make of it
    - `breakdowns`: when replicas fail and are repaired, each with luck of its own
    """

    name: str = "replica"
    count: Replicas = 1
    gpu: str = "A100-80GB"
    model: str = "llama-3.1-8b"
    tp: Positive = 1
    pp: Positive = 1
    role: Role = "both"
    serves: tuple[str, ...] = ()
    cost: CostConfig = Roofline()
    block_size: Annotated[int, msgspec.Meta(ge=1, le=2**20)] = 16
    kv_blocks: Positive | None = None
    memory_utilization: Share = 0.9
    host_blocks: Annotated[int, msgspec.Meta(ge=0, le=2**40)] = 0
    host_link: Link = Link(bandwidth=25.0)
    prefix_cache: bool = False
    max_context: Positive | None = None
    start_up: Ticks = 0
    most: Replicas = 64
    breakdowns: Breakdowns | None = None

    def takes(self, tenant: str) -> bool:
        """Whether requests of this tenant may come here."""
        return not self.serves or tenant in self.serves

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tp * self.pp


class Cluster(
    Scenario,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="problem",
    tag="serving/cluster",
):
    """Requests for language models, and the replicas that answer them.

    - `pools`: the replicas at the start
    - `link`: what joins replicas, for migration and for handing over from prefill to decode
    - `slo`: what goodput and attainment are measured by
    - `gauge_every`: least ticks between two readings of a replica's gauges in the timeline
    - `dispatcher_outages`: windows ``[from, to)`` in which the global scheduler is down: requests
      go round robin, and nothing is migrated or scaled
    - `search`: what `hocket solve` may choose from
    """

    time_unit: TimeUnit = "us"
    workload: Workload
    pools: tuple[Pool, ...] = (Pool(),)
    link: Link = Link()
    slo: Slo = Slo()
    gauge_every: Ticks = 1_000_000
    dispatcher_outages: tuple[tuple[Ticks, Ticks], ...] = ()
    search: Search | None = None

    @classmethod
    def expand(cls, data: dict[str, Any], folder: Path) -> dict[str, Any]:
        """See Scenario.expand: a workload may name a log, a pool's cost a calibrated model."""
        from hocket.serving.formats.expand import expand_workload
        from hocket.serving.formats.pools import expand_pools, expand_search

        return expand_search(expand_pools(expand_workload(data, folder), folder), folder)

    @classmethod
    def references(cls) -> Mapping[str, tuple[type[msgspec.Struct], ...]]:
        """See Scenario.references."""
        return REFERENCES

    def problems(self) -> Iterator[Problem]:
        """See Scenario.problems."""
        if self.time_unit not in ("ns", "us", "ms"):
            message = "iterations last milliseconds: count in something shorter, such as us"
            yield Problem("time_unit", message)
        yield from self.workload.problems("workload")
        if not self.pools:
            yield Problem("pools", "no replicas: give at least one pool")
        seen: set[str] = set()
        for i, pool in enumerate(self.pools):
            if pool.name in seen:
                yield Problem(f"pools[{i}].name", f"{pool.name!r} is the name of an earlier pool")
            seen.add(pool.name)
            yield from _pool_problems(f"pools[{i}]", pool, self.search is not None and i == 0)
        yield from self._prefixes()
        yield from self._roles()
        for i, (start, end) in enumerate(self.dispatcher_outages):
            if end <= start:
                yield Problem(f"dispatcher_outages[{i}]", f"ends at {end}, not after {start}")
        if self.search is not None:
            yield from self.search.problems("search", self.pools[0] if self.pools else None)

    def notes(self) -> tuple[str, ...]:
        """See Scenario.notes: what the reader of a log left out or put in order."""
        return self.workload.notes if isinstance(self.workload, Trace) else ()

    def _prefixes(self) -> Iterator[Problem]:
        untold = isinstance(self.workload, Trace) and not self.workload.prefix
        unit = 0 if untold else getattr(self.workload, "prefix_block", 0)
        for i, pool in enumerate(self.pools):
            if pool.prefix_cache and unit % pool.block_size:
                message = (
                    f"{pool.block_size} tokens; the workload tells prefixes in blocks of {unit}, "
                    f"which must be a multiple"
                )
                yield Problem(f"pools[{i}].block_size", message)

    def _roles(self) -> Iterator[Problem]:
        roles = {pool.role for pool in self.pools if pool.count}
        if self.pools and not roles:
            yield Problem("pools", "every pool has count 0: nothing can serve at the start")
        for needed, other in (("prefill", "decode"), ("decode", "prefill")):
            if needed in roles and other not in roles and "both" not in roles:
                yield Problem("pools", f"there are {needed} replicas but none for {other}")


def _pool_problems(path: str, pool: Pool, template: bool) -> Iterator[Problem]:
    """What is wrong with a pool; of a `template`, GPUs and cut are the search's to choose."""
    found = [
        *pool.cost.problems(f"{path}.cost", pool),
        *memory.problems(path, pool, template=template),
    ]
    if found or template:
        yield from found
    else:
        yield from sanity.problems(f"{path}.cost", pool)
