"""The best use of given GPUs, against bisecting every one."""

from __future__ import annotations

import time
from typing import Any

import pytest
from msgspec.structs import replace

import hocket
from hocket.core.errors import NotApplicable
from hocket.serving.capacity import crew, goodput
from hocket.serving.capacity.evidence import MEETS
from hocket.serving.capacity.fleet import Cut, configurations, fleet
from hocket.serving.capacity.goodput import uses
from hocket.serving.capacity.probe import Clock, probe
from hocket.serving.capacity.rate import TOLERANCE, at_rate, highest, own_rate
from hocket.serving.capacity.solve import solve
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.model.search import Search
from hocket.serving.workload import Trace
from tests.serving.capacity.cases import SERVICE, chats, line


def mixed(count: int = 60) -> Cluster:
    """Three GPUs that may be used in several ways."""
    world = chats(count=count, split=("colocated", "disaggregated"), tp=(1, 2), tokens=(512, 2048))
    return replace(world, pools=(Pool(count=3),), slo=Slo(ttft=10**6, tpot=30_000))


@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_servers_of_fixed_time(replicas: int) -> None:
    found = solve(line(7.0, replicas=replicas, count=400), "goodput", workers=1)
    assert found.value is not None and found.bound is not None
    assert found.value <= replicas / SERVICE * 1.015  # 5 % may miss, and some wait is allowed
    assert found.bound >= replicas / SERVICE
    assert found.value == pytest.approx(replicas / SERVICE, rel=0.026)
    assert (found.status, found.maximised) == ("feasible", True)
    assert found.gap is not None and 0 < found.gap <= TOLERANCE + 1e-9


def test_no_use_of_the_gpus_takes_more() -> None:
    world = mixed()
    found = solve(world, "goodput", workers=1)
    assert world.search is not None and found.value is not None
    kept, _ = configurations(world, replace(world.search, gpus=("A100-80GB",)))
    rates = []
    for use in uses(world, kept):
        one = kept[use.index]
        built = fleet(world, world.search, one, use.counts)

        def passes(factor: float, built: Cluster = built, one: Any = one) -> bool:
            clock = Clock(time.time() + 60)
            return probe(at_rate(built, factor), one.policy, seed=0, clock=clock).meets

        rates.append(highest(passes).passed * own_rate(world))
    assert found.value * (1 + TOLERANCE) >= max(rates) * (1 - 1e-9)
    assert found.plan is not None and found.feasible
    again = hocket.run(found.plan.scenario, found.plan.policy).metrics
    assert again["attainment"] >= world.slo.share
    assert again["rate"] == pytest.approx(found.value, rel=1e-3)
    pools: Any = found.plan.scenario
    assert sum(pool.count * pool.gpus for pool in pools.pools) <= 3
    best = found.evidence[0]
    assert (best["verdict"], best["rate"]) == (MEETS, found.value)


def test_all_splits_that_leave_no_gpu_idle() -> None:
    assert goodput._counts((Cut(1, 1),), 3) == [(3,)]
    assert goodput._counts((Cut(2, 1),), 3) == [(1,)]
    assert goodput._counts((Cut(4, 1),), 3) == []
    assert goodput._counts((Cut(1, 1), Cut(1, 1)), 4) == [(1, 3), (2, 2), (3, 1)]
    assert goodput._counts((Cut(2, 1), Cut(1, 1)), 5) == [(1, 3), (2, 1)]
    assert goodput._counts((Cut(1, 1), Cut(2, 1)), 2) == []


def test_pools_of_several_kinds_stay_as_they_are() -> None:
    pools = (Pool(name="prefill", role="prefill"), Pool(name="decode", role="decode", gpu="H100"))
    world = replace(mixed(), pools=pools)
    world = replace(world, search=Search(policies=("serving/distserve", "serving/vllm-v1")))
    found = solve(world, "goodput", workers=1)
    assert found.plan is not None and found.feasible
    built: Any = found.plan.scenario
    assert built.pools == pools
    assert {r["policy"] for r in found.evidence} == {"serving/distserve", "serving/vllm-v1"}


def test_the_number_of_workers_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "WORTH", 0)
    one, two = (solve(mixed(40), "goodput", workers=n) for n in (1, 2))
    assert replace(one, seconds=0.0, log=()) == replace(two, seconds=0.0, log=())


def test_an_slo_that_no_rate_meets() -> None:
    found = solve(replace(line(5.0, count=30), slo=Slo(ttft=1)), "goodput", workers=1)
    assert (found.status, found.value) == ("infeasible", None)
    assert "however low" in found.reason


def test_an_interrupt_keeps_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine, count = goodput.probe, 0

    def short(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count > 5:
            raise KeyboardInterrupt
        return genuine(*arguments, **named)

    monkeypatch.setattr(goodput, "probe", short)
    found = solve(mixed(), "goodput", workers=1)
    assert found.interrupted and found.status == "feasible"
    assert found.value is not None and found.bound is None
    assert "interrupted before" in found.reason


def test_time_over_is_no_error() -> None:
    found = solve(mixed(), "goodput", workers=1, time_limit=0.0)
    assert (found.status, found.value, found.bound) == ("unknown", None, None)
    assert "the time limit was reached" in found.reason
    assert "nothing was run on the whole log" in found.reason
    told = [row["verdict"] for row in found.evidence]
    assert told and set(told) == {"not run: the search ended before"}


def test_requests_without_a_rate() -> None:
    together = Trace(arrival=(0, 0), prompt=(9, 9), output=(3, 3))
    with pytest.raises(NotApplicable, match="do not come at one"):
        solve(replace(line(1.0), workload=together), "goodput", workers=1)
