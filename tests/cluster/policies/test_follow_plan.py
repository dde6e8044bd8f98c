"""Following a plan, or what a timeline shows."""

from __future__ import annotations

import pytest

from hocket.cluster.check.pods import check
from hocket.cluster.model.pods import Pods
from hocket.cluster.packing.plan import Plan, Step
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.cluster.policies.plans import FollowPlan
from hocket.cluster.simulate.pods import simulate
from hocket.core.errors import InputError, NotApplicable
from hocket.core.run import run
from hocket.testing import check_policy
from tests.cluster.simulate.scripted import cluster, nodes, pod, points

STEPS = (
    Step(act="evict", pod="default/a", node="n0"),
    Step(act="bind", pod="default/a", node="n1"),
    Step(act="bind", pod="default/big", node="n0", wave=1, reason="fits now"),
)


def _fragmented(**fields: int) -> Pods:
    return cluster(
        nodes(1000, 1000),
        pod("a", 400, node="n0"),
        pod("b", 400, node="n1"),
        pod("big", 700),
        pod("rest", 200),
        **fields,
    )


def test_the_plan_first_then_the_rest() -> None:
    scenario = _fragmented(grace=4)
    timeline = simulate(scenario, FollowPlan(steps=STEPS))
    assert check(scenario, timeline) == []
    assert points(timeline, "evict", "bind") == [
        (0, "evict", "a", "n0"),
        (4, "bind", "a", "n1"),
        (4, "bind", "big", "n0"),
        (4, "bind", "rest", "n0"),
    ]
    assert [p.reason for p in timeline.points("bind")][1] == "fits now"
    assert [p.name for p in timeline.points("plan")] == ["better"]


def test_of_a_plan_and_of_the_timeline_that_follows_it() -> None:
    policy = FollowPlan.of(Plan(verdict="better", steps=STEPS))
    assert policy.steps == STEPS
    scenario = _fragmented(grace=4)
    timeline = simulate(scenario, policy)
    again = simulate(scenario, FollowPlan.of(timeline))
    assert points(again, "evict", "bind") == points(timeline, "evict", "bind")


def test_of_a_run_with_preemption() -> None:
    """What the default scheduler did is a plan: who was preempted is evicted."""
    scenario = cluster(
        nodes(1000, 1000),
        pod("low", node="n0", priority=1),
        pod("keep", node="n1", priority=2),
        pod("vip", priority=3),
        grace=5,
    )
    timeline = simulate(scenario, KubeScheduler())
    policy = FollowPlan.of(timeline)
    assert [(s.act, s.pod, s.node, s.wave) for s in policy.steps] == [
        ("evict", "default/low", "n0", 0),
        ("bind", "default/vip", "n0", 0),
    ]
    assert points(simulate(scenario, policy), "bind") == points(timeline, "bind")


def test_a_plan_for_another_cluster() -> None:
    scenario = cluster(nodes(1000), pod("x", 1))
    with pytest.raises(InputError) as caught:
        simulate(scenario, FollowPlan(steps=STEPS))
    assert [str(problem) for problem in caught.value.problems] == [
        "there is no pod 'default/a'",
        "there is no pod 'default/big'",
        "there is no node 'n1'",
    ]


def test_pods_that_come_later_cannot_be_planned() -> None:
    scenario = cluster(nodes(1000, 1000), pod("a", 400, node="n0"), pod("big", 700, arrival=5))
    with pytest.raises(NotApplicable, match="names default/big, which comes only later"):
        run(scenario, FollowPlan(steps=STEPS))


def test_it_keeps_what_every_policy_promises() -> None:
    check_policy(FollowPlan(steps=STEPS), [_fragmented(grace=4)])
