"""Against all assignments of tiny clusters: same best score, sound bounds, legal results."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.model.pods import Pods
from hocket.cluster.packing import strong
from hocket.cluster.packing.case import Case
from hocket.cluster.packing.legal import legal as numbered
from hocket.cluster.packing.options import Cost, Method, Options, Trigger
from hocket.cluster.packing.search import Packing, pack
from tests.cluster.packing.clusters import clusters
from tests.cluster.packing.reference import Where, assignments, best, legal, parts

pytest.importorskip("ortools")

METHODS: tuple[Method, ...] = ("plain", "strong")
TRIGGERS: tuple[Trigger, ...] = ("batch", "one")
COSTS: tuple[Cost, ...] = ("evict-first", "move-first")


def whole(cluster: Pods, packing: Packing) -> Where:
    return {pod.key: packing.where.get(pod.key) for pod in cluster.pods}


def agrees(cluster: Pods, method: Method, cost: Cost, trigger: Trigger = "batch") -> None:
    preemptor = cluster.pods[-1].key if trigger == "one" else ""
    options = Options(method=method, cost=cost, trigger=trigger, time_limit=30)
    packing = pack(cluster, options, preemptor=preemptor)
    present = parts(cluster, {pod.key: pod.node for pod in cluster.pods}, cost)
    reachable = best(cluster, cost, preemptor)
    where = whole(cluster, packing)
    found = parts(cluster, where, cost)
    assert found == tuple(n for t in packing.tiers for n in (t.placed, -t.disruption))
    if reachable is None or reachable <= present:
        assert found == present
        assert where == {pod.key: pod.node for pod in cluster.pods}
        assert packing.verdict == "already optimal"
        assert all(tier.proved for tier in packing.tiers)
        return
    assert legal(cluster, where)
    assert found == reachable
    assert packing.verdict == "better and optimal"
    assert all(tier.proved for tier in packing.tiers)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=60)
@given(cluster=clusters(), cost=st.sampled_from(COSTS))
def test_best_of_everything(cluster: Pods, method: Method, cost: Cost) -> None:
    agrees(cluster, method, cost)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40)
@given(cluster=clusters(), cost=st.sampled_from(COSTS))
def test_best_for_one(cluster: Pods, method: Method, cost: Cost) -> None:
    agrees(cluster, method, cost, "one")


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40)
@given(cluster=clusters(plain=True), cost=st.sampled_from(COSTS))
def test_best_of_plain_clusters(cluster: Pods, method: Method, cost: Cost) -> None:
    agrees(cluster, method, cost)


@settings(max_examples=30)
@given(cluster=clusters(), cost=st.sampled_from(COSTS), trigger=st.sampled_from(TRIGGERS))
def test_best_after_neighbourhoods(cluster: Pods, cost: Cost, trigger: Trigger) -> None:
    """Clusters this small are proved at once; here neighbourhoods are searched all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strong, "SMALL", 0)
        agrees(cluster, "strong", cost, trigger)


@settings(max_examples=40)
@given(cluster=clusters(), cost=st.sampled_from(COSTS), running=st.integers(0, 1))
def test_best_on_equal_nodes(cluster: Pods, cost: Cost, running: int) -> None:
    """Where empty nodes can be exchanged."""
    first = cluster.nodes[0]
    equal = tuple(msgspec.structs.replace(first, name=node.name) for node in cluster.nodes)
    pods = tuple(
        msgspec.structs.replace(pod, node=pod.node if i < running else None)
        for i, pod in enumerate(cluster.pods)
    )
    agrees(msgspec.structs.replace(cluster, nodes=equal, pods=pods), "strong", cost)


@settings(max_examples=60)
@given(cluster=clusters())
def test_what_is_legal(cluster: Pods) -> None:
    """The check on numbers that heuristics rely on agrees with the rules, for every assignment."""
    case = Case(cluster, Options())
    index = {name: j for j, name in enumerate(case.names)} | {None: -1}
    at = case.home.copy()
    for where in list(assignments(cluster))[::7]:
        at[:] = [index[where[key]] for key in case.keys]
        assert numbered(case, at) == legal(cluster, where), where


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=25)
@given(cluster=clusters(plain=True))
def test_forbidden_changes(cluster: Pods, method: Method) -> None:
    """A plan whose changes are forbidden is not found again; the next best is."""
    options = Options(method=method, time_limit=30)
    first = pack(cluster, options)
    where = whole(cluster, first)
    changed = frozenset((p.key, where[p.key]) for p in cluster.pods if where[p.key] != p.node)
    if not changed:
        return
    second = pack(cluster, options, forbidden=[changed])
    assert whole(cluster, second) != where
    present = parts(cluster, {pod.key: pod.node for pod in cluster.pods}, "evict-first")
    reachable = best(cluster, "evict-first", forbidden=(changed,))
    expected = present if reachable is None else max(present, reachable)
    assert parts(cluster, whole(cluster, second), "evict-first") == expected
