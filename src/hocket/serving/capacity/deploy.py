"""What is found as command lines of vLLM."""

from __future__ import annotations

from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.serving import catalogue
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.roles.batching import Limits


def commands(scenario: Cluster, policy: Policy) -> tuple[str, ...]:
    """How to start the replicas with vLLM, whose scheduler has decodes and prompt chunks share one
    budget; empty if the policy batches in another way.
    """
    deciders = policy.begin(scenario, Streams(0))
    found = []
    for pool in scenario.pools:
        limits: Limits = deciders.batcher(f"{pool.name}-0", pool).limits
        if limits.style != "mixed" or not limits.chunked or limits.tokens is None:
            return ()
        many = f"{pool.count} x" if pool.role == "both" else f"{pool.count} x ({pool.role})"
        found.append(f"{many} {command(pool, limits)}")
    if any(pool.role != "both" for pool in scenario.pools):
        found.append("and a --kv-transfer-config that joins prefill and decode replicas")
    return tuple(found)


def command(pool: Pool, limits: Limits) -> str:
    """The command line of one replica."""
    flags = [
        f"--max-num-batched-tokens {limits.tokens}",
        f"--max-num-seqs {limits.seqs}",
        f"--gpu-memory-utilization {pool.memory_utilization:g}",
        f"--block-size {pool.block_size}",
        "--enable-prefix-caching" if pool.prefix_cache else "--no-enable-prefix-caching",
    ]
    if pool.tp > 1:
        flags.insert(0, f"--tensor-parallel-size {pool.tp}")
    if pool.pp > 1:
        flags.insert(0, f"--pipeline-parallel-size {pool.pp}")
    if pool.max_context is not None:
        flags.append(f"--max-model-len {pool.max_context}")
    return " ".join(["vllm serve", catalogue.model(pool.model).source, *flags])
