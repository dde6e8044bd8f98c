"""A placement as a scenario: its instances as pools, and its goodput in hocket's own engine.

There memory is in blocks that run out, handing over takes time, and schedulers are policies, none
of which the placement search models.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from hocket.serving.disaggregation import published
from hocket.serving.disaggregation.configurations import Pair, Parallel
from hocket.serving.disaggregation.goodput import Ints, Target, bisect
from hocket.serving.disaggregation.placement import Plan
from hocket.serving.disaggregation.ring import Times
from hocket.serving.metrics import metrics, requests_table
from hocket.serving.model.cluster import Cluster, Link, Pool, Slo
from hocket.serving.roles.cluster import Role
from hocket.serving.roles.policy import ServingPolicy
from hocket.serving.simulate.cluster import simulate
from hocket.serving.workload import Pairs, Random, Rate, Trace

NVLINK = Link(bandwidth=300.0)
"""What joins GPUs of an A100 node, one way: DistServe hands over within nodes only."""


def published_pool(
    model: str, role: Role, cut: Parallel, engine: str = "distserve", count: int = 1
) -> Pool:
    """A pool with the times and the memory that DistServe's authors measured on A100 80 GB.

    Its name is its role. Raises UnknownName, and NotApplicable where they published no times.
    """
    return Pool(
        name=role,
        role=role,
        model=model,
        gpu="A100-80GB",
        tp=cut.tp,
        pp=cut.pp,
        count=count,
        cost=published.coefficients(model, cut.tp, engine),
        kv_blocks=max(1, published.memory(model).get(cut, 0) // 16),
    )


def published_pools(plan: Plan, model: str, engine: str = "distserve") -> tuple[Pool, ...]:
    """The pools of a plan that was made from the published profile of a model."""
    if plan.decode is None:
        return (published_pool(model, "both", plan.prefill, engine, plan.copies),)
    return (
        published_pool(model, "prefill", plan.prefill, engine, plan.copies),
        published_pool(model, "decode", plan.decode, engine, plan.decode_copies),
    )


def published_pair(model: str, pair: Pair) -> tuple[Pool, Pool]:
    """The two pools, of one replica each, of a pair on the authors' engine."""
    return (
        published_pool(model, "prefill", pair.prefill),
        published_pool(model, "decode", pair.decode),
    )


def deployed(pools: tuple[Pool, ...], rows: Ints, rate: float, target: Target) -> Cluster:
    """A scenario: as many requests as `rows` (prompt, output), drawn from them, at `rate` per s."""
    prompt, output = (tuple(column) for column in rows.T.tolist())
    lengths = Pairs(prompt=prompt, output=output)
    return Cluster(
        workload=Random(count=len(rows), lengths=lengths, arrivals=Rate(rate=rate)),
        pools=pools,
        link=NVLINK,
        slo=Slo(ttft=round(target.ttft * 1000), tpot=round(target.tpot * 1000), share=target.share),
        gauge_every=0,
    )


def engine_goodput(
    pools: tuple[Pool, ...],
    policy: ServingPolicy,
    rows: Ints,
    target: Target,
    *,
    most: float = 16.0,
    step: float = 0.25,
    seed: int = 0,
) -> float:
    """The highest rate per GPU, in requests/s, at which simulated replicas meet the target.

    Searched as by `goodput`. Requests that the engine rejects count as late.
    """

    def passes(per_gpu: float) -> bool:
        found = engine_figures(pools, policy, rows, per_gpu, target, seed)
        if target.joint:
            return found["attainment"] >= target.share
        return min(found["attainment_ttft"], found["attainment_tpot"]) >= target.share

    return bisect(passes, most, step)


def engine_figures(
    pools: tuple[Pool, ...],
    policy: ServingPolicy,
    rows: Ints,
    per_gpu: float,
    target: Target,
    seed: int = 0,
) -> dict[str, float]:
    """The metrics of a run with as many requests as `rows` at `per_gpu` requests/s for each GPU."""
    gpus = sum(pool.gpus * pool.count for pool in pools)
    cluster = deployed(pools, rows, per_gpu * gpus, target)
    return metrics(cluster, simulate(cluster, policy, seed=seed))


def ample(pools: tuple[Pool, ...]) -> tuple[Pool, ...]:
    """The same replicas with so much key-value memory that it does not matter."""
    return tuple(replace(pool, kv_blocks=10**6) for pool in pools)


def in_engine(
    pools: tuple[Pool, ...],
    policy: ServingPolicy,
    arrival: Sequence[float],
    prompt: Sequence[int],
    output: Sequence[int],
) -> Times:
    """What `ring.simulate` answers, from hocket's engine: for comparing the two.

    Memory and links are made so large that they do not matter. A request of the ring simulator
    decodes `output` times, one of the engine once less, its first token being the prefill's; it is
    asked for one more here.
    """
    requests = Trace(
        arrival=tuple(round(at * 1e6) for at in arrival),
        prompt=tuple(prompt),
        output=tuple(tokens + 1 for tokens in output),
    )
    cluster = Cluster(
        time_unit="ns",
        workload=requests,
        pools=ample(pools),
        link=Link(bandwidth=1e9),
        gauge_every=0,
    )
    table = requests_table(cluster, simulate(cluster, policy))
    tokens = np.maximum(np.array(output), 1)
    columns = (table.ttft, (table.e2e - table.ttft) / tokens, table.finish)
    return Times(*(np.asarray(column * 1e3, dtype=np.float64) for column in columns))
