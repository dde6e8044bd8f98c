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
from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.model.rules import Budget, Term
from hocket.cluster.packing.board import Board
from hocket.cluster.packing.case import NOWHERE, Case
from hocket.cluster.packing.legal import legal
from hocket.cluster.packing.model import Model
from hocket.cluster.packing.options import Method, Options
from hocket.cluster.packing.score import Bounds, score
from hocket.cluster.packing.search import pack
from hocket.cluster.packing.symmetry import alike, sort
from hocket.core.errors import UnknownName, UserError
from hocket.solvers.cpsat import minimize
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


@pytest.mark.parametrize("method", METHODS)
def test_parts_of_gpus_that_stay_are_not_to_be_had(method: Method) -> None:
    """Protected pods have 600 of each GPU: together 800 are free, but no 600 in one piece."""
    share: dict[str, Any] = {"gpus": 1, "gpu_milli": 600}
    kept = [pod(f"k{i}", 1, "n0", protected=True, **share) for i in range(2)]
    one = Node(name="n0", allocatable={"milli_cpu": 9}, gpus=2)
    tight = Pods(name="tight", nodes=(one,), pods=(*kept, pod("u", 1, **share)))
    assert pack(tight, Options(method=method)).verdict == "already optimal"


@pytest.mark.parametrize("method", METHODS)
def test_one_leaves_a_gpu_and_one_like_it_comes_to_another(method: Method) -> None:
    """An important pod needs the whole GPU of `out`; beside `kept` there is room for `in`."""

    def share(name: str, milli: int, where: str | None, **more: Any) -> Pod:
        return pod(name, 1, where, gpus=1, gpu_milli=milli, **more)

    pods = (
        share("low", 600, "n0"),
        share("kept", 300, "n0", protected=True, priority=1),
        share("out", 600, "n0", priority=1),
        share("in", 600, None, priority=1),
        share("whole", 1000, None, priority=2),
    )
    nodes = (Node(name="n0", allocatable={"milli_cpu": 9}, gpus=2),)
    packing = pack(Pods(name="pieces", nodes=nodes, pods=pods), Options(method=method))
    assert packing.verdict == "better and optimal"
    assert [(t.placed, t.disruption) for t in packing.tiers] == [(1, 0), (3, 1), (3, 2)]
    assert set(packing.where) == {"default/whole", "default/kept", "default/in"}


@pytest.mark.parametrize("trigger", ["batch", "one"])
@pytest.mark.parametrize("method", METHODS)
def test_where_nothing_can_be_placed_every_tier_is_proved(method: Method, trigger: Any) -> None:
    """A protected pod is in the way of the only one that waits."""
    pods = (pod("a", 3, "n0", protected=True), pod("b", 1, "n0"), pod("big", 3, priority=1))
    cluster = Pods(name="full", nodes=(node("n0", 4),), pods=pods)
    asks = "default/big" if trigger == "one" else ""
    packing = pack(cluster, Options(method=method, trigger=trigger), preemptor=asks)
    assert packing.verdict == "already optimal"
    assert [(t.placed_bound, t.disruption_bound) for t in packing.tiers] == [(0, 0), (2, 0)]
    assert all(tier.proved for tier in packing.tiers)


def test_a_neighbourhood_knows_who_is_down_elsewhere() -> None:
    """The budget lets one go, and on another node one is gone already."""
    running = [pod(f"w{i}", 2, f"n{i}", labels={"app": "w"}) for i in range(3)]
    urgent = [pod(f"u{i}", 2, priority=1) for i in range(2)]
    cluster = Pods(
        name="budget",
        nodes=tuple(node(f"n{i}", 2) for i in range(3)),
        pods=(*running, *urgent),
        budgets=(Budget(name="b", min_available=2),),
    )
    case = Case(cluster, Options())
    at = np.array([NOWHERE, 1, 2, 0, NOWHERE], dtype=np.int32)
    model = Model(case, at, [1], [4])
    model.cp.minimize(-model.placed[0].expression)
    found = model.assignment(minimize(model.cp, time_limit=10))
    assert found.tolist() == at.tolist()


