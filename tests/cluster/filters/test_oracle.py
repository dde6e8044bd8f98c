"""The filters give what a naive reading of the rules gives, however a cluster came about."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.filters import Filters, feasible, ineligible
from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.model.rules import Spread, Taint, Term, Toleration
from hocket.cluster.state import State
from tests.cluster.filters.naive import Placed, allowed

HOST = "kubernetes.io/hostname"


def _few(strategy: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=most).map(tuple)


labels = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b"]))
expressions = st.one_of(
    st.builds(
        Expression,
        key=st.sampled_from(["app", "tier"]),
        op=st.sampled_from(["In", "NotIn"]),
        values=st.sampled_from([("a",), ("b",), ("a", "b")]),
    ),
    st.builds(
        Expression,
        key=st.sampled_from(["app", "tier"]),
        op=st.sampled_from(["Exists", "DoesNotExist"]),
    ),
)
terms = st.builds(
    Term,
    selector=_few(expressions),
    topology=st.sampled_from([HOST, "zone"]),
    namespaces=st.sampled_from([(), ("x",), ("*",)]),
)
spreads = st.builds(
    Spread,
    topology=st.sampled_from([HOST, "zone"]),
    selector=_few(expressions),
    max_skew=st.integers(1, 2),
    hard=st.booleans(),
)
places = st.builds(
    Expression,
    key=st.sampled_from(["zone", "disk"]),
    op=st.sampled_from(["In", "NotIn", "Gt", "Lt"]),
    values=st.sampled_from([("1",), ("2",)]),
)
taints = st.builds(
    Taint,
    key=st.just("team"),
    value=st.sampled_from(["a", "b"]),
    effect=st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
)
tolerations = st.builds(
    Toleration,
    key=st.sampled_from(["", "team"]),
    op=st.sampled_from(["Equal", "Exists"]),
    value=st.sampled_from(["a", "b"]),
    effect=st.sampled_from(["", "NoSchedule"]),
)
nodes = st.builds(
    Node,
    name=st.just(""),
    allocatable=st.fixed_dictionaries(
        {"milli_cpu": st.integers(0, 6)}, optional={"pods": st.integers(0, 3)}
    ),
    labels=st.dictionaries(st.sampled_from(["zone", "disk"]), st.sampled_from(["1", "2"])),
    taints=_few(taints, 1),
    cordoned=st.sampled_from([False] * 9 + [True]),
    down=st.sampled_from([False] * 9 + [True]),
    gpus=st.integers(0, 2),
)
shares = st.sampled_from([(0, 1000), (0, 1000), (1, 300), (1, 600), (1, 1000), (2, 1000)])


@st.composite
def _pods(draw: st.DrawFn) -> Pod:
    gpus, milli = draw(shares)
    return Pod(
        name="",
        namespace=draw(st.sampled_from(["x", "y"])),
        requests=draw(st.dictionaries(st.sampled_from(["milli_cpu", "disk"]), st.integers(0, 3))),
        labels=draw(labels),
        selector=draw(_few(places, 1)),
        affinity=draw(_few(_few(places, 1))),
        near=draw(_few(terms, 2)),
        apart=draw(_few(terms, 1)),
        spread=draw(_few(spreads)),
        tolerations=draw(_few(tolerations)),
        ports=draw(_few(st.sampled_from(["TCP/80", "TCP/81"]))),
        gpus=gpus,
        gpu_milli=milli,
    )


@st.composite
def _clusters(draw: st.DrawFn) -> Pods:
    machines = draw(st.lists(nodes, min_size=1, max_size=5))
    replace = msgspec.structs.replace
    return Pods(
        nodes=tuple(replace(node, name=f"n{j}") for j, node in enumerate(machines)),
        pods=tuple(
            replace(pod, name=f"p{i}")
            for i, pod in enumerate(draw(st.lists(_pods(), min_size=1, max_size=7)))
        ),
    )


def _placed(state: State) -> Placed:
    return [
        (pod, node, state.holds.get(pod.key, ()))
        for node, pods in zip(state.nodes, state.on, strict=True)
        for pod in pods.values()
    ]


@given(cluster=_clusters(), data=st.data())
@settings(max_examples=130, deadline=None)
def test_against_the_naive_reading(cluster: Pods, data: st.DataObject) -> None:
    state = State(cluster.nodes, cluster.pods)
    for _ in range(data.draw(st.integers(1, 8), "steps")):
        pod = data.draw(st.sampled_from(cluster.pods), "pod")
        if pod.key in state.where:
            state.remove(pod.key)
        else:
            state.place(pod, data.draw(st.integers(0, len(cluster.nodes) - 1), "node"))
        # Now and then the indices are asked for in between, so that they are kept from then on.
        if data.draw(st.booleans(), "look"):
            feasible(state, data.draw(st.sampled_from(cluster.pods), "seen"))
    placed = _placed(state)
    leaving = {key for key in sorted(state.where) if data.draw(st.booleans(), key)}
    filters = Filters.of(state)
    for pod in cluster.pods:
        if pod.key in state.where:
            continue
        wanted = [allowed(pod, node, cluster.nodes, placed, leaving) for node in cluster.nodes]
        assert filters.feasible(pod, leaving).tolist() == wanted
        refusals = [filters.refusal(pod, j, leaving) for j in range(len(cluster.nodes))]
        assert [not reason for reason in refusals] == wanted
        summary = filters.summary(pod, leaving)
        assert summary.startswith(f"{sum(wanted)}/{len(wanted)} nodes are available")
        for reason in filter(None, refusals):
            assert reason in summary


@given(cluster=_clusters(), data=st.data())
@settings(max_examples=100, deadline=None)
def test_as_if_some_were_gone_and_others_come(cluster: Pods, data: st.DataObject) -> None:
    """`gone` and `come` give what a state gives in which that has happened."""
    state, after = State(cluster.nodes, cluster.pods), State(cluster.nodes, cluster.pods)
    node = data.draw(st.integers(0, len(cluster.nodes) - 1), "node")
    pod, *others = cluster.pods
    gone, come = [], []
    for other in others:
        what = data.draw(st.sampled_from(["stays", "goes", "comes", "is elsewhere"]), other.key)
        where = node
        if what == "is elsewhere":
            where = data.draw(st.integers(0, len(cluster.nodes) - 1), "where")
        if what != "comes":
            state.place(other, where)
        if what == "goes":
            gone.append(other)
        elif what != "comes":
            after.place(other, where, state.holds.get(other.key, ()))
        elif all(p.gpus == 0 for p in cluster.pods):
            come.append(other)
    for other in come:
        after.place(other, node)
    found = Filters.of(state).refusal(pod, node, gone=gone, come=come)
    assert bool(found) == bool(Filters.of(after).refusal(pod, node))


@given(cluster=_clusters())
@settings(max_examples=60, deadline=None)
def test_eligibility_is_ineligible_for_all_nodes(cluster: Pods) -> None:
    eligibility = Filters(State(cluster.nodes, cluster.pods)).eligibility
    for pod in cluster.pods:
        wanted = tuple(ineligible(pod, node) for node in cluster.nodes)
        assert eligibility.reasons(pod) == wanted
        assert eligibility.mask(pod).tolist() == [not reason for reason in wanted]


def test_room_of_shared_gpus_is_kept_in_step() -> None:
    """Two pods of 600 thousandths do not fit on one GPU, though 800 of two GPUs are left."""
    nodes = (Node(name="a", allocatable={}, gpus=2),)
    pods = [Pod(name=f"p{i}", gpus=1, gpu_milli=600) for i in range(3)]
    state = State(nodes, pods)
    for pod in pods[:2]:
        assert feasible(state, pod).all()
        state.place(pod, 0)
    assert not feasible(state, pods[2]).any()
    assert feasible(state, msgspec.structs.replace(pods[2], gpu_milli=400)).all()
    state.remove(pods[0].key)
    assert feasible(state, pods[2]).all()
    whole = Pod(name="whole", gpus=2)
    assert not feasible(state, whole).any()
    state.remove(pods[1].key)
    assert np.array_equal(feasible(state, whole), [True])
