"""Plans are carried out wave by wave, and steps that ends make impossible are skipped."""

from __future__ import annotations

from typing import Any

import pytest

from hocket.cluster.check.pods import check
from hocket.cluster.model.pods import Pod
from hocket.cluster.model.rules import Budget
from hocket.cluster.packing.plan import Plan, Step
from hocket.cluster.roles.pods import Again, Preempt, View, Wait
from hocket.core.errors import IllegalDecision, RunError
from tests.cluster.simulate.scripted import cluster, first_fit, nodes, once, play, pod, points


def _evict(name: str, node: str = "n0", wave: int = 0) -> Step:
    return Step(act="evict", pod=f"default/{name}", node=node, wave=wave)


def _bind(name: str, node: str = "n0", wave: int = 0) -> Step:
    return Step(act="bind", pod=f"default/{name}", node=node, wave=wave)


FRAGMENTED = (pod("a", 400, node="n0"), pod("b", 400, node="n1"), pod("big", 700, arrival=10))
REPAIR = (_evict("a"), _bind("a", "n1"), _bind("big", wave=1))


def test_a_plan_repairs_fragmentation() -> None:
    scenario = cluster(nodes(1000, 1000), *FRAGMENTED, grace=3)
    timeline = play(scenario, first_fit, once(*REPAIR, seconds=1.5))
    assert check(scenario, timeline) == []
    assert points(timeline, "plan", "evict", "bind") == [
        (12, "plan", "", ""),  # 1.5 s of search, rounded up
        (12, "evict", "a", "n0"),
        (15, "bind", "a", "n1"),
        (15, "bind", "big", "n0"),
    ]


def test_nothing_is_tried_meanwhile() -> None:
    scenario = cluster(nodes(1000, 1000), *FRAGMENTED, pod("tiny", 1, arrival=11), grace=3)
    timeline = play(scenario, first_fit, once(*REPAIR))
    assert points(timeline, "bind") == [
        (13, "bind", "a", "n1"),
        (13, "bind", "big", "n0"),
        (13, "bind", "tiny", "n0"),
    ]


def test_the_next_wave_waits_for_the_leaving_of_its_own() -> None:
    """A swap over a third node: each wave takes its time of grace."""
    scenario = cluster(
        nodes(1000, 1000, 1000),
        pod("a", node="n0"),
        pod("b", node="n1"),
        pod("x", 2000),
        grace=5,
    )
    swap = (
        *(_evict("a", "n0"), _bind("a", "n2")),
        *(_evict("b", "n1", 1), _bind("b", "n0", 1)),
        *(_evict("a", "n2", 2), _bind("a", "n1", 2)),
    )
    timeline = play(scenario, first_fit, once(*swap))
    assert check(scenario, timeline) == []
    assert points(timeline, "evict", "bind") == [
        (0, "evict", "a", "n0"),
        (5, "bind", "a", "n2"),
        (5, "evict", "b", "n1"),
        (10, "bind", "b", "n0"),
        (10, "evict", "a", "n2"),
        (15, "bind", "a", "n1"),
    ]


def test_steps_about_what_has_ended_are_skipped() -> None:
    """`a` ends while its eviction is thought about; what `big` needs is free all the same."""
    scenario = cluster(
        nodes(1000, 1000),
        pod("a", 400, node="n0", lifetime=11),
        *FRAGMENTED[1:],
        grace=3,
    )
    timeline = play(scenario, first_fit, once(*REPAIR, seconds=5))
    assert check(scenario, timeline) == []
    assert [(p.time, p.group, p.name, p.reason) for p in timeline.points("skip")] == [
        (15, "default/a", "evict", "the pod has ended"),
        (15, "default/a", "bind", "the pod has ended"),
    ]
    assert points(timeline, "bind") == [(15, "bind", "big", "n0")]


def test_what_an_end_has_made_impossible_is_skipped_too() -> None:
    """The budget bears one loss; the other pod that it covers ends before the plan begins."""
    budget = Budget(name="one-up", min_available=1)
    scenario = cluster(
        nodes(1000, 1000),
        pod("a", 400, node="n0"),
        pod("b", 400, node="n1", lifetime=11),
        pod("big", 700, arrival=10, labels={"app": "big"}),
        budgets=(budget,),
    )
    timeline = play(scenario, first_fit, once(*REPAIR, seconds=5))
    assert check(scenario, timeline) == []
    skipped = [(p.group, p.name) for p in timeline.points("skip")]
    assert skipped == [("default/a", "evict"), ("default/a", "bind"), ("default/big", "bind")]
    assert points(timeline, "bind") == [(15, "bind", "big", "n1")]  # it is tried once more


