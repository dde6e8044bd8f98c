"""What tensor parallelism sends: two all-reduces of the hidden state per layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hocket.serving import catalogue

if TYPE_CHECKING:
    from hocket.serving.model.cluster import Pool

EFFICIENCY = 0.7
SYNC = 10e-6


def all_reduce(
    pool: Pool, efficiency: float = EFFICIENCY, sync: float = SYNC
) -> tuple[float, float]:
    """Seconds of one stage for all-reduces: per iteration, and per token in it.

    A ring sends 2 (tp - 1) / tp of the data over every link, which reaches `efficiency` of its
    bandwidth; each all-reduce takes `sync` seconds however little there is to send.
    """
    if pool.tp == 1:
        return 0.0, 0.0
    model, gpu = catalogue.model(pool.model), catalogue.gpu(pool.gpu)
    times = 2 * model.layers / pool.pp
    sent = 2 * (pool.tp - 1) / pool.tp * model.hidden * model.dtype_bytes
    one_way = gpu.link / 2 * 1e9
    return times * sync, times * sent / (one_way * efficiency)
