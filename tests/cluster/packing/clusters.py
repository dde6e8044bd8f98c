"""Tiny clusters for Hypothesis; each has much of one or two features, so that they matter."""

from __future__ import annotations

from hypothesis import strategies as st

from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import HOSTNAME, ZONE, Node, Pod, Pods
from hocket.cluster.model.rules import Budget, Spread, Taint, Term, Toleration

APP = {app: (Expression(key="app", values=(app,)),) for app in ("a", "b")}
ONLY_X = (Expression(key=ZONE, values=("x",)),)
FEATURES = ("near", "apart", "spread", "ports", "gpus", "budget", "protected", "nodes", "gated")
SIZES = [(1, 1), (3, 1), (1, 3), (2, 2), (4, 2)]

some_pods = st.sampled_from(list(APP.values()))
topology = st.sampled_from([HOSTNAME, ZONE])
terms = st.builds(Term, selector=st.one_of(some_pods, st.just(())), topology=topology)
some_terms = st.sampled_from([1, 1, 2]).flatmap(lambda n: st.tuples(*[terms] * n))
often = st.integers(0, 2).map(lambda n: n > 0)
rarely = st.integers(0, 3).map(lambda n: n == 0)


@st.composite
def nodes(draw: st.DrawFn, name: str, focus: frozenset[str]) -> Node:
    """A node; what else than its size it has depends on the features in focus."""
    amounts = {"milli_cpu": draw(st.integers(2, 7)), "memory": draw(st.integers(2, 7))}
    odd = "nodes" in focus
    if odd and draw(st.booleans()):
        amounts["pods"] = draw(st.integers(1, 3))
    zone = draw(st.sampled_from(["x", "y", "y", None]))
    return Node(
        name=name,
        allocatable=amounts,
        labels={} if zone is None else {ZONE: zone},
        taints=(Taint(key="t"),) if odd and draw(rarely) else (),
        cordoned=odd and draw(rarely),
        down=odd and draw(rarely),
        gpus=draw(st.sampled_from([1, 2, 2])) if "gpus" in focus else 0,
    )


@st.composite
def pods(draw: st.DrawFn, name: str, places: list[str], focus: frozenset[str]) -> Pod:
    """A pod that runs on one of these places, or waits."""
    cpu, memory = draw(st.sampled_from(SIZES))
    gpus, milli = 0, 1000
    if "gpus" in focus and draw(often):
        gpus = draw(st.sampled_from([1, 1, 1, 2]))
        milli = draw(st.sampled_from([300, 600, 600, 700, 1000])) if gpus == 1 else 1000
        cpu = memory = 1

    def has(feature: str) -> bool:
        return feature in focus and draw(often)

    return Pod(
        name=name,
        requests={"milli_cpu": cpu, "memory": memory},
        priority=draw(st.integers(0, 2)),
        node=draw(st.sampled_from([*places, *places, None])),
        labels={"app": draw(st.sampled_from(["a", "b"]))},
        near=draw(some_terms) if has("near") else (),
        apart=(Term(selector=draw(some_pods), topology=draw(topology)),) if has("apart") else (),
        spread=(Spread(selector=draw(some_pods), topology=draw(topology)),)
        if has("spread")
        else (),
        ports=("TCP/80",) if has("ports") else (),
        tolerations=(Toleration(key="t", op="Exists"),) if has("nodes") else (),
        selector=(Expression(key=ZONE, values=("x",)),)
        if "nodes" in focus and draw(rarely)
        else (),
        protected="protected" in focus and draw(rarely),
        gated="gated" in focus and draw(rarely),
        gpus=gpus,
        gpu_milli=milli,
    )


@st.composite
def clusters(draw: st.DrawFn, *, plain: bool = False, larger: bool = False) -> Pods:
    """Two or three nodes, three to five pods, of which at least one waits; or more of both."""
    features = st.frozensets(st.sampled_from(FEATURES), min_size=1, max_size=2)
    focus = frozenset() if plain else draw(features)
    names = [f"n{j}" for j in range(draw(st.integers(2, 3)) * (2 if larger else 1))]
    some = [draw(nodes(name, focus)) for name in names]
    count = draw(st.integers(2, 4)) * (4 if larger else 1)
    running = [draw(pods(f"p{i}", names, focus)) for i in range(count)]
    waiting = draw(pods("q", [], focus))
    budgets: tuple[Budget, ...] = ()
    if "budget" in focus:
        budgets = (Budget(name="b", selector=APP["a"], max_unavailable=draw(st.integers(0, 3))),)
    return Pods(name="tiny", nodes=tuple(some), pods=(*running, waiting), budgets=budgets)
