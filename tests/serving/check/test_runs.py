"""What the simulator does, its independent checker accepts; what it did not do, it rejects."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.load import load_policy
from hocket.core.registry import problem_type
from hocket.core.timeline import Timeline
from hocket.serving.check import check
from hocket.serving.metrics import metrics, requests_table
from hocket.serving.model.cluster import Cluster, Link, Pool, Slo
from hocket.serving.simulate.cluster import simulate
from hocket.serving.workload import Conversations, LogNormal, Random, Rate, Separate, Trace
from hocket.testing.mutations import check_the_checker

GPU: dict[str, Any] = {"gpu": "A100-80GB", "model": "llama-3.1-8b"}
LENGTHS = Separate(
    prompt=LogNormal(median=300, p90=1200, cap=3000), output=LogNormal(median=80, p90=250, cap=600)
)
CHAT = Random(count=150, lengths=LENGTHS, arrivals=Rate(rate=40.0))
TALK = Conversations(
    count=30,
    arrivals=Rate(rate=5.0),
    prompt=LogNormal(median=80, p90=200),
    output=LogNormal(median=60, p90=150),
    system=200,
)
FAILING = Breakdowns(mean_up=3e6, mean_down=1e6)


def world(*pools: Pool, **fields: Any) -> Cluster:
    return Cluster(
        **({"workload": CHAT, "slo": Slo(ttft=500_000, tpot=30_000)} | fields), pools=pools
    )


WORLDS = {
    "tight": world(Pool(count=2, kv_blocks=600, **GPU)),
    "swapping": world(Pool(count=2, kv_blocks=600, host_blocks=2000, **GPU)),
    "split": world(
        Pool(name="p", role="prefill", **GPU), Pool(name="d", role="decode", kv_blocks=900, **GPU)
    ),
    "slow link": world(Pool(count=3, kv_blocks=600, **GPU), link=Link(bandwidth=2.0, latency=500)),
    "failing": world(Pool(count=3, kv_blocks=900, breakdowns=FAILING, **GPU)),
    "pipeline": world(Pool(count=2, pp=2, kv_blocks=900, **GPU)),
    "conversations": world(Pool(count=2, prefix_cache=True, kv_blocks=600, **GPU), workload=TALK),
}
POLICIES = ("serving/vllm-v1", "serving/vllm-v0", "serving/sarathi", "serving/llumnix")


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("policy", POLICIES)
def test_the_checker_accepts_what_the_simulator_does(name: str, policy: str) -> None:
    scenario = WORLDS[name]
    timeline = simulate(scenario, load_policy(policy), seed=1)
    assert check(scenario, timeline) == []
    found = metrics(scenario, timeline)
    assert all(math.isfinite(value) for value in found.values())
    assert found["finished"] == found["requests"] > 0


def test_the_worlds_are_as_hard_as_they_are_meant_to_be() -> None:
    kinds: dict[str, Counter[str]] = {}
    for name, policy in (
        ("tight", "serving/vllm-v1"),
        ("swapping", "serving/distserve"),
        ("split", "serving/vllm-v1"),
        ("slow link", "serving/llumnix"),
        ("failing", "serving/vllm-v1"),
    ):
        timeline = simulate(WORLDS[name], load_policy(policy), seed=1)
        assert check(WORLDS[name], timeline) == []
        kinds[name] = Counter(span.kind for span in timeline.spans())
        kinds[name] += Counter(point.kind for point in timeline.points())
    assert kinds["tight"]["preempt"] > 5
    assert kinds["swapping"]["swap-in"] > 0
    assert kinds["split"]["transfer"] == 150
    assert kinds["slow link"]["migrate"] > 5
    assert kinds["failing"]["down"] > 0 and kinds["failing"]["lost"] > 0


def test_the_checker_rejects_runs_made_wrong() -> None:
    scenario = WORLDS["tight"]
    timeline = simulate(scenario, load_policy("serving/vllm-v1"))
    told = check_the_checker(problem_type(scenario), scenario, timeline)
    assert len(told) == 5


def test_what_is_too_long_is_refused_with_a_reason_that_holds() -> None:
    trace = Trace(arrival=(0, 0, 0), prompt=(1600, 1599, 100), output=(5, 5, 5000))
    scenario = world(Pool(kv_blocks=100, **GPU), workload=trace)
    timeline = simulate(scenario, load_policy("serving/vllm-v1"))
    assert check(scenario, timeline) == []
    table = requests_table(scenario, timeline)
    assert table.rejected.tolist() == [True, False, False]
    assert table.output.tolist() == [0, 1, 1500]


def test_gaps_and_latencies_tell_the_same() -> None:
    scenario = WORLDS["tight"]
    timeline: Timeline = simulate(scenario, load_policy("serving/sarathi"))
    table = requests_table(scenario, timeline)
    gaps = sum(tally.value * tally.count for tally in timeline.tallies("gap")) / 1e6
    between = (table.finish - table.first)[table.finished].sum()
    assert gaps == pytest.approx(between, rel=1e-3)
    tokens = sum(tally.count for tally in timeline.tallies("gap"))
    assert tokens == (table.output - 1).sum()
    assert (table.gap <= table.e2e).all()
