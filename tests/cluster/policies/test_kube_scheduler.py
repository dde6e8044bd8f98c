"""kube-scheduler as a whole: what it binds, why not, and how ties are broken."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest

from hocket.cluster.check.pods import check
from hocket.cluster.generate.replicasets import ReplicaSets
from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.model.rules import Term
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.cluster.simulate.pods import simulate
from hocket.core.timeline import Timeline
from hocket.testing import check_policy
from tests.cluster.simulate.scripted import cluster, nodes, pod, points


def _bound(timeline: Timeline) -> dict[str, str]:
    return {p.group.removeprefix("default/"): p.lane for p in timeline.points("bind")}


def test_the_textbook_fragmentation() -> None:
    """Three pods of 400m are spread over three nodes of one core; two of 700m then fit nowhere."""
    small = [pod(f"small-{i}", 400) for i in range(3)]
    big = [pod(f"big-{i}", 700, arrival=10) for i in range(2)]
    scenario = cluster(nodes(1000, 1000, 1000), *small, *big)
    timeline = simulate(scenario, KubeScheduler())
    assert _bound(timeline) == {"small-0": "n0", "small-1": "n1", "small-2": "n2"}
    reasons = [s.reason for s in timeline.spans("wait") if s.group.startswith("default/big")]
    assert reasons == ["0/3 nodes are available: 3 Insufficient cpu"] * 2
    packed = simulate(scenario, KubeScheduler(strategy="MostAllocated"))
    assert len(_bound(packed)) == 4


def test_ties_go_to_the_first_name() -> None:
    machines = tuple(Node(name=name, allocatable={"milli_cpu": 1000}) for name in ("b", "c", "a"))
    assert _bound(simulate(cluster(machines, pod("p", 10)), KubeScheduler())) == {"p": "a"}


def test_random_ties_are_fair_and_repeat_with_the_seed() -> None:
    scenario = cluster(nodes(1000, 1000, 1000), pod("p", 10))
    policy = KubeScheduler(tie_break="random")
    found = [_bound(simulate(scenario, policy, seed=seed))["p"] for seed in range(300)]
    assert found == [_bound(simulate(scenario, policy, seed=seed))["p"] for seed in range(300)]
    assert all(70 < count < 130 for count in Counter(found).values())  # 100 each, sd 8.2


def test_large_clusters_are_sampled() -> None:
    """Of 250 nodes 48 % are looked for: 120 that can take the pod."""
    machines = tuple(Node(name=f"n{j:03}", allocatable={"milli_cpu": 1000}) for j in range(250))
    full = [pod(f"full-{j}", 1000, node=f"n{j:03}") for j in (0, 5, 241)]
    scenario = cluster(machines, *full, *(pod(f"p{i}", 10) for i in range(4)))
    # The first 120 end at n121, the next pass n241 and end at n242, the third end at n114.
    assert _bound(simulate(scenario, KubeScheduler())) == {
        "p0": "n001",
        "p1": "n122",
        "p2": "n002",
        "p3": "n115",
    }
    whole = KubeScheduler(sampling=False)
    assert [*_bound(simulate(scenario, whole)).values()] == ["n001", "n002", "n003", "n004"]


def test_reasons_tell_the_scores() -> None:
    timeline = simulate(cluster(nodes(1000, 2000), pod("p", 500)), KubeScheduler())
    assert next(timeline.points("bind")).reason == (
        "best of 2 nodes: NodeResourcesFit 75, NodeResourcesBalancedAllocation 100"
    )


def test_pods_of_one_owner_are_spread_unless_told_otherwise() -> None:
    """b is a little fuller, but a has a pod of the same owner."""
    machines = nodes(10000, 10000)
    owned = [pod(f"p{i}", 100, owner="ReplicaSet/web") for i in range(2)]
    scenario = cluster(machines, pod("filler", 600, node="n1"), *owned)
    assert _bound(simulate(scenario, KubeScheduler())) == {"p0": "n0", "p1": "n1"}
    plain = KubeScheduler(spread_owned=False)
    assert _bound(simulate(scenario, plain)) == {"p0": "n0", "p1": "n0"}


def test_what_found_no_place_is_looked_at_again_when_something_leaves() -> None:
    """Pods that ask for the same fail alike, but only until there is room again."""
    waiting = [pod(f"w{i}", 1000) for i in range(3)]
    scenario = cluster(nodes(1000), pod("runs", node="n0", lifetime=30), *waiting)
    timeline = simulate(scenario, KubeScheduler())
    assert points(timeline, "bind") == [(30, "bind", "w0", "n0")]


def test_room_that_is_made_is_kept_from_the_less_important() -> None:
    """While n0 is cleared for vip, a small pod of low priority may not slip in there."""
    scenario = cluster(
        nodes(1000, 1000),
        pod("low", 900, node="n0"),
        pod("rock", 1000, node="n1", protected=True),
        pod("vip", 950, priority=9, arrival=1),
        pod("peer", 80, priority=9, arrival=2, preempts=False),
        pod("meek", 80, priority=1, arrival=2, preempts=False),
        grace=5,
    )
    timeline = simulate(scenario, KubeScheduler())
    assert check(scenario, timeline) == []
    assert points(timeline, "preempt", "bind") == [
        (1, "preempt", "low", "n0"),
        (6, "bind", "vip", "n0"),
    ]


def test_a_pod_goes_where_room_was_made_for_it() -> None:
    """When vip's turn comes n1 would score better, but n0 was cleared for it."""
    scenario = cluster(
        nodes(1000, 4000),
        pod("low", 900, node="n0"),
        pod("high", 4000, node="n1", priority=10, lifetime=6),
        pod("vip", 950, priority=9, arrival=1),
        grace=5,
    )
    timeline = simulate(scenario, KubeScheduler())
    assert [(p.lane, p.reason) for p in timeline.points("bind")] == [
        ("n0", "room was made for it"),
        ("n1", "the only node that can take it"),
    ]


