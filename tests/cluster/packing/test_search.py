"""What the search promises: nothing lost, nothing worse, the same again, and an end when asked."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from hocket.cluster.generate.replicasets import ReplicaSets
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.model.rules import Budget
from hocket.cluster.packing import clock as clocks
from hocket.cluster.packing import plain as published
from hocket.cluster.packing.case import NOWHERE, Case
from hocket.cluster.packing.legal import legal
from hocket.cluster.packing.model import Model
from hocket.cluster.packing.options import Method, Options
from hocket.cluster.packing.score import score
from hocket.cluster.packing.search import pack
from hocket.cluster.packing.symmetry import alike, sort
from hocket.core.errors import NotApplicable, UnknownName, UserError
from hocket.solvers.cpsat import Outcome, minimize
from tests.cluster.packing.clusters import clusters
from tests.cluster.packing.reference import legal as by_the_rules
from tests.cluster.packing.reference import parts

pytest.importorskip("ortools")

METHODS: tuple[Method, ...] = ("plain", "strong")


def node(name: str, cpu: int) -> Node:
    return Node(name=name, allocatable={"milli_cpu": cpu})


def pod(name: str, cpu: int, where: str | None = None, **more: Any) -> Pod:
    return Pod(name=name, requests={"milli_cpu": cpu}, node=where, **more)


def spread_out() -> Pods:
    """Two small pods are in the way of a large and important one, but fit beside one another."""
    small = (pod("a", 2, "n0"), pod("b", 2, "n1"))
    return Pods(
        name="spread-out",
        nodes=(node("n0", 4), node("n1", 4)),
        pods=(*small, pod("big", 4, priority=1)),
    )


def snapshot(nodes: int = 6, pods_per_node: int = 4, seed: int = 3) -> Pods:
    """Pods of the published generator, put on nodes by first fit; some are left over."""
    cluster = ReplicaSets(nodes=nodes, pods_per_node=pods_per_node, priorities=2).make(seed)
    free = [dict(n.allocatable) for n in cluster.nodes]
    placed = []
    for one in cluster.pods:
        able = [
            j for j, f in enumerate(free) if all(f[k] >= need for k, need in one.requests.items())
        ]
        name = None
        if able:
            j = max(able, key=lambda j: sum(free[j].values()))
            name = cluster.nodes[j].name
            for resource, need in one.requests.items():
                free[j][resource] -= need
        placed.append(msgspec.structs.replace(one, node=name, arrival=0))
    return msgspec.structs.replace(cluster, pods=tuple(placed))


class Scripted:
    """A solver that runs out of time from a certain call on, or returns what it is told first."""

    def __init__(self, good: int, first: Outcome | None = None) -> None:
        self.good, self.first, self.calls = good, first, 0

    def __call__(self, model: Any, **arguments: Any) -> Outcome:
        self.calls += 1
        if self.calls > self.good:
            return Outcome(status="unknown", reason="the limit was reached")
        if self.first is not None:
            return self.first
        return minimize(model, **arguments)


@pytest.mark.parametrize("good", [1, 2])
def test_solution_survives_a_stage_without_one(monkeypatch: Any, good: int) -> None:
    """The first trap: a stage that ends without a solution must not lose the one before."""
    solver = Scripted(good)
    monkeypatch.setattr(clocks, "minimize", solver)
    packing = pack(spread_out(), Options(method="plain"))
    assert solver.calls == good + 1
    assert packing.verdict == "better"
    assert packing.tiers[0].placed == 1
    assert len(packing.where) == 3


def test_nothing_is_lost_in_tiers_that_were_not_solved(monkeypatch: Any) -> None:
    """The second trap: a solution for the first tier leaves all others unplaced."""
    cluster = spread_out()
    options = Options(method="plain")
    case = Case(cluster, options)
    bare = np.array([NOWHERE, NOWHERE, 0], dtype=np.int32)
    model = Model(case, case.home, range(2), [2], alone=True)
    values = [0] * len(model.cp.proto.variables)
    for variable, value in model.hint(bare):
        values[variable.index] = value
    outcome = Outcome(status="optimal", value=-1, bound=-1, values=tuple(values))
    assert model.assignment(outcome).tolist() == bare.tolist()
    monkeypatch.setattr(clocks, "minimize", Scripted(1, outcome))
    packing = pack(cluster, options)
    assert packing.where == {"default/a": "n1", "default/b": "n1", "default/big": "n0"}
    assert packing.verdict == "better"
    assert not packing.tiers[1].proved


def test_without_any_solution_the_present_stays(monkeypatch: Any) -> None:
    monkeypatch.setattr(clocks, "minimize", Scripted(0))
    packing = pack(spread_out(), Options(method="plain"))
    assert packing.verdict == "no better plan in time"
    assert packing.where == {"default/a": "n0", "default/b": "n1"}


@pytest.mark.parametrize("method", METHODS)
def test_the_example_is_solved(method: Method) -> None:
    packing = pack(spread_out(), Options(method=method))
    assert packing.verdict == "better and optimal"
    assert [(t.placed, t.disruption) for t in packing.tiers] == [(1, 0), (3, 2)]
    assert all(tier.proved for tier in packing.tiers)


@pytest.mark.parametrize("method", METHODS)
def test_no_time(method: Method) -> None:
    """Without time the published search finds nothing; the stronger one has its heuristics."""
    packing = pack(spread_out(), Options(method=method, time_limit=0))
    assert packing.verdict == "no better plan in time"
    assert packing.reason == "the limit was reached"


@pytest.mark.parametrize("method", METHODS)
def test_stopped(method: Method) -> None:
    cluster = snapshot()
    packing = pack(cluster, Options(method=method, time_limit=60), stop=lambda: True)
    assert packing.interrupted
    assert packing.reason == "interrupted"
    before = parts(cluster, {p.key: p.node for p in cluster.pods}, "evict-first")
    assert parts(cluster, {p.key: packing.where.get(p.key) for p in cluster.pods}, "") >= before


@pytest.mark.parametrize("method", METHODS)
def test_interrupted(method: Method) -> None:
    """Ctrl-C between two solves: what was found last is kept."""

    def press(seconds: float, waiting: float | None, bound: float | None) -> None:
        raise KeyboardInterrupt

    packing = pack(spread_out(), Options(method=method), progress=press)
    assert packing.interrupted
    assert packing.log
    if method == "plain":
        assert packing.tiers[0].placed == 1


def test_empty_nodes_in_one_order() -> None:
    """Four pods of 3 and two of 2 on three nodes of 5: one of the large ones is left over."""
    pods = [pod(f"a{i}", 3) for i in range(4)] + [pod(f"b{i}", 2) for i in range(2)]
    cluster = Pods(name="alike", nodes=tuple(node(f"n{i}", 5) for i in range(3)), pods=tuple(pods))
    case = Case(cluster, Options())
    classes = alike(case)
    assert classes == [[0, 1, 2]]
    at = np.array([2, 1, -1, -1, 1, -1], dtype=np.int32)
    assert sort(case, at, classes).tolist() == [1, 0, -1, -1, 0, -1]
    packing = pack(cluster, Options())
    assert (packing.tiers[0].placed, packing.verdict) == (5, "better and optimal")
    there = Pods(name="there", nodes=cluster.nodes, pods=(*pods, pod("c", 1, "n1")))
    assert alike(Case(there, Options())) == [[0, 2]]


def test_all_run_already() -> None:
    cluster = Pods(name="calm", nodes=(node("n0", 4),), pods=(pod("a", 2, "n0"),))
    packing = pack(cluster, Options(time_limit=0))
    assert packing.verdict == "already optimal"
    assert packing.where == {"default/a": "n0"}


@pytest.mark.parametrize("method", METHODS)
def test_pods_that_can_never_run(method: Method) -> None:
    """Too large for any node, or held by a gate: proved without any search."""
    pods = (pod("huge", 9), pod("held", 1, gated=True), pod("a", 2, "n0"))
    cluster = Pods(name="never", nodes=(node("n0", 4),), pods=pods)
    packing = pack(cluster, Options(method=method))
    assert packing.verdict == "already optimal"


@pytest.mark.parametrize("method", METHODS)
def test_trigger_one(method: Method) -> None:
    """The pod that asks must run, also if another plan would place more."""
    pods = (pod("big", 4, priority=1), pod("s1", 2), pod("s2", 2))
    cluster = Pods(name="one", nodes=(node("n0", 4),), pods=pods)
    options = Options(method=method, trigger="one")
    assert pack(cluster, options, preemptor="default/big").where == {"default/big": "n0"}
    equal = msgspec.structs.replace(
        cluster, pods=tuple(msgspec.structs.replace(p, priority=0) for p in pods)
    )
    assert set(pack(equal, Options(method=method)).where) == {"default/s1", "default/s2"}
    assert set(pack(equal, options, preemptor="default/big").where) == {"default/big"}
    with pytest.raises(UnknownName, match="default/big"):
        pack(cluster, options, preemptor="default/bi")
    with pytest.raises(UserError, match="trigger"):
        pack(cluster, Options(method=method), preemptor="default/big")


@pytest.mark.parametrize("method", METHODS)
def test_budget_that_allows_one(method: Method) -> None:
    """Three run and two are needed: one may go for an important pod, not two for both."""
    pods = [pod(f"w{i}", 2, f"n{i}", labels={"app": "w"}) for i in range(3)]
    urgent = [pod(f"u{i}", 2, priority=1) for i in range(2)]
    cluster = Pods(
        name="budget",
        nodes=tuple(node(f"n{i}", 2) for i in range(3)),
        pods=(*pods, *urgent),
        budgets=(Budget(name="b", min_available=2),),
    )
    packing = pack(cluster, Options(method=method))
    assert packing.tiers[0].placed == packing.tiers[0].placed_bound == 1
    cluster = msgspec.structs.replace(
        cluster, budgets=(Budget(name="b", min_available=3),), nodes=cluster.nodes
    )
    assert pack(cluster, Options(method=method)).verdict == "already optimal"


@pytest.mark.parametrize("method", METHODS)
def test_parts_of_gpus_do_not_add_up(method: Method) -> None:
    """Two GPUs with 400 thousandths free each have no room for a pod of 600."""
    share: dict[str, Any] = {"gpus": 1, "gpu_milli": 600}
    one = Node(name="n0", allocatable={"milli_cpu": 9}, gpus=2)
    two = Node(name="n1", allocatable={"milli_cpu": 9}, gpus=1)
    low = [pod(f"a{i}", 1, "n0", **share) for i in range(2)]
    urgent = pod("u", 1, priority=1, **share)
    tight = Pods(name="tight", nodes=(one,), pods=(*low, urgent))
    packing = pack(tight, Options(method=method))
    assert [(t.placed, t.disruption) for t in packing.tiers] == [(1, 0), (2, 1)]
    assert packing.verdict == "better and optimal"
    wide = msgspec.structs.replace(tight, nodes=(one, two))
    packing = pack(wide, Options(method=method))
    assert packing.where["default/u"] == "n1"
    many = [pod(f"w{i}", 1, **share) for i in range(3)]
    empty = Pods(name="empty", nodes=(one,), pods=tuple(many))
    packing = pack(empty, Options(method=method))
    assert (packing.tiers[0].placed, packing.verdict) == (2, "better and optimal")


def test_plain_refuses_what_it_cannot_hold(monkeypatch: Any) -> None:
    monkeypatch.setattr(published, "LARGEST", 3)
    with pytest.raises(NotApplicable, match="strong"):
        pack(spread_out(), Options(method="plain"))


@settings(max_examples=25)
@given(cluster=clusters(larger=True))
def test_strong_result_is_legal_and_no_worse(cluster: Pods) -> None:
    """Also where time ends in the middle of neighbourhoods."""
    packing = pack(cluster, Options(time_limit=0.1))
    where = {p.key: packing.where.get(p.key) for p in cluster.pods}
    assert by_the_rules(cluster, where)
    present = {p.key: p.node for p in cluster.pods}
    assert parts(cluster, where, "evict-first") >= parts(cluster, present, "evict-first")


def test_strong_finds_at_least_as_much_as_plain() -> None:
    cluster = snapshot()
    limit = Options(method="plain", time_limit=3.0)
    few = pack(cluster, limit)
    many = pack(cluster, msgspec.structs.replace(limit, method="strong"))
    assert [(t.placed, -t.disruption) for t in many.tiers] >= [
        (t.placed, -t.disruption) for t in few.tiers
    ]


def test_bounds_are_never_beaten() -> None:
    """What one search proves, no other exceeds."""
    for seed in range(3):
        cluster = snapshot(4, 4, seed)
        found = [pack(cluster, Options(method=m, time_limit=2.0)).tiers for m in METHODS]
        for one, other in (found, found[::-1]):
            for mine, theirs in zip(one, other, strict=True):
                assert mine.placed <= theirs.placed_bound
                if (mine.placed, mine.disruption) != (theirs.placed, theirs.disruption):
                    break  # bounds of lower tiers hold given what is reached above


def test_same_work_same_outcome() -> None:
    """Under any hash seed, by work rather than by the clock."""
    program = (
        "from tests.cluster.packing.test_search import snapshot\n"
        "from hocket.cluster.packing.options import Options\n"
        "from hocket.cluster.packing.search import pack\n"
        "for m in ('plain', 'strong'):\n"
        "    p = pack(snapshot(12), Options(method=m, time_limit=0.15))\n"
        "    print(p.where, p.tiers, p.verdict, p.seconds)\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1
    assert "better" in outputs.pop()


def test_score_and_legality_of_the_present() -> None:
    case = Case(snapshot(), Options())
    assert legal(case, case.home)
    assert all(disruption == 0 for _, disruption in score(case, case.home).tiers)
