"""Logs of requests that never were: what the simulator says under a cost model that is known."""

from pathlib import Path

import msgspec
import numpy as np

from hocket.serving.calibrate import Times, replay
from hocket.serving.cost import CostConfig, Linear
from hocket.serving.formats.measured import Measured, read_measured
from hocket.serving.model.cluster import Pool
from hocket.serving.policies.vllm import VllmV1

POOL = Pool(gpu="A100-80GB", model="llama-3.1-8b")
POLICY = VllmV1(tokens=512, seqs=32)
KNOWN = Linear(base=0.012, per_token=6e-5, per_pair=2e-9, per_decode=1.5e-4, per_context=1.2e-7)


def requests(count: int, rate: float, seed: int = 0) -> Measured:
    """Requests without times, `rate` per second."""
    rng = np.random.default_rng(seed)
    arrival = np.round(np.cumsum(rng.exponential(1 / rate, count)), 6)
    return Measured(
        arrival=arrival - arrival[0],
        prompt=rng.integers(20, 1200, count),
        output=rng.integers(2, 200, count),
        first_token=np.zeros(count),
        last_token=np.zeros(count),
    )


def served(log: Measured, cost: CostConfig, pool: Pool = POOL) -> Measured:
    """The same requests with the times that `cost` gives them."""
    times: Times = replay(log, msgspec.structs.replace(pool, cost=cost), POLICY)
    return msgspec.structs.replace(
        log, first_token=log.arrival + times.ttft, last_token=log.arrival + times.e2e
    )


def written(log: Measured, path: Path) -> Path:
    """The log as CSV, as anybody's front end might write it."""
    lines = ["arrival,prompt,output,ttft,e2e"]
    for i in range(len(log)):
        row = log.arrival[i], log.prompt[i], log.output[i], log.ttft[i], log.e2e[i]
        lines.append(",".join(f"{x:.6f}" if isinstance(x, float) else str(x) for x in row))
    path.write_text("\n".join(lines) + "\n")
    assert len(read_measured(path)) == len(log)
    return path