def test_legal_looks_at_each_gpu() -> None:
    share: dict[str, Any] = {"gpus": 1, "gpu_milli": 600}
    pods = tuple(pod(f"a{i}", 1, "n0" if i < 2 else None, **share) for i in range(3))
    nodes = (Node(name="n0", allocatable={"milli_cpu": 9}, gpus=2),)
    case = Case(Pods(name="pieces", nodes=nodes, pods=pods), Options())
    assert not legal(case, np.array([0, 0, 0], dtype=np.int32))
    assert legal(case, np.array([0, NOWHERE, 0], dtype=np.int32))


def crowd(count: int = 1000) -> Pods:
    """Many pods that wait, and room for all."""
    pods = tuple(pod(f"p{i}", 1 + i % 3) for i in range(count))
    return Pods(name="crowd", nodes=tuple(node(f"n{j}", 40) for j in range(count // 10)), pods=pods)


def test_the_first_pass_ends_when_it_is_told_to() -> None:
    """Not after all pods have been placed: what is placed until then is kept."""
    asked = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) > 3

    packing = pack(crowd(), Options(time_limit=60), stop=stop)
    assert packing.interrupted
    assert 0 < len(packing.where) < 400
    assert packing.verdict == "better"


def test_the_first_pass_ends_with_the_time_on_the_wall(monkeypatch: Any) -> None:
    times = iter(range(10_000))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(times)))
    packing = pack(crowd(), Options(time_limit=5, clock="wall"))
    assert 0 < len(packing.where) < 500


def test_ctrl_c_in_the_first_pass_keeps_what_is_placed(monkeypatch: Any) -> None:
    place, placed = Board.place, []

    def press(board: Board, i: int, j: int) -> None:
        place(board, i, j)
        placed.append(i)
        if len(placed) == 100:
            raise KeyboardInterrupt

    monkeypatch.setattr(Board, "place", press)
    packing = pack(crowd(), Options(time_limit=60))
    assert packing.interrupted
    assert len(packing.where) == 100


def test_a_board_knows_what_has_changed() -> None:
    """What kinds see of the nodes is kept, and brought up to date after each change."""
    case = Case(crowd(60), Options())
    board = Board(case, case.home)
    for i in range(60):
        fresh = Board(case, board.at)
        for number in range(len(case.kinds)):
            assert board.room(number).tolist() == fresh.room(number).tolist()
            able = fresh.room(number)
            assert board.likest(number, able) == fresh.likest(number, able)
        board.place(i, i % 6)
        if i % 7 == 0:
            board.take(i)


def test_bounds_hold_only_given_what_they_were_proved_for() -> None:
    bounds = Bounds(Case(spread_out(), Options()))
    bounds.prove(2, 1, (1, 0))
    assert bounds.most(2, (1, 0, 2, 0)) == 1
    assert bounds.most(2, (0, 0, 2, 0)) == 3  # there are three pods
    assert bounds.most(2, (1, -1, 2, 0)) == 3


def test_nodes_that_other_pods_tell_apart_are_not_exchanged() -> None:
    """Both are empty and alike, but only one of them is near to what a pod needs near."""
    zone = "topology.kubernetes.io/zone"
    wanted = Term(selector=(Expression(key="app", values=("db",)),), topology=zone)
    nodes = tuple(
        Node(name=f"n{j}", allocatable={"milli_cpu": 2}, labels={zone: z})
        for j, z in enumerate("xyy")
    )
    there = pod("db", 2, "n2", labels={"app": "db"}, protected=True)
    cluster = Pods(name="near", nodes=nodes, pods=(there, pod("web", 2, near=(wanted,))))
    assert alike(Case(cluster, Options())) == []
    assert pack(cluster, Options()).where == {"default/db": "n2", "default/web": "n1"}
