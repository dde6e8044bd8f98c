"""Clusters written as Kubernetes objects and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hocket
from hocket.cluster.formats import kubectl
from hocket.cluster.formats.kubernetes_write import write
from hocket.cluster.model.labels import Expression, Selector, selects
from hocket.cluster.model.pods import NAME, Node, Pod, Pods
from hocket.cluster.model.rules import (
    Budget,
    Preferred,
    PreferredNode,
    Spread,
    Taint,
    Term,
    Toleration,
)
from hocket.core.errors import InputError, NotApplicable

WORDS = st.text("ab-", min_size=1, max_size=4)
LABELS = st.dictionaries(WORDS, WORDS, max_size=2)
AMOUNTS = st.dictionaries(
    st.sampled_from(["milli_cpu", "memory", "ephemeral-storage", "nvidia.com/gpu"]),
    st.integers(0, 2**61),
)
EXPRESSIONS = st.one_of(
    st.builds(
        Expression,
        key=WORDS,
        op=st.sampled_from(["In", "NotIn"]),
        values=st.lists(WORDS, min_size=1, max_size=2).map(tuple),
    ),
    st.builds(Expression, key=WORDS, op=st.sampled_from(["Exists", "DoesNotExist"])),
)
OF_NODES = EXPRESSIONS | st.builds(
    Expression,
    key=WORDS,
    op=st.sampled_from(["Gt", "Lt"]),
    values=st.integers(-9, 9).map(lambda n: (str(n),)),
)
NAMED = st.lists(WORDS, min_size=1, max_size=2).map(lambda v: Expression(key=NAME, values=tuple(v)))


def some(one: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(one, min_size=least, max_size=2).map(tuple)


def term_of_nodes(draw: st.DrawFn) -> Selector:
    """Expressions on labels, then on the name, as a node selector term has them."""
    found: Selector = draw(some(OF_NODES, least=1)) + draw(some(NAMED))
    return found


TERMS_OF_NODES = st.composite(term_of_nodes)()
SIMPLE = LABELS.map(lambda d: tuple(Expression(key=k, values=(v,)) for k, v in d.items()))
TERMS = st.builds(
    Term,
    selector=some(EXPRESSIONS),
    topology=WORDS,
    namespaces=some(WORDS) | st.just(("*",)),
)
EFFECTS = st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"])
NODES = st.builds(
    Node,
    name=WORDS,
    allocatable=AMOUNTS,
    labels=LABELS,
    taints=some(st.builds(Taint, key=WORDS, value=WORDS | st.just(""), effect=EFFECTS)),
    cordoned=st.booleans(),
    down=st.booleans(),
    gpus=st.integers(0, 8),
)


@st.composite
def pods(draw: st.DrawFn, nodes: list[str]) -> Pod:
    node = draw(st.none() | st.sampled_from(nodes))
    weighted = [draw(st.integers(1, 100)), -draw(st.integers(1, 100))]
    likes = tuple(Preferred(weight=w, term=draw(TERMS)) for w in weighted if draw(st.booleans()))
    gpus = draw(st.integers(0, 2))
    protected = draw(st.booleans())
    return Pod(
        name=draw(WORDS),
        namespace=draw(WORDS),
        requests=draw(AMOUNTS),
        priority=draw(st.sampled_from([-5, 0, 3, 2_000_000_000])),
        preempts=draw(st.booleans()),
        node=node,
        owner=draw(st.sampled_from(["", "ReplicaSet/web", "Job/a/b", "odd"])),
        labels=draw(LABELS),
        selector=draw(SIMPLE),
        affinity=draw(some(TERMS_OF_NODES)),
        prefers=draw(
            some(st.builds(PreferredNode, weight=st.integers(1, 100), selector=TERMS_OF_NODES))
        ),
        near=draw(some(TERMS)),
        apart=draw(some(TERMS)),
        likes=likes,
        tolerations=draw(
            some(
                st.builds(
                    Toleration,
                    key=WORDS | st.just(""),
                    op=st.sampled_from(["Equal", "Exists"]),
                    value=WORDS | st.just(""),
                    effect=EFFECTS | st.just(""),
                )
            )
        ),
        spread=draw(
            some(
                st.builds(
                    Spread,
                    topology=WORDS,
                    selector=some(EXPRESSIONS),
                    max_skew=st.integers(1, 5),
                    hard=st.booleans(),
                )
            )
        ),
        ports=draw(st.sampled_from([(), ("TCP/80",), ("TCP/80", "UDP/53")])),
        protected=protected,
        protection=draw(st.sampled_from(["", "mine"])) if protected else "",
        gpus=gpus,
        gpu_milli=draw(st.integers(1, 1000)) if gpus == 1 else 1000,
        gated=node is None and draw(st.booleans()),
    )


@st.composite
def clusters(draw: st.DrawFn) -> Pods:
    nodes = draw(st.lists(NODES, min_size=1, max_size=3, unique_by=lambda n: n.name))
    names = [node.name for node in nodes]
    bound = st.integers(0, 5) | st.sampled_from(["0%", "50%"])
    of_budget = {"name": WORDS, "namespace": WORDS, "selector": some(EXPRESSIONS)}
    budgets = st.builds(Budget, **of_budget, min_available=bound) | st.builds(
        Budget, **of_budget, max_unavailable=bound
    )
    return Pods(
        name="drawn",
        nodes=tuple(nodes),
        pods=tuple(draw(st.lists(pods(names), max_size=3, unique_by=lambda p: p.key))),
        budgets=tuple(
            draw(st.lists(budgets, max_size=2, unique_by=lambda b: (b.namespace, b.name)))
        ),
    )


@given(clusters())
def test_what_is_written_reads_back(cluster: Pods) -> None:
    found = kubectl.read(write(cluster), "drawn.k8s")
    assert msgspec.structs.replace(found, remarks=()) == cluster
    assert kubectl.sniff("drawn.k8s", write(cluster)[:4096])


def cluster(**fields: Any) -> Pods:
    node = Node(name="n", allocatable={"milli_cpu": 1000})
    return Pods(name="one", nodes=(node,), pods=(Pod(name="p", **fields),))


def written(**fields: Any) -> dict[str, Any]:
    items = json.loads(write(cluster(**fields)))["items"]
    found: dict[str, Any] = next(item for item in items if item["kind"] == "Pod")
    return found


def test_what_only_affinity_can_say_moves_there() -> None:
    """A selector beyond single values is added to every alternative."""
    west = Expression(key="zone", values=("west", "north"))
    fast = Expression(key="fast", op="Exists")
    for affinity in ((), ((fast,),), ((fast,), (Expression(key="old", op="DoesNotExist"),))):
        before = cluster(selector=(west,), affinity=affinity).pods[0]
        after = kubectl.read(write(cluster(selector=(west,), affinity=affinity)), "x").pods[0]
        assert after.selector == ()
        for labels in (
            {},
            {"zone": "west"},
            {"zone": "west", "fast": ""},
            {"zone": "x", "old": ""},
        ):
            assert _fits(before, labels) == _fits(after, labels)


def test_alternatives_of_which_one_asks_nothing_ask_nothing() -> None:
    assert "affinity" not in written(affinity=((), (Expression(key="a", op="Exists"),)))["spec"]


def _fits(pod: Pod, labels: dict[str, str]) -> bool:
    some_of = not pod.affinity or any(selects(one, labels) for one in pod.affinity)
    return selects(pod.selector, labels) and some_of


def test_what_is_written_can_be_applied() -> None:
    """What admission and the garbage collector would object to."""
    found = written(
        priority=-5, preempts=False, owner="ReplicaSet/web", requests={"nvidia.com/gpu": 2}
    )
    assert "ownerReferences" not in found["metadata"]
    assert found["spec"]["priorityClassName"] == "hocket-minus-5-never"
    resources = found["spec"]["containers"][0]["resources"]
    assert resources["limits"] == resources["requests"] == {"nvidia.com/gpu": "2"}
    items = json.loads(write(cluster(priority=2_000_000_000)))["items"]
    assert [item["kind"] for item in items] == ["Node", "Pod"], "system classes are there already"


def test_saving_by_suffix(tmp_path: Path) -> None:
    one = cluster(node="n", requests={"milli_cpu": 100})
    hocket.save(one, tmp_path / "one.k8s")
    found = hocket.load(tmp_path / "one.k8s")
    assert found == one


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"arrival": 3}, "pods[0].arrival"),
        ({"lifetime": 3}, "pods[0].lifetime"),
        ({"ports": ("http",)}, "pods[0].ports[0]"),
        (
            {"prefers": (PreferredNode(weight=-1, selector=()),)},
            "pods[0].prefers[0].weight",
        ),
    ],
    ids=range(4),
)
def test_what_has_no_place_is_refused(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(InputError) as caught:
        write(cluster(**fields))
    assert [problem.path for problem in caught.value.problems] == [path]


def test_horizon_and_other_problems_are_refused() -> None:
    with pytest.raises(InputError, match="horizon"):
        write(msgspec.structs.replace(cluster(), horizon=5))
    with pytest.raises(NotApplicable, match="holds pods"):
        write(3)