def _illegal(steps: tuple[Step, ...], why: str, *pods: Pod, **fields: Any) -> None:
    scenario = cluster(nodes(1000, 1000), *(pods or FRAGMENTED), **fields)
    with pytest.raises(IllegalDecision, match=why) as caught:
        play(scenario, first_fit, once(*steps))
    assert str(caught.value).startswith("cluster/scripted decided to ")


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ((_evict("nobody"),), "there is no such pod"),
        ((_evict("a", "n9"),), "there is no node 'n9'"),
        ((_evict("a", "n1"),), "it does not run there"),
        ((_evict("a"), _evict("a")), "does not run there|leaving already"),
        ((_evict("big"),), "it does not run there"),
        ((_bind("big"),), "Insufficient cpu"),
        ((_bind("a", "n1"),), "it does not wait for a node"),
    ],
)
def test_illegal_steps(steps: tuple[Step, ...], why: str) -> None:
    _illegal(steps, why)
    _illegal(steps, why, grace=3)


def test_protected_gated_and_budgeted_pods() -> None:
    safe = pod("a", 400, node="n0", protected=True, protection="a DaemonSet's")
    _illegal((_evict("a"),), "it is protected: a DaemonSet's", safe, *FRAGMENTED[1:])
    gated = pod("g", 1, gated=True)
    _illegal((_bind("g"),), "held back by its scheduling gates", *FRAGMENTED, gated)
    budget = Budget(name="all", max_unavailable=1, selector=())
    # `big` is down already, and that is all that the budget bears.
    _illegal((_evict("a"),), "budget all needs 2 pods up, and 2 are", budgets=(budget,))


def test_the_planner_is_asked_after_changes_only() -> None:
    asked: list[int] = []

    def plan(view: View) -> Again:
        asked.append(view.now)
        assert [pod.name for pod in view.failed] == ["big"]
        return Again()

    scenario = cluster(nodes(1000, 1000), *FRAGMENTED, pod("small", 1, arrival=30, lifetime=7))
    play(scenario, first_fit, plan)
    assert asked == [10, 30, 37]


def test_the_planner_may_put_it_off() -> None:
    """It wants two seconds of quiet; after them it is asked again, and then only on a change."""
    asked: list[int] = []

    def plan(view: View) -> Plan | Again:
        asked.append(view.now)
        quiet = view.changed + 2 - view.now
        return Again(quiet) if quiet > 0 else Plan(verdict="already optimal", seconds=1)

    scenario = cluster(nodes(1000, 1000), *FRAGMENTED, pod("small", 1, arrival=11))
    timeline = play(scenario, first_fit, plan)
    assert asked == [10, 11, 13]
    assert [(p.time, p.name) for p in timeline.points("plan")] == [(14, "already optimal")]


def test_a_planner_that_puts_it_off_for_ever_is_stopped() -> None:
    scenario = cluster(nodes(1000, 1000), *FRAGMENTED)
    with pytest.raises(RunError, match="has put off planning"):
        play(scenario, first_fit, lambda view: Again(1))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "neither Bind nor Preempt nor Wait"),
        (Preempt("n9", ("default/a",)), "there is no node 'n9'"),
        (Preempt("n0", ()), "name at least one victim"),
        (Preempt("n0", ("default/a", "default/a")), "none twice"),
        (Preempt("n0", ("default/x",)), "default/x does not run there"),
        (Preempt("n1", ("default/a",)), "default/a does not run there"),
        (Preempt("n0", ("default/equal",)), "priority 1, which is not lower"),
        (Preempt("n0", ("default/safe",)), "default/safe is protected"),
    ],
)
def test_illegal_preemption(answer: Any, why: str) -> None:
    scenario = cluster(
        nodes(1000, 1000),
        pod("a", 1, node="n0"),
        pod("equal", 1, node="n0", priority=1),
        pod("safe", 1, node="n0", protected=True),
        pod("vip", priority=1),
    )
    with pytest.raises(IllegalDecision, match=why):
        play(scenario, lambda view, pod: answer)


def test_who_may_not_preempt() -> None:
    scenario = cluster(nodes(1000), pod("a", node="n0"), pod("polite", priority=1, preempts=False))
    with pytest.raises(IllegalDecision, match="may not preempt others"):
        play(scenario, lambda view, pod: Preempt("n0", ("default/a",)))


def test_plans_of_the_wrong_kind() -> None:
    with pytest.raises(IllegalDecision, match="neither Plan nor Again"):
        play(cluster(nodes(1), pod("a")), lambda view, pod: Wait(), lambda view: "later")
