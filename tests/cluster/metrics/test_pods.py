"""Figures of runs that can be worked out by hand, and what must hold of all runs."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.generate import EXAMPLES, named
from hocket.cluster.metrics.pods import METRICS, metrics
from hocket.cluster.metrics.pods_figures import figures
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.packing.plan import Plan, Step
from hocket.cluster.policies.plans import FollowPlan
from hocket.cluster.simulate.pods import simulate
from hocket.core.load import load_policy
from hocket.core.timeline import Timeline
from hocket.report.figures import Plot, Relation
from tests.cluster.check.chaos import Chaos
from tests.cluster.check.clusters import clusters
from tests.cluster.check.history import Event, record
from tests.cluster.check.test_pods import CLUSTER, HISTORY, PLAN, PREEMPT

replace = msgspec.structs.replace


def of(*events: Event, cluster: Pods = CLUSTER, end: int = 20) -> dict[str, float]:
    return metrics(cluster, record(cluster, events, end))


def test_a_run_by_hand() -> None:
    """Requests: old 2 from 0, top 2 and new 2 from 1, brief 1 from 2 to 5, of 8 in all."""
    told = of(*HISTORY)
    assert told["pending"] == told["pending_highest"] == told["disruption"] == 0
    assert told["placed"] == 4
    assert told["cpu"] == 6 / 8
    assert told["cpu_mean"] == pytest.approx((2 * 20 + 2 * 19 + 2 * 19 + 3) / (8 * 20))
    assert told["memory"] == told["memory_mean"] == 0
    assert told["pod_seconds"] == 20 + 19 + 19 + 3
    assert told["pod_seconds_highest"] == 19
    assert told["pod_seconds_lowest"] == 20 + 19 + 3
    assert told["wait_mean"] == told["wait_p95"] == 0
    assert told["plans"] == 0


def test_evictions_moves_and_preemptions() -> None:
    evict, again = Event(6, "evict", "new", "b"), Event(9, "bind", "new", "b")
    moved = of(*HISTORY, PLAN, evict, again)
    assert [moved[k] for k in ("evictions", "moves", "disruption", "pending")] == [1, 1, 2, 0]
    assert moved["wait_mean"] == 1 / 4  # one of four pods, from 8 to 9
    assert moved["plans"] == 1
    gone = of(*HISTORY, PLAN, evict)
    assert [gone[k] for k in ("evictions", "moves", "disruption", "pending")] == [1, 0, 1, 1]
    assert gone["cpu"] == 4 / 8
    leaving = of(*HISTORY, PLAN, evict._replace(time=18))
    assert [leaving[k] for k in ("disruption", "pending")] == [1, 0]
    without_top = (*HISTORY[:2], HISTORY[3], *HISTORY[4:])
    waits = of(*without_top)
    assert [waits[k] for k in ("pending", "pending_highest", "wait_p95")] == [
        1,
        1,
        pytest.approx(16.15),
    ]
    preempted = of(*without_top, PREEMPT, Event(9, "bind", "top", "a"))
    assert [preempted[k] for k in ("preemptions", "evictions", "pending")] == [1, 0, 1]
    assert preempted["pending_highest"] == 0


def test_pods_held_back_wait_but_are_not_made_to_wait() -> None:
    gated = replace(CLUSTER, pods=(Pod(name="held", requests={}, gated=True),), nodes=CLUSTER.nodes)
    told = of(Event(0, "arrive", "held"), cluster=gated)
    assert told["pending"] == 1
    assert told["wait_mean"] == 0


def test_time_units() -> None:
    hours = of(*HISTORY, cluster=replace(CLUSTER, time_unit="h"))
    assert hours["pod_seconds"] == 3600 * of(*HISTORY)["pod_seconds"]
    abstract = of(*HISTORY, cluster=replace(CLUSTER, time_unit="tick"))
    assert abstract["pod_seconds"] == of(*HISTORY)["pod_seconds"]


def test_disruption_of_a_plan_is_what_the_plan_says() -> None:
    cluster: Any = named("fragmented")
    steps = (
        Step(act="evict", pod="default/web-0", node="a"),
        Step(act="bind", pod="default/web-0", node="b"),
        Step(act="bind", pod="default/batch-0", node="a"),
    )
    plan = Plan(verdict="better", steps=steps)
    told = metrics(cluster, simulate(cluster, FollowPlan.of(plan)))
    assert [told[k] for k in ("pending", "placed", "disruption")] == [1, 4, 2]


def test_stranded_cores() -> None:
    """Free are 600 on each of three nodes: room for another web pod (3 of 5), not for a batch."""
    cluster: Any = named("fragmented")
    told = metrics(cluster, simulate(cluster, load_policy("cluster/kube-scheduler")))
    assert told["stranded_cpu"] == pytest.approx(2 / 5)
    assert told["stranded_gpu"] == 0


def test_stranded_gpus() -> None:
    """Two halves are free: no use to the pod that wants a whole one, 1 of 3 that want any."""
    cluster: Any = named("shares")
    told = metrics(cluster, simulate(cluster, load_policy("cluster/kube-scheduler")))
    assert told["gpu"] == pytest.approx(1 / 2)
    assert told["stranded_gpu"] == pytest.approx(1 / 3)
    whole = Pods(
        nodes=(Node(name="a", allocatable={"milli_cpu": 8, "nvidia.com/gpu": 4}),),
        pods=(Pod(name="p", node="a", requests={"nvidia.com/gpu": 1}),),
    )
    assert metrics(whole, simulate(whole, load_policy("cluster/kube-scheduler")))["gpu"] == 1 / 4


def test_fragments_that_are_too_small_for_a_pod_that_fits() -> None:
    """On a node of GPUs with .3 and 1 free, a pod of half a GPU fits; the .3 are a fragment."""
    cluster = Pods(
        nodes=(Node(name="a", allocatable={"milli_cpu": 8}, gpus=2),),
        pods=(
            Pod(name="p", node="a", gpus=1, gpu_milli=700),
            Pod(name="q", gpus=1, gpu_milli=500, gated=True),
        ),
    )
    told = metrics(cluster, simulate(cluster, load_policy("cluster/kube-scheduler")))
    assert told["stranded_gpu"] == pytest.approx(0.3 / 1.3)


@given(cluster=clusters(), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_all_figures_are_there_finite_and_add_up(cluster: Pods, seed: int) -> None:
    timeline = simulate(cluster, Chaos(), seed=seed)
    told = metrics(cluster, timeline)
    assert list(told) == list(METRICS)
    assert all(math.isfinite(value) and value >= 0 for value in told.values())
    came = len({point.group for point in timeline.points("arrive")})
    assert told["pending"] + told["placed"] == came
    levels = {gauge.lane: gauge.value for gauge in timeline.gauges("pending")}
    assert told["pending"] == sum(levels.values())
    assert told["moves"] <= told["evictions"] + told["preemptions"]
    assert 0 <= told["stranded_cpu"] <= 1 and 0 <= told["stranded_gpu"] <= 1


@pytest.mark.parametrize("name", [*EXAMPLES, "replicasets"])
def test_pictures(name: str) -> None:
    cluster: Any = named(name)
    runs = [(k, simulate(cluster, load_policy("cluster/kube-scheduler"))) for k in ("a", "b")]
    made = figures(cluster, runs)
    assert isinstance(made[-1], Relation)
    assert set(made[-1].metrics) <= METRICS.keys()
    told = metrics(cluster, runs[0][1])
    for figure in made[:-1]:
        assert isinstance(figure, Plot)
        assert [line.label for line in figure.lines] == ["a", "b"]
        for line in figure.lines:
            assert len(line.x) == len(line.y) > 0
            assert list(line.x) == sorted(line.x)
    nodes = made[0].lines[0]  # type: ignore[union-attr]
    if len({node.allocatable["milli_cpu"] for node in cluster.nodes}) == 1:
        assert sum(nodes.y) / len(nodes.y) == pytest.approx(told["cpu"], rel=1e-3)
    over_time = [f for f in made if isinstance(f, Plot) and f.title == "Requested cores over time"]
    assert bool(over_time) == bool(runs[0][1].end)
    for figure in over_time:
        assert figure.lines[0].y[-1] == pytest.approx(told["cpu"], rel=1e-3)


def test_pictures_of_nothing() -> None:
    empty = Pods(nodes=(Node(name="a", allocatable={}),))
    assert len(figures(empty, [("a", Timeline("ms"))])) == 1
    assert metrics(empty, Timeline("ms"))["pending"] == 0
