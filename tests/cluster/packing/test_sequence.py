"""Orders of steps: legal at every step, found wherever there is one, and explained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.check.plan import check_plan
from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import ZONE, Node, Pod, Pods
from hocket.cluster.model.rules import Budget, Spread, Term
from hocket.cluster.packing.ground import Ground
from hocket.cluster.packing.plan import Plan, Step
from hocket.cluster.packing.sequence import Blocked, exchanged, sequence

WEB = (Expression(key="app", values=("web",)),)


def node(name: str, cpu: int = 1000, **more: object) -> Node:
    return Node(name=name, allocatable={"milli_cpu": cpu}, **more)  # type: ignore[arg-type]


def pod(name: str, cpu: int, where: str | None = None, **more: object) -> Pod:
    return Pod(name=name, requests={"milli_cpu": cpu}, node=where, **more)  # type: ignore[arg-type]


def cluster(nodes: tuple[Node, ...], pods: tuple[Pod, ...], *budgets: Budget) -> Pods:
    return Pods(nodes=nodes, pods=pods, budgets=budgets)


def target(**where: str) -> dict[str, str]:
    return {f"default/{name}": name_of_node for name, name_of_node in where.items()}


def steps(world: Pods, goal: dict[str, str]) -> tuple[Step, ...]:
    """The order, which must be legal and lead to the goal."""
    found = sequence(world, goal)
    assert not isinstance(found, Blocked), found.reason
    assert illegal(world, found) == []
    assert after(world, found) == goal
    return found


def illegal(world: Pods, found: tuple[Step, ...]) -> list[str]:
    """What the independent checker says of steps, but for the question whether they pay."""
    plan = Plan(verdict="better", steps=found)
    return [str(v) for v in check_plan(world, plan) if v.rule not in ("verdict", "worse")]


def after(world: Pods, found: tuple[Step, ...]) -> dict[str, str]:
    where = {one.key: one.node for one in world.pods if one.node is not None}
    for step in found:
        if step.act == "evict":
            assert where.pop(step.pod) == step.node
        else:
            where[step.pod] = step.node
    return where


def waves(found: tuple[Step, ...]) -> int:
    return len({step.wave for step in found})


THREE = (node("n1"), node("n2"), node("n3"))


def test_one_move_makes_room() -> None:
    world = cluster(
        THREE,
        (pod("a", 400, "n1"), pod("b", 400, "n2"), pod("c", 400, "n3"), pod("big", 700)),
    )
    found = steps(world, target(a="n2", b="n2", c="n3", big="n1"))
    assert [(s.wave, s.act, s.pod, s.node) for s in found] == [
        (0, "evict", "default/a", "n1"),
        (0, "bind", "default/a", "n2"),
        (0, "bind", "default/big", "n1"),
    ]


def test_reasons_name_who_needs_the_room() -> None:
    world = cluster(
        THREE,
        (
            pod("a", 400, "n1"),
            pod("b", 400, "n2"),
            pod("low", 800, "n3"),
            pod("big", 700, priority=100),
            pod("rest", 900, priority=7),
        ),
    )
    found = steps(world, target(a="n2", b="n2", big="n1", rest="n3"))
    told = {(step.act, step.pod): step.reason for step in found}
    assert told["evict", "default/a"] == (
        "moved from n1 so that default/big (priority 100, 700m cpu) fits there"
    )
    assert told["evict", "default/low"] == (
        "evicted so that default/rest (priority 7, 900m cpu) fits on n3"
    )
    assert told["bind", "default/a"] == "moved from n1; fits on n2 as it is"
    assert told["bind", "default/big"] == "fits on n1 now that default/a left it"
    assert all(step.reason for step in found)


def test_two_pods_change_places_both_down_at_once() -> None:
    world = cluster(THREE[:2], (pod("a", 700, "n1"), pod("b", 800, "n2")))
    found = steps(world, target(a="n2", b="n1"))
    assert [step.act for step in found] == ["evict", "evict", "bind", "bind"]
    assert waves(found) == 1


def test_a_ring_of_three_turns_at_once() -> None:
    world = cluster(THREE, (pod("a", 700, "n1"), pod("b", 800, "n2"), pod("c", 900, "n3")))
    assert waves(steps(world, target(a="n2", b="n3", c="n1"))) == 1


def test_where_a_budget_forbids_that_one_goes_over_a_third_node() -> None:
    labels = {"app": "web"}
    budget = Budget(name="web", selector=WEB, max_unavailable=1)
    pods = (pod("a", 700, "n1", labels=labels), pod("b", 800, "n2", labels=labels))
    found = steps(cluster(THREE, pods, budget), target(a="n2", b="n1"))
    assert waves(found) == 3
    assert len(found) == 6
    hop = found[0]
    assert "for the time being" in hop.reason and "n3" in hop.reason
    # Without a third node there is no way, and both changes are named.
    nowhere = sequence(cluster(THREE[:2], pods, budget), target(a="n2", b="n1"))
    assert isinstance(nowhere, Blocked)
    assert nowhere.changes == {("default/a", "n2"), ("default/b", "n1")}
    assert "default/a to n2" in nowhere.reason


def test_a_budget_lets_go_one_after_the_other() -> None:
    labels = {"app": "web"}
    budget = Budget(name="web", selector=WEB, min_available=3)
    nodes = tuple(node(f"n{i}") for i in range(8))
    pods = tuple(pod(f"w{i}", 600, f"n{i}", labels=labels) for i in range(4))
    world = cluster(nodes, pods, budget)
    goal = {f"default/w{i}": f"n{i + 4}" for i in range(4)}
    found = steps(world, goal)
    assert waves(found) == 4
    looser = cluster(nodes, pods, Budget(name="web", selector=WEB, max_unavailable="50%"))
    assert waves(steps(looser, goal)) == 2
    assert waves(steps(cluster(nodes, pods), goal)) == 1


def test_nobody_is_down_longer_than_it_takes() -> None:
    labels = {"app": "web"}
    budget = Budget(name="web", selector=WEB, max_unavailable=1)
    nodes = tuple(node(f"n{i}") for i in range(6))
    pods = (
        pod("w0", 600, "n0", labels=labels),
        pod("w1", 600, "n1", labels=labels),
        pod("x", 700, "n2"),
        pod("off", 800, "n3"),
    )
    found = steps(cluster(nodes, pods, budget), target(w0="n4", w1="n5", x="n1"))
    wave = {(step.act, step.pod): step.wave for step in found}
    # x has to wait until w1 is gone, which must wait for w0; nobody needs the room of off.
    assert wave["evict", "default/x"] == wave["bind", "default/x"] == 1
    assert wave["evict", "default/off"] == 1
    assert waves(found) == 2


def test_a_pod_that_was_in_the_way_is_moved_once() -> None:
    nodes = tuple(node(f"n{i}") for i in range(1, 8))
    places = {"a": ("n1", "n2"), "b": ("n2", "n3"), "c": ("n4", "n5"), "d": ("n6", "n7")}
    world = cluster(
        nodes,
        tuple(
            pod(name, 600, source, labels={"app": "web"}) for name, (source, _) in places.items()
        ),
        Budget(name="b", selector=WEB, max_unavailable=3),
    )
    found = steps(world, target(**{name: goal for name, (_, goal) in places.items()}))
    assert Counter(step.pod for step in found if step.act == "evict").most_common(1)[0][1] == 1


def test_budgets_that_forbid_an_eviction_altogether() -> None:
    labels = {"app": "web"}
    budget = Budget(name="web", selector=WEB, max_unavailable=0)
    world = cluster(THREE, (pod("a", 700, "n1", labels=labels), pod("b", 900)), budget)
    found = sequence(world, target(a="n2", b="n1"))
    assert isinstance(found, Blocked)
    assert ("default/a", "n2") in found.changes


def test_pods_placed_first_let_others_of_their_budget_go() -> None:
    labels = {"app": "web"}
    budget = Budget(name="web", selector=WEB, min_available=1)
    world = cluster(
        THREE,
        (pod("a", 700, "n1", labels=labels), pod("new", 900, labels=labels), pod("big", 1000)),
        budget,
    )
    found = steps(world, target(a="n2", new="n3", big="n1"))
    assert [step.pod for step in found if step.wave == 0] == ["default/new"]


def test_protected_and_gated_pods_stay() -> None:
    world = cluster(THREE, (pod("a", 700, "n1", protected=True),))
    found = sequence(world, target(a="n2"))
    assert isinstance(found, Blocked)
    assert found.changes == {("default/a", "n2")}
    assert "protected" in found.reason
    gated = cluster(THREE, (pod("a", 700, gated=True),))
    assert isinstance(sequence(gated, target(a="n2")), Blocked)


def test_like_pods_of_one_owner_exchange_places() -> None:
    owner = "ReplicaSet/web"
    world = cluster(
        THREE,
        (pod("a", 700, "n1", owner=owner), pod("b", 700, "n2", owner=owner), pod("c", 900, "n3")),
    )
    assert sequence(world, target(a="n2", b="n1", c="n3")) == ()
    chain = exchanged(world, target(a="n2", b="n3"))
    assert chain == target(a="n3", b="n2")
    # A waiting pod need not push out one like it ...
    waits = cluster(THREE, (pod("a", 700, "n1", owner=owner), pod("b", 700, owner=owner)))
    assert exchanged(waits, target(b="n1")) == target(a="n1")
    # ... unless it is the one that has to be placed.
    assert exchanged(waits, target(b="n1"), keep=("default/b",)) == target(b="n1")


@pytest.mark.parametrize("different", [{"priority": 1}, {"labels": {"x": "y"}}, {"owner": "R/x"}])
def test_pods_that_differ_exchange_nothing(different: dict[str, object]) -> None:
    one = {"owner": "ReplicaSet/web", **different}
    pods = (pod("a", 700, "n1", owner="ReplicaSet/web"), pod("b", 700, "n2", **one))
    world = cluster(THREE, pods)
    goal = target(a="n2", b="n1")
    assert exchanged(world, goal) == goal
    assert len(steps(world, goal)) == 4


def test_terms_between_pods_hold_at_every_bind() -> None:
    apart = Term(selector=WEB)
    near = Term(selector=(Expression(key="app", values=("db",)),))
    world = cluster(
        THREE,
        (
            pod("w1", 100, "n1", labels={"app": "web"}, apart=(apart,)),
            pod("w2", 100, "n2", labels={"app": "web"}, apart=(apart,)),
            pod("db", 100, "n1", labels={"app": "db"}),
            pod("side", 100, "n1", labels={"app": "side"}, near=(near,)),
        ),
    )
    found = steps(world, target(w1="n2", w2="n3", db="n3", side="n3"))
    binds = [step.pod for step in found if step.act == "bind"]
    assert binds.index("default/db") < binds.index("default/side")
    told = {step.pod: step.reason for step in found if step.act == "evict"}
    assert told["default/w2"].startswith("moved from n2 so that default/w1 (100m cpu) may run")


def test_spread_is_kept_at_every_bind() -> None:
    zones = tuple(node(f"n{i}", labels={ZONE: f"z{i // 2}"}) for i in range(6))
    spread = Spread(topology=ZONE, selector=WEB)
    pods = tuple(pod(f"w{i}", 500, None, labels={"app": "web"}, spread=(spread,)) for i in range(6))
    steps(cluster(zones, pods), {f"default/w{i}": f"n{i}" for i in range(6)})


def test_shared_gpus_are_filled_large_pieces_first() -> None:
    nodes = (Node(name="g", allocatable={}, gpus=2),)
    sizes = (300, 300, 600, 600)
    pods = tuple(Pod(name=f"p{i}", gpus=1, gpu_milli=size) for i, size in enumerate(sizes))
    assert len(steps(cluster(nodes, pods), {f"default/p{i}": "g" for i in range(4)})) == 4


# Against all orders


def reachable(world: Pods, goal: dict[str, str]) -> bool:
    """Whether any order of legal steps leads to the goal, touching only pods that change.

    Knows cpu and budgets alone, and lets pods go over third nodes as often as they like.
    """
    keys = [one.key for one in world.pods]
    start = tuple(one.node for one in world.pods)
    end = tuple(goal.get(key) for key in keys)
    free = {one.name: one.allocatable["milli_cpu"] for one in world.nodes}
    seen, stack = {start}, [start]
    while stack:
        state = stack.pop()
        if state == end:
            return True
        for following in _steps_of(world, state, start, end, free):
            if following not in seen:
                seen.add(following)
                stack.append(following)
    return False


State = tuple[str | None, ...]


def _steps_of(
    world: Pods, state: State, start: State, end: State, size: dict[str, int]
) -> Iterator[State]:
    used: Counter[str | None] = Counter()
    for one, where in zip(world.pods, state, strict=True):
        used[where] += one.requests["milli_cpu"]
    for i, one in enumerate(world.pods):
        if start[i] == end[i]:
            continue
        if state[i] is None:
            for name, room in size.items():
                if end[i] is not None and used[name] + one.requests["milli_cpu"] <= room:
                    yield (*state[:i], name, *state[i + 1 :])
        elif all(_bears(world, budget, state, i) for budget in world.budgets):
            yield (*state[:i], None, *state[i + 1 :])


def _bears(world: Pods, budget: Budget, state: State, leaving: int) -> bool:
    covered = [j for j, p in enumerate(world.pods) if budget.covers(p.namespace, p.labels)]
    if leaving not in covered:
        return True
    up = sum(state[j] is not None for j in covered)
    return up - 1 >= budget.needed(len(covered))


@st.composite
def problems(draw: st.DrawFn) -> tuple[Pods, dict[str, str]]:
    """Tight clusters of up to four pods and three nodes, with a goal that fits."""
    count = draw(st.integers(2, 3))
    nodes = tuple(node(f"n{j}", draw(st.sampled_from((4, 5, 6)))) for j in range(count))
    number = draw(st.integers(1, 4))
    pods = []
    free = [one.allocatable["milli_cpu"] for one in nodes]
    left = list(free)
    goal: dict[str, str] = {}
    for i in range(number):
        cpu = draw(st.integers(1, 4))
        app = draw(st.sampled_from(("x", "y")))
        here = draw(st.sampled_from([None, *(j for j in range(count) if free[j] >= cpu)]))
        there = draw(st.sampled_from([None, *(j for j in range(count) if left[j] >= cpu)]))
        if here is not None:
            free[here] -= cpu
        if there is not None:
            left[there] -= cpu
            goal[f"default/p{i}"] = nodes[there].name
        where = None if here is None else nodes[here].name
        pods.append(pod(f"p{i}", cpu, where, labels={"app": app}))
    budgets = [
        Budget(
            name=app,
            selector=(Expression(key="app", values=(app,)),),
            max_unavailable=draw(st.integers(0, 2)),
        )
        for app in draw(st.sampled_from(((), ("x",), ("x", "y"))))
    ]
    return cluster(nodes, tuple(pods), *budgets), goal


@settings(max_examples=400, deadline=None)
@given(problems())
def test_an_order_is_found_wherever_there_is_one(problem: tuple[Pods, dict[str, str]]) -> None:
    world, goal = problem
    found = sequence(world, goal)
    assert isinstance(found, Blocked) != reachable(world, goal)
    if not isinstance(found, Blocked):
        assert illegal(world, found) == []
        assert after(world, found) == goal
        changed = {one.key for one in world.pods if goal.get(one.key) != one.node}
        assert {step.pod for step in found} == changed


# Against random walks, with all the rules


@st.composite
def walks(draw: st.DrawFn) -> tuple[Pods, dict[str, str], bool]:
    """A cluster, where a walk of legal steps leads, and whether that touched only what changed."""
    world = draw(rich())
    ground = Ground(world)
    for _ in range(draw(st.integers(1, 8))):
        possible: list[tuple[str, int | None]] = []
        for key in ground.pods:
            if key not in ground.state.where:
                possible += [(key, j) for j in ground.able(key)]
            elif not ground.pods[key].protected and ground.may_evict(key):
                possible.append((key, None))
        if not possible:
            break
        key, there = draw(st.sampled_from(possible))
        if there is None:
            ground.evict(key)
        else:
            ground.bind(key, there)
    names = [one.name for one in world.nodes]
    goal = {key: names[j] for key, j in ground.state.where.items()}
    binds = Counter(step.pod for step in ground.done if step.act == "bind")
    direct = all(
        goal.get(step.pod) != ground.pods[step.pod].node and binds[step.pod] <= 1
        for step in ground.done
    )
    return world, goal, direct


@st.composite
def rich(draw: st.DrawFn) -> Pods:
    nodes = tuple(
        Node(
            name=f"n{j}",
            allocatable={"milli_cpu": draw(st.integers(4, 8)), "pods": 4},
            labels={ZONE: f"z{j % 2}"},
            gpus=1,
        )
        for j in range(draw(st.integers(2, 4)))
    )
    kinds = [_kind(draw, f"app{k}") for k in range(3)]
    pods = []
    for i in range(draw(st.integers(2, 6))):
        kind = draw(st.sampled_from(kinds))
        pods.append(msgspec.structs.replace(kind, name=f"p{i}"))
    ground = Ground(Pods(nodes=nodes, pods=tuple(pods)))
    for one in pods:
        able = ground.able(one.key)
        if able and draw(st.booleans()):
            ground.bind(one.key, draw(st.sampled_from(able)))
    where = ground.state.where
    placed = tuple(
        msgspec.structs.replace(one, node=nodes[where[one.key]].name) if one.key in where else one
        for one in pods
    )
    budgets = tuple(
        Budget(name=app, selector=_app(app), max_unavailable=draw(st.integers(0, 2)))
        for app in draw(st.sampled_from(((), ("app0",), ("app0", "app1"))))
    )
    return Pods(nodes=nodes, pods=placed, budgets=budgets)


def _kind(draw: st.DrawFn, app: str) -> Pod:
    term = Term(selector=_app(draw(st.sampled_from(("app0", "app1")))), topology=ZONE)
    apart = Term(selector=_app(app))
    return Pod(
        name="",
        requests={"milli_cpu": draw(st.integers(1, 4))},
        labels={"app": app},
        priority=draw(st.integers(0, 2)),
        owner=f"ReplicaSet/{app}" if draw(st.booleans()) else "",
        near=(term,) if draw(st.integers(0, 3)) == 0 else (),
        apart=(apart,) if draw(st.integers(0, 3)) == 0 else (),
        spread=(Spread(topology=ZONE, selector=_app(app)),) if draw(st.booleans()) else (),
        ports=("TCP/80",) if draw(st.integers(0, 3)) == 0 else (),
        gpus=draw(st.integers(0, 1)),
        gpu_milli=draw(st.sampled_from((300, 500, 1000))),
    )


def _app(app: str) -> tuple[Expression, ...]:
    return (Expression(key="app", values=(app,)),)


@settings(max_examples=300, deadline=None)
@given(walks())
def test_orders_respect_every_rule(walk: tuple[Pods, dict[str, str], bool]) -> None:
    world, goal, direct = walk
    found = sequence(world, goal)
    if isinstance(found, Blocked):
        assert not direct, found.reason
        assert found.changes <= {(one.key, goal.get(one.key)) for one in world.pods}
        return
    assert illegal(world, found) == []
    reached = after(world, found)
    kinds = {
        one.key: msgspec.structs.replace(one, name="" if one.owner else one.name, node=None)
        for one in world.pods
    }
    assert Counter((repr(kinds[key]), there) for key, there in reached.items()) == Counter(
        (repr(kinds[key]), there) for key, there in goal.items()
    )
    assert all(step.reason for step in found)


def test_swaps_of_three_nodes_exhaustively() -> None:
    labels = {"app": "web"}
    budget = Budget(name="web", selector=WEB, max_unavailable=1)
    names = ("n1", "n2", "n3")
    sizes = (600, 700, 800)
    pods = tuple(
        pod(f"p{i}", cpu, name, labels=labels)
        for i, (cpu, name) in enumerate(zip(sizes, names, strict=True))
    )
    roomy = (*THREE, node("n4"))
    for order in product(names, repeat=3):
        goal = {f"default/p{i}": name for i, name in enumerate(order)}
        if len(set(order)) < 3:
            continue
        for nodes in (THREE, roomy):
            world = cluster(nodes, pods, budget)
            found = sequence(world, goal)
            assert isinstance(found, Blocked) != reachable(world, goal)
