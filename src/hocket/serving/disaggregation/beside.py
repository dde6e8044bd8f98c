"""A split placement in hocket's own engine, beside vLLM's scheduler on as many GPUs."""

from __future__ import annotations

from typing import NamedTuple

from hocket.serving.disaggregation.configurations import Pair, Parallel
from hocket.serving.disaggregation.deploy import (
    ample,
    engine_figures,
    engine_goodput,
    published_pair,
    published_pool,
)
from hocket.serving.disaggregation.goodput import Ints, Target
from hocket.serving.metrics import metrics
from hocket.serving.metrics.read import seconds_per_tick
from hocket.serving.model.cluster import Cluster
from hocket.serving.policies.distserve import DistServe
from hocket.serving.policies.vllm import VllmV0
from hocket.serving.simulate.cluster import simulate


class Beside(NamedTuple):
    """Goodput per GPU, in requests/s, of a pair and of colocated `replicas`.

    - `split`: of the pair; `ample`: with so much memory that it does not matter
    - `vllm`: of vLLM with the times fitted to it; `equal`: of its scheduler on the pair's times
    - `late`: the metrics of the pair one step above `split`
    """

    replicas: int
    split: float
    ample: float
    vllm: float
    equal: float
    late: dict[str, float]


def beside_vllm(
    model: str, pair: Pair, cut: Parallel, rows: Ints, target: Target, *, step: float
) -> Beside:
    """A pair, and as many colocated replicas of `cut` as fill its GPUs, up to 8 requests/s per GPU.

    Times and memory are those that DistServe's authors measured. Raises UnknownName, and
    NotApplicable where they published no times.
    """
    count = pair.gpus // cut.gpus
    split = published_pair(model, pair)
    own, same = (
        (published_pool(model, "both", cut, engine, count),) for engine in ("vllm", "distserve")
    )
    served, roomy, vllm, equal = (
        engine_goodput(pools, policy, rows, target, most=8.0, step=step)
        for pools, policy in (
            (split, DistServe()),
            (ample(split), DistServe()),
            (own, VllmV0()),
            (same, VllmV0()),
        )
    )
    late = engine_figures(split, DistServe(), rows, served + step, target)
    return Beside(count, served, roomy, vllm, equal, late)


def transfers(cluster: Cluster, long: int) -> tuple[float, float]:
    """Shares: of all latency that handing over takes, and of transfers of `long` ticks or more."""
    timeline = simulate(cluster, DistServe())
    moved = [span.end - span.start for span in timeline.spans("transfer")]
    if not moved:
        return 0.0, 0.0
    latency = metrics(cluster, timeline)["e2e_mean"] / seconds_per_tick(timeline) * len(moved)
    return sum(moved) / latency, sum(ticks >= long for ticks in moved) / len(moved)
