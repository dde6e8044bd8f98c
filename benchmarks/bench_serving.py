"""How fast a serving cluster is simulated: 100,000 chat requests on 16 replicas, on one core.

    pytest benchmarks/bench_serving.py -s -p no:xdist

Seconds are of processor time, so that neighbours on the machine do not count. The peer is the plain
replica, which walks through all requests at every iteration and must give the same timeline; it is
shown fewer requests, and more of them run at a time, the further it falls behind. Vidur, measured
on two cores of the same kind, plays 120 to 135 requests per second.
"""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest

from hocket.core.load import load_policy
from hocket.core.timeline import Timeline
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.simulate.cluster import simulate
from hocket.serving.simulate.plain import PlainReplica
from hocket.serving.workload import LogNormal, Random, Rate, Separate

REPLICAS, RATE = 16, 8.0  # requests per second and replica: near what one can take
BUDGET = 60.0
VIDUR = 130.0


def chat(count: int, *, replicas: int = REPLICAS, rate: float = RATE, answer: int = 129) -> Cluster:
    """Chat requests with lengths like those of the Azure 2023 conversation trace."""
    lengths = Separate(
        prompt=LogNormal(median=1000, p90=2700, cap=8000),
        output=LogNormal(median=answer, p90=3.5 * answer, cap=15 * answer),
    )
    arrivals = Rate(rate=rate * replicas)
    return Cluster(
        workload=Random(count=count, lengths=lengths, arrivals=arrivals),
        pools=(Pool(count=replicas),),
    )


def timed(scenario: Cluster, policy: str, **how: Any) -> tuple[float, Timeline]:
    """Seconds of processor time of a run, and what happened."""
    decider = load_policy(policy)
    begun = time.process_time()
    timeline = simulate(scenario, decider, **how)
    return time.process_time() - begun, timeline


def iterations(timeline: Timeline) -> int:
    """Iterations of all replicas."""
    return sum(tally.value * tally.count for tally in timeline.tallies("iterations"))


@pytest.mark.parametrize("policy", ["serving/vllm-v1", "serving/vllm-v0", "serving/llumnix"])
def test_a_hundred_thousand_requests(policy: str) -> None:
    count = 100_000
    seconds, timeline = timed(chat(count), policy)
    steps = iterations(timeline)
    print(
        f"\n{policy}: {count:,} requests on {REPLICAS} replicas in {seconds:.1f} s: "
        f"{count / seconds:,.0f} requests/s, {steps / seconds:,.0f} iterations/s, "
        f"{timeline.end / 1e6 / seconds:.0f} x real time, {count / seconds / VIDUR:.0f} x Vidur"
    )
    assert seconds < BUDGET


def test_beside_the_plain_loop() -> None:
    scenario = chat(4_000, replicas=2)
    quick, fast = timed(scenario, "serving/vllm-v1")
    slow, plain = timed(scenario, "serving/vllm-v1", replica=PlainReplica)
    assert sorted(fast.spans()) == sorted(plain.spans())
    print(
        f"\nplain loop {slow:.1f} s, {iterations(plain) / slow:,.0f} iterations/s; "
        f"fast {quick:.2f} s: {slow / quick:.0f} times as fast"
    )
    assert slow > 3 * quick


def test_memory_does_not_grow_with_tokens() -> None:
    """Four times the tokens at a quarter of the rate: as many records, and no more memory."""
    peaks, records = [], []
    for answer, rate in ((50, 4.0), (200, 1.0)):
        tracemalloc.start()
        _, timeline = timed(chat(4_000, replicas=2, rate=rate, answer=answer), "serving/vllm-v1")
        peaks.append(tracemalloc.get_traced_memory()[1] / 2**20)
        tracemalloc.stop()
        records.append(len([*timeline.spans()]) + len([*timeline.points()]))
    print(f"\npeak memory {peaks[0]:.1f} MiB, with 4 times the tokens {peaks[1]:.1f} MiB")
    assert abs(records[0] - records[1]) < records[0] / 100  # an answer of one token has no decode
    assert peaks[1] < 1.5 * peaks[0]
