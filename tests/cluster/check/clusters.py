"""Hypothesis strategies of small clusters in which every rule matters."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.model.rules import Budget, Spread, Taint, Term, Toleration

ZONE = "zone"
APPS = ("a", "b", "c")


def _app(app: str) -> tuple[Expression, ...]:
    return (Expression(key="app", values=(app,)),)


selectors = st.sampled_from([(), *map(_app, APPS)])
terms = st.builds(
    Term,
    selector=st.sampled_from([*map(_app, APPS)]),
    topology=st.sampled_from(["kubernetes.io/hostname", ZONE]),
)
spreads = st.builds(
    Spread,
    topology=st.just(ZONE),
    selector=st.sampled_from([*map(_app, APPS)]),
    max_skew=st.integers(1, 2),
    hard=st.booleans(),
)
rarely = st.sampled_from([False, False, False, True])


def few(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Mostly nothing, sometimes one."""
    return rarely.flatmap(lambda some: st.tuples(strategy) if some else st.just(()))


@st.composite
def _nodes(draw: st.DrawFn) -> tuple[Node, ...]:
    count = draw(st.integers(1, 4))
    return tuple(
        Node(
            name=f"n{j}",
            allocatable={
                "milli_cpu": draw(st.integers(2, 8)),
                **({"pods": draw(st.integers(1, 4))} if draw(rarely) else {}),
            },
            labels={} if draw(rarely) else {ZONE: draw(st.sampled_from(["east", "west"]))},
            taints=draw(few(st.just(Taint(key="only", value="b")))),
            cordoned=draw(rarely) and draw(rarely),
            gpus=draw(st.integers(0, 2)),
        )
        for j in range(count)
    )


@st.composite
def _pod(draw: st.DrawFn, number: int, nodes: tuple[Node, ...], static: bool) -> Pod:
    app = draw(st.sampled_from(APPS))
    runs = draw(st.booleans())
    shares = draw(rarely)
    return Pod(
        name=f"p{number}",
        requests={"milli_cpu": draw(st.integers(0, 4))},
        priority=draw(st.integers(0, 2)),
        preempts=not draw(rarely),
        node=draw(st.sampled_from([node.name for node in nodes])) if runs else None,
        labels={"app": app},
        selector=(Expression(key=ZONE, op="Exists"),) if draw(rarely) and draw(rarely) else (),
        near=draw(few(terms)),
        apart=draw(few(terms)),
        spread=draw(few(spreads)),
        tolerations=draw(few(st.just(Toleration(key="only", op="Exists")))),
        ports=draw(few(st.just("TCP/80"))),
        protected=draw(rarely),
        arrival=0 if runs or static else draw(st.integers(0, 6)),
        lifetime=None if static or draw(st.booleans()) else draw(st.integers(0, 9)),
        gpus=1 if shares else 0,
        gpu_milli=draw(st.sampled_from([400, 500, 1000])) if shares else 1000,
        gated=not runs and draw(rarely) and draw(rarely),
    )


def clusters(most: int = 7, static: bool = False) -> st.SearchStrategy[Pods]:
    """A sound cluster of up to 4 nodes and `most` pods; `static` ones have all pods from 0 on."""
    return _clusters(most, static).filter(lambda cluster: not any(cluster.problems()))


@st.composite
def _clusters(draw: st.DrawFn, most: int, static: bool) -> Pods:
    nodes = draw(_nodes())
    pods = tuple(draw(_pod(i, nodes, static)) for i in range(draw(st.integers(1, most))))
    budget = st.builds(
        Budget,
        name=st.just("budget"),
        selector=selectors,
        min_available=st.sampled_from([0, 1, 2, "50%"]),
    )
    return Pods(
        time_unit="s",
        nodes=nodes,
        pods=pods,
        budgets=draw(few(budget)),
        grace=draw(st.integers(0, 3)),
        horizon=None if static else draw(st.one_of(st.none(), st.integers(0, 20))),
    )
