"""Default preemption: whom it displaces, and where."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.model.rules import Budget, Term
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.cluster.roles.pods import Bind, Preempt, View, Wait
from hocket.cluster.state import State
from hocket.core.streams import Streams
from tests.cluster.check.clusters import clusters
from tests.cluster.filters.naive import allowed
from tests.cluster.simulate.scripted import nodes, pod

DB = {"app": "db"}
CRITICAL = Budget(name="db", selector=(Expression(key="app", values=("db",)),), max_unavailable=0)


def _decide(scenario: Pods, candidate: Pod, **seen: Any) -> Bind | Preempt | Wait:
    view = View(scenario, State.of(scenario))
    view.waiting = (candidate,)
    for name, value in seen.items():
        setattr(view, name, value)
    return KubeScheduler().begin(scenario, Streams(0)).place(view, candidate)


def _preempt(
    machines: tuple[Node, ...], pods: list[Pod], cpu: int = 1000, **fields: Any
) -> tuple[str, list[str]] | str:
    """The node and the victims, or why there are none."""
    seen = {key: fields.pop(key) for key in ("started", "leaving", "nominated") if key in fields}
    budgets = fields.pop("budgets", ())
    scenario = Pods(nodes=machines, pods=tuple(pods), budgets=budgets)
    candidate = pod("vip", cpu, **({"priority": 100} | fields))
    answer = _decide(scenario, candidate, **seen)
    if isinstance(answer, Preempt):
        return answer.node, [key.removeprefix("default/") for key in answer.victims]
    return answer.reason


def test_only_as_many_as_needed_the_least_important() -> None:
    """All lower pods go in thought; then those come back that may, the most important first."""
    pods = [
        pod("a", 300, node="n0", priority=3),
        pod("b", 300, node="n0", priority=2),
        pod("c", 300, node="n0", priority=1),
    ]
    assert _preempt(nodes(1000), pods, 400) == ("n0", ["c"])
    assert _preempt(nodes(1000), pods, 500) == ("n0", ["b", "c"])
    assert _preempt(nodes(1000), pods, 1000) == ("n0", ["a", "b", "c"])


def test_reprieve_skips_what_does_not_fit() -> None:
    """a (600m) cannot come back beside 700m, b and c can, one of them: b."""
    pods = [
        pod("a", 600, node="n0", priority=3),
        pod("b", 200, node="n0", priority=2),
        pod("c", 200, node="n0", priority=1),
    ]
    assert _preempt(nodes(1000), pods, 700) == ("n0", ["a", "c"])


def test_the_younger_go_first_at_equal_priority() -> None:
    pods = [pod("old", 500, node="n0"), pod("young", 500, node="n0")]
    started = {"default/old": 5, "default/young": 9}
    assert _preempt(nodes(1000), pods, 500, started=started) == ("n0", ["young"])
    started = {"default/old": 9, "default/young": 5}
    assert _preempt(nodes(1000), pods, 500, started=started) == ("n0", ["old"])


def test_no_one_of_equal_or_higher_priority_and_no_one_protected() -> None:
    pods = [pod("equal", node="n0", priority=100), pod("safe", node="n1", protected=True)]
    assert _preempt(nodes(1000, 1000), pods) == "0/2 nodes are available: 2 Insufficient cpu"


def test_the_pod_may_be_polite() -> None:
    pods = [pod("low", node="n0")]
    answer = _preempt(nodes(1000), pods, preempts=False)
    assert answer == "0/1 nodes are available: 1 Insufficient cpu"


def test_fewest_violations_first() -> None:
    """n0 would break the budget, though its victim is less important."""
    pods = [
        pod("db", node="n0", priority=0, labels=DB),
        pod("web", node="n1", priority=9),
    ]
    assert _preempt(nodes(1000, 1000), pods, budgets=(CRITICAL,)) == ("n1", ["web"])
    assert _preempt(nodes(1000, 1000), pods) == ("n0", ["db"])
    assert _preempt(nodes(1000), pods[:1], budgets=(CRITICAL,)) == ("n0", ["db"])


def test_violating_victims_are_spared_first() -> None:
    """The db has the lower priority, but sparing it keeps the budget."""
    pods = [pod("web", 500, node="n0", priority=9), pod("db", 500, node="n0", labels=DB)]
    assert _preempt(nodes(1000), pods, 500, budgets=(CRITICAL,)) == ("n0", ["web"])
    assert _preempt(nodes(1000), pods, 500) == ("n0", ["db"])


def test_a_budget_that_bears_one_loss() -> None:
    """Of two covered pods on one node, the loss of the second would break the budget."""
    budget = msgspec.structs.replace(CRITICAL, max_unavailable=1)
    pair = [pod(f"db-{i}", 500, node="n0", labels=DB) for i in range(2)]
    other = [pod("big", node="n1", priority=50)]
    machines = nodes(1000, 1000)
    assert _preempt(machines, [*pair, *other], budgets=(budget,)) == ("n1", ["big"])
    assert _preempt(machines, [*pair, *other], 500, budgets=(budget,)) == ("n0", ["db-0"])


def test_then_the_lowest_of_the_highest_victims() -> None:
    pods = [
        pod("high", node="n0", priority=9),
        *(pod(f"low-{i}", 250, node="n1", priority=8) for i in range(4)),
    ]
    assert _preempt(nodes(1000, 1000), pods)[0] == "n1"


def test_then_the_smallest_sum_of_priorities() -> None:
    pods = [
        *(pod(f"a{i}", 500, node="n0", priority=p) for i, p in enumerate((5, 4))),
        *(pod(f"b{i}", 500, node="n1", priority=p) for i, p in enumerate((5, 3))),
    ]
    assert _preempt(nodes(1000, 1000), pods)[0] == "n1"
    # A third victim weighs more than any priority below nought saves.
    pods = [
        *(pod(f"a{i}", 500, node="n0", priority=p) for i, p in enumerate((5, 4))),
        *(
            pod(f"b{i}", cpu, node="n1", priority=p)
            for i, (cpu, p) in enumerate(((500, 5), (250, -9), (250, -9)))
        ),
    ]
    assert _preempt(nodes(1000, 1000), pods)[0] == "n0"


def test_then_the_youngest_important_victim_and_then_the_first_node() -> None:
    pods = [pod("a", node="n0"), pod("b", node="n1")]
    assert _preempt(nodes(1000, 1000), pods)[0] == "n0"
    started = {"default/a": 3, "default/b": 7}
    assert _preempt(nodes(1000, 1000), pods, started=started)[0] == "n1"


def test_a_node_that_can_never_take_it_is_left_alone() -> None:
    machines = (
        Node(name="n0", allocatable={"milli_cpu": 1000}, cordoned=True),
        *nodes(0, 1000)[1:],
    )
    pods = [pod("a", node="n0"), pod("b", node="n1", priority=50)]
    assert _preempt(machines, pods)[0] == "n1"


def test_those_who_keep_apart_are_displaced_and_ports_freed() -> None:
    web = Term(selector=(Expression(key="app", values=("web",)),))
    shy = pod("shy", 1, node="n0", apart=(web,))
    assert _preempt(nodes(9000), [shy], 1, labels={"app": "web"}) == ("n0", ["shy"])
    server = pod("server", 1, node="n0", ports=("TCP/80",))
    assert _preempt(nodes(9000), [server, shy], 1, ports=("TCP/80",)) == ("n0", ["server"])


def test_shared_gpus_are_cleared() -> None:
    machine = Node(name="n0", allocatable={"milli_cpu": 9000}, gpus=1)
    users = [
        Pod(name=name, gpus=1, gpu_milli=share, node="n0", priority=priority)
        for name, share, priority in (("half", 500, 2), ("some", 300, 1))
    ]
    assert _preempt((machine,), users, 1, gpus=1, gpu_milli=500) == ("n0", ["some"])
    assert _preempt((machine,), users, 1, gpus=1) == ("n0", ["half", "some"])


def test_room_made_for_others_is_not_counted() -> None:
    """n0 is being cleared for a peer; what it leaves does not suffice for both."""
    scenario = Pods(
        nodes=nodes(1000, 1000),
        pods=(pod("low", node="n0"), pod("other", node="n1", priority=9)),
    )
    peer, vip = pod("peer", 600, priority=100), pod("vip", 600, priority=100)
    view = View(scenario, State.of(scenario))
    view.waiting, view.leaving = (peer, vip), frozenset({"default/low"})
    view.nominated = {"default/peer": "n0"}
    answer = KubeScheduler().begin(scenario, Streams(0)).place(view, vip)
    assert isinstance(answer, Preempt)
    assert answer.node == "n1"


@given(cluster=clusters(most=9, static=True), level=st.integers(0, 3), data=st.data())
@settings(max_examples=150, deadline=None)
def test_victims_are_enough_and_none_is_needless(
    cluster: Pods, level: int, data: st.DataObject
) -> None:
    """Without its victims the pod fits; with any of them back it does not.

    Pods want neither company nor evenness here, since such terms can come to hold again as others
    come back.
    """
    plain = [msgspec.structs.replace(pod, near=(), spread=()) for pod in cluster.pods]
    running = tuple(pod for pod in plain if pod.node is not None)
    scenario = msgspec.structs.replace(cluster, pods=running, budgets=())
    alike = data.draw(st.sampled_from(plain), "alike")
    vip = msgspec.structs.replace(alike, name="vip", node=None, priority=level, gated=False)
    state = State.of(scenario)
    answer = _decide(scenario, vip)
    at = {node.name: node for node in scenario.nodes}
    placed = [(pod, at[pod.node or ""], state.holds.get(pod.key, ())) for pod in running]

    def fits(node: str, gone: set[str]) -> bool:
        rest = [one for one in placed if one[0].key not in gone]
        return allowed(vip, at[node], scenario.nodes, rest, set())

    lower = {pod.key for pod in running if pod.priority < level and not pod.protected}
    if isinstance(answer, Bind):
        assert fits(answer.node, set())
        return
    assert not any(fits(node, set()) for node in at)
    if isinstance(answer, Wait):
        on = {node: {p.key for p in running if p.node == node} & lower for node in at}
        assert not vip.preempts or not any(fits(node, keys) for node, keys in on.items())
        return
    victims = set(answer.victims)
    assert victims
    assert victims <= lower
    assert fits(answer.node, victims)
    assert not any(fits(answer.node, victims - {back}) for back in victims)
