"""Clients that go away: where their requests are then, and what becomes of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.load import load_policy
from hocket.serving.check import check
from hocket.serving.cost import Constant
from hocket.serving.metrics import metrics
from hocket.serving.model.cluster import Cluster, Link, Pool
from hocket.serving.roles.batching import Limits
from hocket.serving.simulate.cluster import simulate
from hocket.serving.simulate.plain import PlainReplica
from hocket.serving.workload import Trace
from tests.serving.simulate.stand import Stand, live

TICK = Constant(seconds=0.01)


def ends(timeline) -> dict[str, tuple[str, int, str]]:
    found = [p for p in timeline.points() if p.kind in ("finish", "cancel", "reject")]
    return {point.group: (point.kind, point.time, point.name) for point in found}


def rows(timeline) -> dict[str, list]:
    """What is recorded; in which order at one tick on several replicas, is nobody's business."""
    return {
        name: sorted(zip(*table.values(), strict=True))
        for name, table in timeline.columns().items()
    }


def played(trace: Trace, *pools: Pool, policy: object = "serving/vllm-v1", **fields: object):
    """The timeline, which is the same with plain replicas and is possible."""
    scenario = Cluster(time_unit="ms", workload=trace, pools=pools, **fields)
    decides = load_policy(policy)
    timeline = simulate(scenario, decides)
    plain = simulate(scenario, decides, replica=PlainReplica)
    assert rows(plain) == rows(timeline)
    assert check(scenario, timeline) == []
    return timeline


def test_who_waits_goes_at_once_and_who_runs_at_the_end_of_the_iteration() -> None:
    pool = Pool(kv_blocks=4, block_size=4, cost=TICK)
    trace = Trace(
        arrival=(0, 0, 0, 0),
        prompt=(8, 8, 8, 4),
        output=(9, 3, 2, 1),
        cancel=(25, 3, 7, -1),
    )
    timeline = played(trace, pool)
    # r0 and r1 run from 0; r1's client goes at 3, so that it leaves at 10 with its first token, r2
    # waits and goes at 7, and r3 comes in at 10.
    assert ends(timeline) == {
        "r2": ("cancel", 7, "0"),
        "r1": ("cancel", 10, "1"),
        "r0": ("cancel", 30, "3"),
        "r3": ("finish", 20, ""),
    }


def test_an_answer_that_ends_with_the_iteration_is_given() -> None:
    trace = Trace(arrival=(0, 0), prompt=(8, 8), output=(2, 2), cancel=(15, 20))
    timeline = played(trace, Pool(cost=TICK))
    assert ends(timeline) == {"r0": ("finish", 20, ""), "r1": ("finish", 20, "")}


@pytest.mark.parametrize("chain", [{"clients": 1}, {"follows": (-1, 0)}], ids=str)
def test_the_end_by_cancellation_releases_the_next(chain: dict) -> None:
    trace = Trace(
        arrival=(0, 0), prompt=(8, 8), output=(50, 1), cancel=(12, -1), delay=(0, 4), **chain
    )
    timeline = played(trace, Pool(cost=TICK))
    assert ends(timeline) == {"r0": ("cancel", 20, "2"), "r1": ("finish", 34, "")}


def test_a_request_that_nobody_can_ever_serve_may_go() -> None:
    """Without its client the run would be stuck: the first never lets the second in."""
    trace = Trace(arrival=(0, 1), prompt=(12, 12), output=(2**20, 2), cancel=(40, -1))
    timeline = played(trace, Pool(kv_blocks=4, block_size=4, max_context=16, cost=TICK))
    assert ends(timeline)["r1"][0] == "finish"


def test_swapped_out_it_goes_at_once_and_leaves_the_host() -> None:
    pool = Pool(kv_blocks=5, block_size=4, host_blocks=8, host_link=Link(bandwidth=1e6), cost=TICK)
    stand = Stand(PlainReplica, pool, Limits(preemption="swap"))
    gone = live(1, 8, 3)
    stand.kernel.at(30, stand.cancel, gone)
    timeline = stand.run(live(0, 8, 5), gone)
    assert [p.name for p in timeline.points("preempt")] == ["swap 1"]
    assert ends(timeline)["r1"] == ("cancel", 30, "1")
    assert stand.replica._host_free == 8 and stand.replica.memory.used == 0


def test_a_request_on_its_way_from_prefill_to_decode_goes_when_it_has_come() -> None:
    slow = Link(bandwidth=8 * 131072 / 1e6, latency=0)  # a token of 128 KiB in 1/8 ms
    pools = (
        Pool(name="p", role="prefill", cost=TICK),
        Pool(name="d", role="decode", cost=TICK),
    )
    trace = Trace(arrival=(0, 0), prompt=(160, 160), output=(9, 9), cancel=(15, 2))
    timeline = played(trace, *pools, link=slow)
    (moved,) = timeline.spans("transfer")
    assert moved.group == "r0" and moved.end > 15
    # The prompt of r1 is complete at 10; it goes before it is sent.
    assert ends(timeline) == {"r1": ("cancel", 10, "1"), "r0": ("cancel", moved.end, "1")}


drawn = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 7, 30]),
        st.integers(1, 120),
        st.integers(1, 60),
        st.sampled_from([-1, -1, 0, 5, 40, 200, 900]),
    ),
    min_size=1,
    max_size=25,
)
FAILING = Breakdowns(mean_up=300, mean_down=50)
CLUSTERS = {
    "one": (Pool(kv_blocks=20, cost=TICK, prefix_cache=True),),
    "moving": (Pool(count=2, kv_blocks=20, cost=TICK),),
    "failing": (Pool(count=2, kv_blocks=20, cost=TICK, breakdowns=FAILING),),
    "apart": (
        Pool(name="p", role="prefill", cost=TICK, kv_blocks=30, breakdowns=FAILING),
        Pool(name="d", role="decode", cost=TICK, kv_blocks=20, pp=2, breakdowns=FAILING),
    ),
}


@pytest.mark.parametrize("cluster", CLUSTERS)
@settings(max_examples=40, deadline=None)
@given(requests=drawn)
def test_everyone_ends_once_in_any_cluster(cluster: str, requests: list) -> None:
    gaps, prompt, output, cancel = zip(*requests, strict=True)
    arrival, now = [], 0
    for gap in gaps:
        now += gap
        arrival.append(now)
    trace = Trace(arrival=tuple(arrival), prompt=prompt, output=output, cancel=cancel)
    part = {"policy": "serving/llumnix-migration", "period": 0.02}
    migrating = {"policy": "serving/llumnix", "migration": part}
    policy = migrating if cluster in ("moving", "failing") else "serving/vllm-v1"
    timeline = played(trace, *CLUSTERS[cluster], policy=policy, link=Link(bandwidth=0.05))
    assert len(ends(timeline)) == len(requests)
    scenario = Cluster(time_unit="ms", workload=trace, pools=CLUSTERS[cluster])
    found = metrics(scenario, timeline)
    assert found["unfinished"] == 0 and found["finished"] + found["cancelled"] == len(requests)
