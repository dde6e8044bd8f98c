"""Scores by hand, and against the plain arithmetic of `naive_scores`."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.filters import Filters
from hocket.cluster.kube.scores import Scores, normal, stretched, total
from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import ZONE, Node, Pod, Pods
from hocket.cluster.model.rules import Preferred, PreferredNode, Spread, Taint, Term, Toleration
from hocket.cluster.roles.pods import View
from hocket.cluster.state import State
from tests.cluster.policies.naive_scores import scores

GIB = 2**30
WEB = (Expression(key="app", values=("web",)),)


def _parts(
    nodes: tuple[Node, ...], on: dict[int, list[Pod]], pod: Pod, strategy: Any = "LeastAllocated"
) -> dict[str, list[int]]:
    state = State(nodes, [pod])
    for j, pods in on.items():
        for other in pods:
            state.place(other, j)
    view = View(Pods(nodes=nodes), state)
    parts = Scores(Filters.of(state), strategy, True).parts(view, pod, np.arange(len(nodes)))
    return {name: score.tolist() for name, score in parts.items()}


def _node(name: str, cpu: int = 4000, memory: int = 8 * GIB, **fields: Any) -> Node:
    return Node(name=name, allocatable={"milli_cpu": cpu, "memory": memory}, **fields)


def _pod(name: str = "p", cpu: int = 1000, memory: int = GIB, **fields: Any) -> Pod:
    return Pod(name=name, requests={"milli_cpu": cpu, "memory": memory}, **fields)


def test_resources_by_hand() -> None:
    """4 cores and 8 GiB; one node is empty, the other has a pod of 2 cores and 1 GiB.

    Empty: cpu (4000 - 1000) 100 / 4000 = 75, memory (8 - 1) 100 / 8 = 87; fit (75 + 87) // 2 = 81.
    Shares 1/4 and 1/8: balance 100 (1 - 1/16) = 93. The other: cpu 25, memory 75: fit 50; shares
    3/4 and 1/4: balance 75.
    """
    nodes = (_node("empty"), _node("used"))
    parts = _parts(nodes, {1: [_pod("x", 2000)]}, _pod())
    assert parts == {"NodeResourcesFit": [81, 50], "NodeResourcesBalancedAllocation": [93, 75]}
    parts = _parts(nodes, {1: [_pod("x", 2000)]}, _pod(), "MostAllocated")
    assert parts["NodeResourcesFit"] == [(25 + 12) // 2, (75 + 25) // 2]


def test_pods_that_ask_for_nothing_count_for_something() -> None:
    """100m of a core and 200 MiB each, in the fit; for the balance they are nothing."""
    nodes = (_node("a", 1000, 1000 * 2**20),)
    parts = _parts(nodes, {0: [Pod(name="x")]}, Pod(name="y"))
    assert parts == {"NodeResourcesFit": [(80 + 60) // 2]}
    parts = _parts(nodes, {0: [Pod(name="x")]}, _pod("y", 500, 500 * 2**20))
    assert parts["NodeResourcesBalancedAllocation"] == [100]


def test_a_node_without_memory_is_scored_by_cpu() -> None:
    parts = _parts((Node(name="a", allocatable={"milli_cpu": 1000}),), {}, _pod("p", 250, 0))
    assert parts == {"NodeResourcesFit": [75], "NodeResourcesBalancedAllocation": [100]}


def test_taints_that_only_deter() -> None:
    taints = (Taint(key="a", effect="PreferNoSchedule"), Taint(key="b", effect="PreferNoSchedule"))
    nodes = (_node("none"), _node("one", taints=taints[:1]), _node("two", taints=taints))
    assert _parts(nodes, {}, _pod())["TaintToleration"] == [100, 50, 0]
    tolerant = _pod(tolerations=(Toleration(key="b", op="Exists"),))
    assert _parts(nodes, {}, tolerant)["TaintToleration"] == [100, 0, 0]
    blind = _pod(tolerations=(Toleration(key="b", op="Exists", effect="NoSchedule"),))
    assert _parts(nodes, {}, blind)["TaintToleration"] == [100, 50, 0]


def test_preferred_nodes() -> None:
    ssd = Expression(key="disk", values=("ssd",))
    nodes = (_node("a"), _node("b", labels={"disk": "ssd"}), _node("c", labels={"arch": "arm"}))
    pod = _pod(
        prefers=(
            PreferredNode(weight=30, selector=(ssd,)),
            PreferredNode(weight=10, selector=(Expression(key="arch", op="Exists"),)),
        )
    )
    assert _parts(nodes, {}, pod)["NodeAffinity"] == [0, 100, 33]


def test_company() -> None:
    """Web pods on a: 2, on b: 1. The one on b must be near web pods, which counts 1 for it."""
    nodes = (_node("a"), _node("b"), _node("c"))
    web: dict[str, Any] = {"labels": {"app": "web"}}
    near = (Term(selector=WEB),)
    on = {0: [_pod("w0", **web), _pod("w1", **web)], 1: [_pod("w2", near=near, **web)]}
    pod = _pod(likes=(Preferred(weight=10, term=Term(selector=WEB)),))
    assert _parts(nodes, on, pod)["InterPodAffinity"] == [100, 50, 0]
    avoids = _pod(likes=(Preferred(weight=-10, term=Term(selector=WEB)),))
    assert _parts(nodes, on, avoids)["InterPodAffinity"] == [0, 50, 100]
    assert _parts(nodes, on, _pod("w3", **web))["InterPodAffinity"] == [0, 100, 0]
    assert "InterPodAffinity" not in _parts(nodes, on, _pod())


def test_soft_spread() -> None:
    """Three hosts weigh log(5) = 1.609 a pod: 2, 1 and 0 pods give 3, 2, 0: scores 0, 33, 100."""
    nodes = (_node("a"), _node("b"), _node("c"))
    web: dict[str, Any] = {"labels": {"app": "web"}}
    on = {0: [_pod("w0", **web), _pod("w1", **web)], 1: [_pod("w2", **web)]}
    spread = Spread(topology="kubernetes.io/hostname", selector=WEB, hard=False)
    parts = _parts(nodes, on, _pod(spread=(spread,), **web))
    assert parts["PodTopologySpread"] == [0, 33, 100]
    hard = msgspec.structs.replace(spread, hard=True)
    assert "PodTopologySpread" not in _parts(nodes, on, _pod(spread=(hard,), **web))


def test_pods_of_one_owner_are_spread_by_default() -> None:
    """Hosts: log(5) a pod, and 2 for the skew; zones, of which there are two: log(4), and 4."""
    nodes = tuple(_node(n, labels={ZONE: z}) for n, z in (("a", "1"), ("b", "1"), ("c", "2")))
    owned: dict[str, Any] = {"owner": "ReplicaSet/web"}
    on = {0: [_pod("w0", **owned)], 2: [_pod("x", owner="ReplicaSet/other")]}
    # a: 1.609 + 2 + 1.386 + 4 = 8.995, b: 2 + 1.386 + 4 = 7.386, c: 6
    assert _parts(nodes, on, _pod(**owned))["PodTopologySpread"] == [
        100 * (9 + 6 - 9) // 9,
        100 * (9 + 6 - 7) // 9,
        100,
    ]


@pytest.mark.parametrize(("given_", "wanted"), [([0, 0], [0, 0]), ([2, 3], [66, 100])])
def test_normal(given_: list[int], wanted: list[int]) -> None:
    assert normal(np.array(given_)).tolist() == wanted


@pytest.mark.parametrize(("given_", "wanted"), [([5, 5], [0, 0]), ([-2, 1, 4], [0, 50, 100])])
def test_stretched(given_: list[int], wanted: list[int]) -> None:
    assert stretched(np.array(given_)).tolist() == wanted


terms = st.builds(
    Term,
    selector=st.sampled_from([(), WEB]),
    topology=st.sampled_from([ZONE, "kubernetes.io/hostname"]),
)
nodes = st.builds(
    _node,
    name=st.just(""),
    cpu=st.integers(0, 5000),
    memory=st.integers(0, 4 * GIB),
    labels=st.dictionaries(st.sampled_from([ZONE, "disk"]), st.sampled_from(["1", "2"])),
    taints=st.lists(
        st.builds(
            Taint,
            key=st.sampled_from(["x", "y"]),
            effect=st.sampled_from(["PreferNoSchedule"]),
        ),
        max_size=2,
    ).map(tuple),
)
pods = st.builds(
    Pod,
    name=st.just(""),
    requests=st.dictionaries(
        st.sampled_from(["milli_cpu", "memory"]), st.sampled_from([0, 70, 400, 1700, GIB])
    ),
    labels=st.sampled_from([{}, {"app": "web"}]),
    owner=st.sampled_from(["", "ReplicaSet/a", "ReplicaSet/b"]),
    selector=st.sampled_from([(), (Expression(key="disk", op="Exists"),)]),
    near=st.lists(terms, max_size=1).map(tuple),
    likes=st.lists(st.builds(Preferred, weight=st.integers(-100, 100), term=terms), max_size=2).map(
        tuple
    ),
    prefers=st.lists(
        st.builds(
            PreferredNode,
            weight=st.integers(1, 100),
            selector=st.sampled_from([(Expression(key="disk", values=("1",)),)]),
        ),
        max_size=2,
    ).map(tuple),
    tolerations=st.lists(
        st.builds(
            Toleration,
            key=st.sampled_from(["x", ""]),
            op=st.just("Exists"),
            effect=st.sampled_from(["", "PreferNoSchedule", "NoSchedule"]),
        ),
        max_size=1,
    ).map(tuple),
    spread=st.lists(
        st.builds(
            Spread,
            topology=st.sampled_from([ZONE, "kubernetes.io/hostname"]),
            selector=st.sampled_from([(), WEB]),
            max_skew=st.integers(1, 4),
            hard=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
)


@given(
    machines=st.lists(nodes, min_size=1, max_size=5),
    crowd=st.lists(pods, min_size=1, max_size=8),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_against_plain_arithmetic(
    machines: list[Node], crowd: list[Pod], data: st.DataObject
) -> None:
    replace = msgspec.structs.replace
    machines = [replace(node, name=f"n{j}") for j, node in enumerate(machines)]
    pod, *others = [replace(pod, name=f"p{i}") for i, pod in enumerate(crowd)]
    state = State(tuple(machines), [pod, *others])
    scorer = Scores(Filters.of(state), "LeastAllocated", True)
    view = View(Pods(nodes=state.nodes), state)
    placed = []
    for other in others:
        j = data.draw(st.integers(0, len(machines) - 1), other.name)
        state.place(other, j)
        placed.append((other, state.nodes[j]))
    view.leaving = frozenset(p.key for p in others if data.draw(st.booleans(), f"{p.name} leaves"))
    able = sorted(data.draw(st.sets(st.sampled_from(range(len(machines))), min_size=1), "able"))
    parts = scorer.parts(view, pod, np.array(able))
    wanted = scores(pod, [state.nodes[j] for j in able], state.nodes, placed, set(view.leaving))
    missing = 0 if "TaintToleration" in parts else 300  # what all have in common is left out
    assert (total(parts) + missing).tolist() == wanted