@pytest.mark.parametrize("preempts", [True, False])
def test_preemption_can_be_switched_off(preempts: bool) -> None:
    scenario = cluster(nodes(1000), pod("low", node="n0"), pod("vip", priority=1, arrival=1))
    timeline = simulate(scenario, KubeScheduler(preemption=preempts))
    assert bool([*timeline.points("preempt")]) == preempts


def test_inter_pod_terms_are_respected() -> None:
    web = (Expression(key="app", values=("web",)),)
    apart = [pod(f"p{i}", 1, labels={"app": "web"}, apart=(Term(selector=web),)) for i in range(3)]
    timeline = simulate(cluster(nodes(1000, 1000), *apart), KubeScheduler())
    assert _bound(timeline) == {"p0": "n0", "p1": "n1"}
    [waits] = [s.reason for s in timeline.spans("wait") if s.group == "default/p2"]
    assert waits == "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules"


def _left(policy: KubeScheduler, size: int, seeds: int) -> list[int]:
    """How many pods are left without a node, seed by seed, in the published generator."""
    found = []
    for seed in range(seeds):
        shape: dict[str, Any] = {"nodes": size, "pods_per_node": size, "priorities": 1}
        scenario = ReplicaSets(**shape, utilisation=0.95).make(seed)
        timeline = simulate(scenario, policy, seed=seed)
        found.append(len(scenario.pods) - len(_bound(timeline)))
    return found


@pytest.mark.parametrize("tie_break", ["first", "random"])
@pytest.mark.parametrize(("size", "mean"), [(4, 1.70), (8, 1.85)])
def test_as_many_pods_are_left_as_by_the_real_scheduler(
    tie_break: Any, size: int, mean: float
) -> None:
    """kube-scheduler 1.20 itself left 1.70 and 1.85 pods on average of 20 instances each, drawn
    from the same generator with other random numbers, and some in 20 and in 18 of them.

    Both means are of 20 draws or more with a standard deviation of about 1, so that they differ by
    less than .75 with a probability of 98 %; so few as 15 of 20 instances would be rare too.
    """
    left = _left(KubeScheduler(tie_break=tie_break, spread_owned=False), size, 40)
    assert abs(np.mean(left) - mean) < 0.75
    assert np.mean([count > 0 for count in left]) >= 0.8


def test_it_keeps_what_every_policy_promises() -> None:
    scenario = ReplicaSets(nodes=3, pods_per_node=3, utilisation=1.05, priorities=3).make(1)
    scenario = msgspec.structs.replace(scenario, grace=2000)
    choices: tuple[Any, Any] = ("first", "random")
    for tie_break in choices:
        report = check_policy(KubeScheduler(tie_break=tie_break), [scenario])
        assert not report.skipped


def test_the_same_decisions_on_a_large_cluster_without_memory_of_failures() -> None:
    """A pod that fails like another is refused from memory; asking anew gives the same."""
    random = np.random.Generator(np.random.PCG64(5))
    pods = tuple(
        Pod(
            name=f"p{i}",
            requests={"milli_cpu": int(random.integers(1, 8)) * 250},
            priority=int(random.integers(0, 3)),
            arrival=int(random.integers(0, 100)),
            lifetime=int(random.integers(5, 60)),
        )
        for i in range(300)
    )
    scenario = Pods(time_unit="s", nodes=nodes(*[2000] * 12), pods=pods, grace=3)
    apart = (Term(selector=(Expression(key="app", values=("none",)),)),)
    # A term that never matters makes every pod a case of its own, which is never remembered.
    asking = msgspec.structs.replace(
        scenario, pods=tuple(msgspec.structs.replace(pod, apart=apart) for pod in pods)
    )
    policy = KubeScheduler()
    one, other = simulate(scenario, policy), simulate(asking, policy)
    assert points(one, "bind", "preempt", "done") == points(other, "bind", "preempt", "done")
    assert len([*one.points("preempt")]) > 20
    assert check(scenario, one) == []
