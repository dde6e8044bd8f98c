"""The simulator does, tick by tick, what a naive reading of the rules does."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.simulate.pods import simulate
from tests.cluster.check.clusters import clusters
from tests.cluster.simulate.naive import FirstFit, Naive

LONG = 120


@st.composite
def crowded(draw: st.DrawFn) -> Pods:
    """Few nodes, many pods of several priorities that come and go: much preemption."""
    pods = tuple(
        Pod(
            name=f"p{i}",
            requests={"milli_cpu": draw(st.integers(1, 4))},
            priority=draw(st.integers(0, 3)),
            preempts=draw(st.integers(0, 5)) > 0,
            protected=draw(st.integers(0, 9)) == 0,
            arrival=draw(st.integers(0, 9)),
            lifetime=draw(st.integers(1, 15)),
        )
        for i in range(draw(st.integers(5, 12)))
    )
    machines = tuple(Node(name=f"n{j}", allocatable={"milli_cpu": 4 + j}) for j in range(2))
    return Pods(time_unit="s", nodes=machines, pods=pods, grace=draw(st.integers(0, 4)))


@given(cluster=clusters(most=9), lifetime=st.integers(1, 12), late=st.booleans())
@settings(max_examples=150, deadline=None)
def test_equal_histories(cluster: Pods, lifetime: int, late: bool) -> None:
    pods = tuple(
        msgspec.structs.replace(
            pod,
            lifetime=lifetime if pod.lifetime is None and late else pod.lifetime,
            arrival=pod.arrival % 3,
        )
        for pod in cluster.pods
    )
    cluster = msgspec.structs.replace(cluster, pods=pods, horizon=LONG)
    if not any(cluster.problems()):
        _same(cluster)


@given(cluster=crowded())
@settings(max_examples=150, deadline=None)
def test_equal_histories_where_much_is_preempted(cluster: Pods) -> None:
    _same(msgspec.structs.replace(cluster, horizon=LONG))


def _same(cluster: Pods) -> None:
    timeline = simulate(cluster, FirstFit())
    happened = [(p.time, p.kind, p.group, p.lane) for p in timeline.points()]
    assert happened == Naive(cluster).play(LONG)
