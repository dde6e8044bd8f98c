"""Small clusters whose capacity is known, or quickly found by looking at everything."""

from __future__ import annotations

from itertools import product
from typing import Any

from msgspec.structs import replace

from hocket.core.disturb.arrivals import Deterministic
from hocket.core.load import load_policy
from hocket.core.run import run
from hocket.serving.capacity.fleet import Configuration, Counts, configurations, fleet
from hocket.serving.cost import Constant
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.model.search import Search
from hocket.serving.workload import Fixed, LogNormal, Random, Rate, Separate

ONE_AT_A_TIME = {"policy": "serving/vllm-v1", "seqs": 1}
SERVICE = 0.1  # seconds that a replica of `line` works on a request


def line(rate: float, *, count: int = 200, replicas: int = 1, **search: Any) -> Cluster:
    """Requests that come evenly and take `SERVICE` each: c replicas serve c / SERVICE a second.

    The SLO leaves no time to wait for another request.
    """
    lengths = Separate(prompt=Fixed(tokens=10), output=Fixed(tokens=1))
    arrivals = Deterministic(interval=round(1e6 / rate))
    found = {"policies": (ONE_AT_A_TIME,), "most": 8} | search
    return Cluster(
        name="line",
        workload=Random(count=count, arrivals=arrivals, lengths=lengths),
        pools=(Pool(cost=Constant(seconds=SERVICE), count=replicas, kv_blocks=1000),),
        slo=Slo(ttft=150_000, share=0.95),
        search=Search(**found),
    )


def chats(
    seed: int = 0, rate: float = 8.0, count: int = 60, slo: Slo | None = None, **search: Any
) -> Cluster:
    """Requests of different lengths at random times, on replicas by the roofline."""
    lengths = Separate(
        prompt=LogNormal(median=800, p90=3000, cap=6000),
        output=LogNormal(median=60, p90=200, cap=400),
    )
    world = Cluster(
        name="chats",
        workload=Random(count=count, arrivals=Rate(rate=rate), lengths=lengths),
        slo=slo or Slo(ttft=400_000, tpot=25_000, share=0.9),
        search=Search(**({"most": 4} | search)),
    )
    return replace(world, name=f"chats-{seed}")


def attained(world: Cluster, one: Configuration, counts: Counts, seed: int = 0) -> float:
    """The attainment of a fleet, by an ordinary run."""
    assert world.search is not None
    return run(fleet(world, world.search, one, counts), one.policy, seed).metrics["attainment"]


def everything(world: Cluster, seed: int = 0) -> dict[tuple[int, Counts], float]:
    """The attainment of every fleet of a search."""
    assert world.search is not None
    found, _ = configurations(world, world.search)
    numbers = range(1, world.search.most + 1)
    return {
        (i, counts): attained(world, one, counts, seed)
        for i, one in enumerate(found)
        for counts in product(numbers, repeat=len(one.cuts))
    }


def monotone(attainments: dict[tuple[int, Counts], float], share: float) -> bool:
    """Whether more replicas never make a fleet miss the SLO that fewer meet."""
    meets = {key: attainment >= share for key, attainment in attainments.items()}
    return all(
        meets[i, counts] or not meets[i, fewer]
        for (i, counts), (j, fewer) in product(meets, repeat=2)
        if i == j and all(map(int.__ge__, counts, fewer))
    )


def policy(name: str, **fields: Any) -> Any:
    """A policy by name."""
    return load_policy(name, **fields)
