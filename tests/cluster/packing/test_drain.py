"""A drained node: its pods run on until the plan makes them leave, and must not stay."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.check.plan import check_plan
from hocket.cluster.check.pods import check
from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.model.rules import Budget
from hocket.cluster.packing.edits import drain
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.plan import Plan, Step
from hocket.cluster.packing.planner import plan_for
from hocket.cluster.packing.script import script
from hocket.cluster.packing.solve import solve
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.cluster.policies.plans import FollowPlan
from hocket.cluster.policies.priority_matters import PriorityMatters
from hocket.cluster.simulate.pods import simulate
from hocket.core.errors import InputError
from hocket.core.load import load
from tests.cluster.packing.clusters import clusters

pytest.importorskip("ortools")

QUICK = Options(time_limit=2.0)


def node(name: str, cpu: int) -> Node:
    return Node(name=name, allocatable={"milli_cpu": cpu})


def pod(name: str, cpu: int, where: str | None = None, **more: Any) -> Pod:
    more.setdefault("owner", f"ReplicaSet/{name}")
    return Pod(name=name, requests={"milli_cpu": cpu}, node=where, **more)


def world(*more: Pod, budgets: tuple[Budget, ...] = ()) -> Pods:
    """Two pods on n1, which is to be drained; the large one fits on n2 if the one there goes."""
    pods = (
        pod("large", 800, "n1", labels={"app": "web"}),
        pod("small", 200, "n1", labels={"app": "web"}),
        pod("there", 300, "n2"),
    )
    nodes = (node("n1", 1000), node("n2", 1000), node("n3", 500))
    return drain(Pods(nodes=nodes, pods=(*pods, *more), budgets=budgets), "n1")


def acts(plan: Plan) -> list[tuple[str, str, str]]:
    return [(step.act, step.pod.removeprefix("default/"), step.node) for step in plan.steps]


@pytest.mark.parametrize("method", ["plain", "strong"])
def test_the_plan_takes_them_from_their_node_and_runs_them_elsewhere(method: Any) -> None:
    cluster = world()
    plan = plan_for(cluster, msgspec.structs.replace(QUICK, method=method))
    assert plan.verdict == "better and optimal"
    assert {("evict", "large", "n1"), ("evict", "small", "n1")} <= set(acts(plan))
    assert plan.moved["default/large"] == "n2"
    assert plan.moved["default/there"] == "n3"
    assert not plan.evicted
    (tier,) = plan.tiers
    assert (tier.pods, tier.before, tier.placed, tier.disruption) == (3, 1, 3, 2)
    assert check_plan(cluster, plan) == []
    assert plan.steps[0].reason == "moved from n1, which is drained"


def test_what_has_no_room_anywhere_leaves_for_good() -> None:
    cluster = drain(Pods(nodes=(node("n1", 4), node("n2", 1)), pods=(pod("a", 4, "n1"),)), "n1")
    plan = plan_for(cluster, QUICK)
    assert acts(plan) == [("evict", "a", "n1")]
    assert plan.verdict == "better and optimal"
    assert check_plan(cluster, plan) == []
    found = solve(cluster, time_limit=2)
    assert (found.status, found.value, found.violations) == ("optimal", 1, ())


def test_one_after_the_other_where_a_budget_says_so() -> None:
    selector = (Expression(key="app", values=("web",)),)
    cluster = world(budgets=(Budget(name="web", selector=selector, max_unavailable=1),))
    plan = plan_for(cluster, QUICK)
    assert check_plan(cluster, plan) == []
    waves = {step.pod: step.wave for step in plan.steps if step.act == "evict"}
    assert waves["default/large"] != waves["default/small"]
    assert set(plan.moved) >= {"default/large", "default/small"}


def test_what_a_budget_keeps_stays_and_the_others_leave() -> None:
    selector = (Expression(key="app", values=("web",)),)
    none = Budget(name="web", selector=selector, max_unavailable=0)
    cluster = world(pod("free", 100, "n1"), budgets=(none,))
    plan = plan_for(cluster, QUICK)
    assert plan.verdict == "better"
    assert set(plan.moved) == {"default/free"}
    assert check_plan(cluster, plan) == []
    found = solve(cluster, time_limit=2)
    assert found.status == "feasible"
    assert found.plan is not None
    assert found.plan.advice[-1].endswith("these leave: default/large, default/small")


def test_the_checker_wants_them_gone() -> None:
    cluster = world()
    rules = {v.rule for v in check_plan(cluster, Plan(verdict="already optimal"))}
    assert "verdict" in rules
    part = (
        Step(act="evict", pod="default/small", node="n1"),
        Step(act="bind", pod="default/small", node="n3"),
    )
    assert check_plan(cluster, Plan(verdict="better", steps=part)) == []
    back = (part[0], Step(act="bind", pod="default/small", node="n1"))
    assert {"cordoned"} <= {v.rule for v in check_plan(cluster, Plan(verdict="better", steps=back))}


def test_the_plan_is_carried_out_though_nobody_waits() -> None:
    found = solve(world(), time_limit=2)
    assert (found.value, found.status, found.violations) == (0, "optimal", ())
    assert found.timeline is not None
    last = {span.group: span.lane for span in found.timeline.spans("run")}
    assert "n1" not in last.values()
    assert len(last) == 3


@pytest.mark.parametrize("grace", [0, 5])
@pytest.mark.parametrize("policy", [KubeScheduler(), PriorityMatters(search=QUICK)])
def test_every_policy_empties_the_node(policy: Any, grace: int) -> None:
    late = pod("late", 100)  # it waits at once, and is tried before those that must leave
    cluster = msgspec.structs.replace(world(late), grace=grace, time_unit="s")
    timeline = simulate(cluster, policy)
    assert check(cluster, timeline) == []
    left = [point.kind for point in timeline.points() if point.lane == "n1"]
    assert left == ["evict" if isinstance(policy, PriorityMatters) else "preempt"] * 2


@settings(max_examples=30)
@given(cluster=clusters(), method=st.sampled_from(["plain", "strong"]))
def test_any_cluster_can_be_drained(cluster: Pods, method: Any) -> None:
    emptied = drain(cluster, "n0")
    options = Options(method=method, time_limit=1.0)
    plan = plan_for(emptied, options)
    assert check_plan(emptied, plan) == []
    left = {step.pod for step in plan.steps if step.act == "evict" and step.node == "n0"}
    if not cluster.budgets:  # else some may have to wait for others
        assert left == {pod.key for pod in emptied.pods if pod.drained}
    assert "n0" not in {step.node for step in plan.steps if step.act == "bind"}
    for policy in (FollowPlan.of(plan), KubeScheduler(), PriorityMatters(search=options)):
        assert check(emptied, simulate(emptied, policy)) == []


def test_the_script_closes_the_node_and_evicts_first() -> None:
    cluster = world()
    text = script(cluster, plan_for(cluster, QUICK))
    lines = text.splitlines()
    assert lines.index("close_node n1") < lines.index("pause_scheduling")
    assert 'evict_pod default "$pod_1" n1' in text
    other = script(msgspec.structs.replace(cluster, pods=()), Plan(verdict="already optimal"))
    assert "\nclose_node n1" not in other


@pytest.mark.parametrize(
    ("wrong", "told"), [({"protected": True}, "is protected"), ({}, "could come back")]
)
def test_only_what_can_leave_for_good_is_drained(wrong: dict[str, Any], told: str) -> None:
    cordoned = bool(wrong)
    data = {
        "problem": "cluster/pods",
        "nodes": [{"name": "n", "allocatable": {}, "cordoned": cordoned}],
        "pods": [{"name": "a", "node": "n", "drained": True, **wrong}],
    }
    with pytest.raises(InputError, match=told):
        load(data)
