"""Priority Matters in the simulated cluster: when it plans, for whom, and that it helps."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from hocket.cluster.check.pods import check
from hocket.cluster.generate import examples
from hocket.cluster.generate.replicasets import ReplicaSets
from hocket.cluster.metrics.pods import metrics
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.plan import Plan
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.cluster.policies.priority_matters import PriorityMatters
from hocket.cluster.roles.pods import Again, View
from hocket.cluster.simulate.pods import simulate
from hocket.cluster.state import State
from hocket.core.policy import Policy, spec
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline

pytest.importorskip("ortools")

QUICK = Options(time_limit=0.5)


def run(world: Pods, **fields: object) -> Timeline:
    timeline = simulate(world, PriorityMatters(search=QUICK, **fields))  # type: ignore[arg-type]
    assert check(world, timeline) == []
    return timeline


def plans(timeline: Timeline) -> list[tuple[str, int]]:
    return [(point.name, point.time) for point in timeline.points("plan")]


@pytest.mark.parametrize("name", sorted(examples.EXAMPLES))
def test_it_places_no_fewer_than_the_scheduler_alone(name: str) -> None:
    world = examples.EXAMPLES[name]()
    alone: Policy = KubeScheduler(preemption=False)
    before = metrics(world, simulate(world, alone))["pending"]
    assert metrics(world, run(world))["pending"] <= before


def test_it_helps_where_the_scheduler_fails() -> None:
    world = examples.fragmented()
    timeline = run(world)
    assert metrics(world, timeline)["pending"] == 1
    ((verdict, at),) = plans(timeline)
    assert verdict == "better and optimal"
    assert at > 0  # the search took time
    assert len(list(timeline.points("evict"))) == 1


def test_pods_that_find_room_ask_for_no_plan() -> None:
    world = Pods(nodes=(Node(name="n", allocatable={}),), pods=(Pod(name="a"), Pod(name="b")))
    assert plans(run(world)) == []


def test_what_is_best_already_is_not_searched_again() -> None:
    world = Pods(
        nodes=(Node(name="n", allocatable={"milli_cpu": 1000}),),
        pods=(
            Pod(name="a", requests={"milli_cpu": 1000}, node="n", priority=1),
            Pod(name="b", requests={"milli_cpu": 1000}),
            Pod(name="late", requests={"milli_cpu": 2000}, arrival=60_000),
        ),
    )
    timeline = run(world)
    assert [verdict for verdict, _ in plans(timeline)] == ["already optimal"] * 2
    assert plans(timeline)[1][1] >= 60_000


def test_an_important_pod_has_its_place_within_a_search() -> None:
    world = examples.important()
    timeline = run(world)
    runs = {span.group for span in timeline.spans("run") if span.end == timeline.end}
    assert "default/database-0" in runs
    assert not list(timeline.points("preempt"))  # the default preemption is off


def test_stable_waits_for_quiet_and_periodic_for_its_turn() -> None:
    many = tuple(
        Pod(name=f"w{i}", requests={"milli_cpu": 400}, node=f"n{i}") for i in range(3)
    ) + tuple(Pod(name=f"b{i}", requests={"milli_cpu": 700}, arrival=1000 * i) for i in range(5))
    nodes = tuple(Node(name=f"n{i}", allocatable={"milli_cpu": 1000}) for i in range(3))
    world = Pods(nodes=nodes, pods=many)
    stable = plans(run(world, when="stable", stable_for=2.0))
    assert stable[0][1] >= 4000 + 2000
    periodic = plans(run(world, when="periodic", every=30.0))
    starts = [at for _, at in periodic]
    assert starts[0] < 1000
    assert all(later - sooner >= 29_000 for sooner, later in pairwise(starts))
    assert starts[-1] >= 30_000


def decider(world: Pods, policy: PriorityMatters) -> tuple[View, object]:
    view = View(world, State.of(world))
    view.waiting = view.failed = tuple(pod for pod in world.pods if pod.node is None)
    return view, policy.begin(world, Streams(0))


def test_it_asks_again_when_it_is_time() -> None:
    world = Pods(
        nodes=(Node(name="n", allocatable={"milli_cpu": 1000}),),
        pods=(Pod(name="a", requests={"milli_cpu": 2000}),),
    )
    view, stable = decider(world, PriorityMatters(search=QUICK, when="stable", stable_for=2.0))
    view.now = view.changed = 500
    assert stable.plan(view) == Again(2000)  # type: ignore[attr-defined]
    view.now = 2499
    assert stable.plan(view) == Again(1)  # type: ignore[attr-defined]
    view.now = 2500
    assert isinstance(stable.plan(view), Plan)  # type: ignore[attr-defined]
    assert stable.plan(view) == Again()  # type: ignore[attr-defined]


def test_nothing_is_planned_while_pods_are_leaving() -> None:
    view, policy = decider(examples.fragmented(), PriorityMatters(search=QUICK))
    view.leaving = frozenset({"default/web-0"})
    assert policy.plan(view) == Again()  # type: ignore[attr-defined]
    view.leaving = frozenset()
    assert isinstance(policy.plan(view), Plan)  # type: ignore[attr-defined]


def test_one_pod_asks_after_the_other() -> None:
    # Nothing helps the first, which is more important; a move helps the second.
    world = Pods(
        nodes=tuple(Node(name=f"n{i}", allocatable={"milli_cpu": 1000}) for i in range(2)),
        pods=(
            Pod(name="a", requests={"milli_cpu": 400}, node="n0"),
            Pod(name="b", requests={"milli_cpu": 400}, node="n1"),
            Pod(name="huge", requests={"milli_cpu": 5000}, priority=9),
            Pod(name="large", requests={"milli_cpu": 700}),
        ),
    )
    one = msgspec.structs.replace(QUICK, trigger="one")
    timeline = simulate(world, PriorityMatters(search=one))
    assert check(world, timeline) == []
    assert {point.group for point in timeline.points("bind")} >= {"default/large"}
    assert len([point for point in timeline.points("plan") if point.name.startswith("better")]) == 1


def test_published_workloads_are_legal_and_play_the_same_again() -> None:
    world = ReplicaSets(nodes=4, priorities=2).make(3)
    first = run(world)
    assert run(world) == first
    pending = metrics(world, simulate(world, KubeScheduler(preemption=False)))["pending"]
    assert metrics(world, first)["pending"] <= pending


def test_the_policy_is_its_own_configuration() -> None:
    policy = PriorityMatters(search=Options(method="plain"), when="periodic")
    data = {key: value for key, value in spec(policy).items() if key != "policy"}
    assert msgspec.convert(data, PriorityMatters) == policy
    assert not PriorityMatters().scheduler.preemption
