"""Llumnix in whole runs, with everything that can go wrong in them."""

import pytest

from hocket.core.disturb.breakdowns import Breakdowns
from hocket.serving.check import check
from hocket.serving.metrics import requests_table
from hocket.serving.model.cluster import Cluster, Link, Pool
from hocket.serving.policies.llumnix import Llumnix
from hocket.serving.simulate.cluster import simulate
from hocket.serving.simulate.plain import PlainReplica
from hocket.serving.workload import Llumnix as Lengths

SCALER = {"policy": "serving/llumnix-scaling", "period": 0.5, "sustained": 2.0, "warm_up": 2.0}
SYSTEMS = {
    "paper": Llumnix(threshold=10.0),
    "artifact": Llumnix(mode="artifact", threshold=10.0),
    "base": Llumnix(priorities=False, threshold=10.0),
    "scaled": Llumnix(threshold=10.0, scaling=SCALER),
    "scaled artifact": Llumnix(mode="artifact", scaling={**SCALER, "mode": "artifact"}),
    "chunked": Llumnix(threshold=10.0, batching="serving/vllm-v1"),
    "reserving": Llumnix(threshold=10.0, batching="serving/orca"),
}
POOLS = {"plain": {}, "pipeline": {"pp": 2}, "prefixes": {"prefix_cache": True}}


def cluster(count=150, *, failing=False, down=(), replicas=4, **pool):
    """Small replicas, so full that requests wait, give way and are moved."""
    breakdowns = Breakdowns(mean_up=15e6, mean_down=4e6) if failing else None
    fields = {"name": "a10", "count": replicas, "gpu": "A10", "model": "llama-2-7b"}
    fields |= {"kv_blocks": 150, "max_context": 2000, "start_up": 1_000_000}
    fields |= {"breakdowns": breakdowns, **pool}
    return Cluster(
        workload=Lengths(rate=9.0, prompt=128, output=128, count=count, cv=3.0, high=0.1),
        pools=(Pool(**fields),),
        link=Link(bandwidth=2.0),
        dispatcher_outages=down,
    )


def records(timeline):
    """All that was recorded, without the order in which replicas recorded it at the same tick."""
    tables = timeline.columns().values()
    return [sorted(zip(*table.values(), strict=True)) for table in tables]


@pytest.mark.parametrize("failing", [False, True], ids=["sound", "failing"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_every_request_is_answered_and_nothing_impossible_happens(name, failing):
    scenario = cluster(failing=failing)
    timeline = simulate(scenario, SYSTEMS[name], seed=3)
    assert check(scenario, timeline) == []
    table = requests_table(scenario, timeline)
    assert (table.finished | table.rejected).all()
    assert list(timeline.spans("migrate"))


@pytest.mark.parametrize("failing", [False, True], ids=["sound", "failing"])
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("name", SYSTEMS)
def test_leaping_over_iterations_changes_nothing(name, pool, failing):
    scenario = cluster(50, failing=failing, **POOLS[pool])
    fast = simulate(scenario, SYSTEMS[name], seed=4)
    plain = simulate(scenario, SYSTEMS[name], seed=4, replica=PlainReplica)
    assert records(fast) == records(plain)
    assert check(scenario, fast) == []


def test_while_the_scheduler_is_down_requests_go_round_and_nothing_moves():
    scenario = cluster(down=((0, 10_000_000),))
    timeline = simulate(scenario, SYSTEMS["scaled"], seed=1)
    early = [p for p in timeline.points("dispatch") if p.time < 10_000_000]
    assert all("round robin" in p.reason for p in early)
    lanes = [p.lane for p in early]
    assert len(lanes) > 40
    assert lanes[:4] * 10 == lanes[:40]
    moved = [*timeline.spans("migrate"), *timeline.spans("aborted")]
    assert moved and all(span.start >= 10_000_000 for span in moved)
    assert "freeness" in list(timeline.points("dispatch"))[-1].reason


def test_a_draining_replica_is_emptied_by_migration():
    # Traffic ebbs after a burst: all but one replica must go, and long answers go with nobody.
    scenario = cluster(60, kv_blocks=851, replicas=6)
    policy = Llumnix(scaling=SCALER | {"low": -100.0, "high": 20.0, "sustained": 1.0})
    timeline = simulate(scenario, policy, seed=0)
    assert check(scenario, timeline) == []
    drains = list(timeline.spans("drain"))
    assert len(drains) == 5
    during = [
        span
        for drain in drains
        for span in timeline.spans("migrate")
        if span.lane == drain.lane and drain.start <= span.start < drain.end
    ]
    assert during
    longest = max(span.end - span.start for span in drains)
    assert longest < 2_000_000  # while the longest answer takes half a minute
