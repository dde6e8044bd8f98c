"""What the filters say, in the words of Kubernetes."""

from __future__ import annotations

import pytest

from hocket.cluster.filters import feasible, ineligible, refusal, summary
from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.model.rules import Spread, Taint, Term, Toleration
from hocket.cluster.state import State

CORE = {"milli_cpu": 1000, "memory": 2**30}
WEB = (Expression(key="app", values=("web",)),)


def _pod(name: str = "p", cpu: int = 100, **fields: object) -> Pod:
    return Pod(name=name, requests={"milli_cpu": cpu}, **fields)  # type: ignore[arg-type]


def _nodes(count: int = 3, **fields: object) -> tuple[Node, ...]:
    return tuple(
        Node(name=f"n{j}", allocatable=CORE, **fields)  # type: ignore[arg-type]
        for j in range(count)
    )


def test_fragmentation() -> None:
    """Three pods of 400m on three nodes of one core: nothing is left for one of 700m."""
    state = State(_nodes())
    for j in range(3):
        state.place(_pod(f"small-{j}", 400), j)
    big = _pod("big", 700)
    assert not feasible(state, big).any()
    assert summary(state, big) == "0/3 nodes are available: 3 Insufficient cpu"


def test_several_reasons() -> None:
    nodes = (
        *_nodes(2),
        Node(name="a", allocatable=CORE, taints=(Taint(key="gpu", value="yes"),)),
        Node(name="b", allocatable=CORE, cordoned=True),
        Node(name="c", allocatable=CORE, down=True),
        Node(name="d", allocatable={"pods": 0} | CORE, labels={"disk": "ssd"}),
    )
    state = State(nodes)
    for j in range(2):
        state.place(_pod(f"small-{j}", 400), j)
    assert summary(state, _pod("big", 700)) == (
        "0/6 nodes are available: 1 Too many pods, 1 node(s) had untolerated taint {gpu: yes}, "
        "1 node(s) were not ready, 1 node(s) were unschedulable, 2 Insufficient cpu"
    )
    picky = _pod(selector=(Expression(key="disk", values=("hdd",)),))
    assert summary(state, picky) == (
        "0/6 nodes are available: 1 node(s) had untolerated taint {gpu: yes}, "
        "1 node(s) were not ready, 1 node(s) were unschedulable, "
        "3 node(s) didn't match Pod's node affinity/selector"
    )


def test_a_node_lacks_several_resources() -> None:
    state = State(_nodes(1))
    pod = Pod(name="p", requests={"milli_cpu": 2000, "memory": 2**40})
    assert summary(state, pod) == (
        "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory"
    )


def test_what_pods_mean_for_one_another() -> None:
    state = State(_nodes(2, labels={"zone": "east"}))
    state.place(_pod("web", labels={"app": "web"}, ports=("TCP/80",)), 0)
    keeps_apart = _pod("a", labels={"app": "b"}, apart=(Term(selector=WEB),))
    words = "node(s) didn't match pod anti-affinity rules"
    assert [refusal(state, keeps_apart, j) for j in range(2)] == [words, ""]
    far = _pod("b", near=(Term(selector=(Expression(key="app", values=("db",)),)),))
    assert refusal(state, far, 1) == "node(s) didn't match pod affinity rules"
    assert refusal(state, _pod(ports=("TCP/80",)), 0) == (
        "node(s) didn't have free ports for the requested pod ports"
    )
    state.place(keeps_apart, 1)
    other = _pod("web-2", labels={"app": "web"})
    assert refusal(state, other, 1) == "node(s) didn't satisfy existing pods anti-affinity rules"
    even = _pod("e", labels={"app": "web"}, spread=(Spread(topology="zone", selector=WEB),))
    assert refusal(state, even, 0) == ""  # one domain alone is always even
    rack = _pod("r", spread=(Spread(topology="rack", selector=WEB),))
    assert summary(state, rack) == (
        "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints "
        "(missing required label)"
    )


def test_the_first_of_its_kind_may_be_near_itself() -> None:
    state = State(_nodes(2))
    pods = [_pod(f"p{i}", labels={"app": "web"}, near=(Term(selector=WEB),)) for i in range(2)]
    assert feasible(state, pods[0]).all()
    state.place(pods[0], 1)
    assert feasible(state, pods[1]).tolist() == [False, True]


def test_spread_does_not_count_who_is_leaving() -> None:
    state = State(_nodes(2))
    spread = (Spread(topology="kubernetes.io/hostname", selector=WEB),)
    pods = [_pod(f"p{i}", labels={"app": "web"}, spread=spread) for i in range(2)]
    state.place(pods[0], 0)
    assert feasible(state, pods[1]).tolist() == [False, True]
    assert feasible(state, pods[1], leaving={pods[0].key}).tolist() == [True, True]


def test_an_overcommitted_node_still_takes_what_asks_for_nothing() -> None:
    state = State(_nodes(1))
    state.place(_pod("huge", 5000), 0)
    assert refusal(state, Pod(name="idle"), 0) == ""
    assert refusal(state, _pod(), 0) == "Insufficient cpu"


@pytest.mark.parametrize(
    ("toleration", "borne"),
    [
        (Toleration(), False),
        (Toleration(op="Exists"), True),
        (Toleration(key="team", op="Exists"), True),
        (Toleration(key="team", value="a"), True),
        (Toleration(key="team", value="b"), False),
        (Toleration(key="team", value="a", effect="NoSchedule"), False),
        (Toleration(key="team", value="a", effect="NoExecute"), True),
    ],
)
def test_tolerations(toleration: Toleration, borne: bool) -> None:
    taint = Taint(key="team", value="a", effect="NoExecute")
    node = Node(name="n", allocatable=CORE, taints=(taint,))
    wanted = "" if borne else "node(s) had untolerated taint {team: a}"
    assert ineligible(_pod(tolerations=(toleration,)), node) == wanted


def test_each_term_asks_for_a_pod_that_all_terms_mean() -> None:
    """As kube-scheduler has it: one pod of each kind beside it is not enough."""
    zone = "topology.kubernetes.io/zone"
    web = Expression(key="app", values=("web",))
    fast = Expression(key="tier", values=("fast",))
    nodes = tuple(
        Node(name=name, allocatable=CORE, labels={zone: z})
        for name, z in (("n0", "x"), ("n1", "x"), ("n2", "y"), ("n3", "y"))
    )
    asks = _pod("p", near=(Term(selector=(web,)), Term(selector=(fast,), topology=zone)))
    halves = (
        _pod("a", node="n0", labels={"app": "web"}),
        _pod("b", node="n1", labels={"tier": "fast"}),
    )
    state = State.of(Pods(nodes=nodes, pods=halves))
    assert not feasible(state, asks).any()
    whole = _pod("c", node="n2", labels={"app": "web", "tier": "fast"})
    state = State.of(Pods(nodes=nodes, pods=(*halves, whole)))
    assert feasible(state, asks).tolist() == [False, False, True, False]
    assert [not refusal(state, asks, j) for j in range(4)] == [False, False, True, False]
    both = _pod("d", labels={"app": "web", "tier": "fast"}, near=asks.near)
    assert feasible(State.of(Pods(nodes=nodes, pods=halves)), both).all()
