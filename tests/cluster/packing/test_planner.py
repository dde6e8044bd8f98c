"""From a snapshot to a verified plan, and what happens when no order or no better plan is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hocket.cluster.check.plan import check_plan
from hocket.cluster.generate import examples
from hocket.cluster.generate.replicasets import ReplicaSets
from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.model.rules import Budget
from hocket.cluster.packing import planner
from hocket.cluster.packing.ground import Ground
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.plan import Plan, Step, Tier
from hocket.cluster.packing.planner import plan_for
from hocket.cluster.packing.search import Packing, pack
from hocket.core.errors import UserError

pytest.importorskip("ortools")

QUICK = Options(time_limit=2.0)
WEB = (Expression(key="app", values=("web",)),)


def node(name: str, cpu: int) -> Node:
    return Node(name=name, allocatable={"milli_cpu": cpu})


def pod(name: str, cpu: int, where: str | None = None, **more: Any) -> Pod:
    return Pod(name=name, requests={"milli_cpu": cpu}, node=where, **more)


def knotted(*more: Node) -> Pods:
    """To place c, a and b have to swap nodes, and their budget lets only one of them go at once."""
    labels = {"app": "web"}
    return Pods(
        nodes=(node("n1", 1000), node("n2", 800), *more),
        pods=(
            pod("a", 600, "n1", labels=labels),
            pod("b", 500, "n2", labels=labels),
            pod("c", 500, priority=10),
        ),
        budgets=(Budget(name="web", selector=WEB, max_unavailable=1),),
    )


def test_the_best_plan_with_its_proof() -> None:
    plan = plan_for(examples.fragmented(), QUICK)
    assert plan.verdict == "better and optimal"
    assert len(plan.placed) == len(plan.moved) == 1
    assert not plan.evicted
    (tier,) = plan.tiers
    assert (tier.before, tier.placed, tier.placed_bound) == (3, 4, 4)
    assert (tier.disruption, tier.disruption_bound) == (2, 2)


def test_nothing_waits() -> None:
    world = Pods(nodes=(node("n1", 1000),), pods=(pod("a", 1, "n1"),))
    plan = plan_for(world, QUICK)
    assert (plan.verdict, plan.steps) == ("already optimal", ())
    assert [tier.proved for tier in plan.tiers] == [True]
    nobody = plan_for(msgspec.structs.replace(world, pods=()), QUICK)
    assert (nobody.verdict, nobody.tiers) == ("already optimal", ())


def test_a_swap_that_no_order_permits_is_given_up_for_the_next_best() -> None:
    world = knotted()
    assert pack(world, QUICK).where == {"default/a": "n2", "default/b": "n1", "default/c": "n1"}
    plan = plan_for(world, QUICK)
    assert plan.verdict == "better"
    assert plan.placed == {"default/c": "n1"}
    assert plan.evicted == ("default/a",)
    first, second = plan.tiers
    assert first.proved
    assert (second.placed, second.placed_bound) == (2, 3)  # bounds do not know of orders
    assert not second.proved


def test_with_a_third_node_the_swap_is_taken() -> None:
    world = knotted(node("n3", 620))
    third = msgspec.structs.replace(
        world, pods=(*world.pods, pod("rest", 620, "n3", protected=True))
    )
    assert plan_for(third, QUICK).evicted == ("default/a",)
    plan = plan_for(world, QUICK)
    assert plan.verdict == "better and optimal"
    assert not plan.evicted


def test_the_part_that_has_an_order_is_planned_when_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = knotted(node("n3", 1000), node("n4", 490))
    more = (pod("d", 850, "n3"), pod("e", 450), pod("f", 100, "n4"))
    world = msgspec.structs.replace(world, pods=(*world.pods, *more))
    where = {"a": "n2", "b": "n1", "c": "n1", "d": "n3", "e": "n4", "f": "n3"}
    goal = {f"default/{name}": there for name, there in where.items()}
    forbidden: list[Any] = []
    monkeypatch.setattr(planner, "pack", _always(goal, forbidden))
    plan = plan_for(world, Options(time_limit=1.0))
    assert plan.verdict == "better"
    assert plan.placed == {"default/e": "n4"}
    assert plan.moved == {"default/f": "n3"}
    assert forbidden == [[]]
    # With time left the same is searched for again, without what has no order.
    monkeypatch.setattr(planner, "pack", _always(goal, forbidden, seconds=0.4))
    again = plan_for(world, Options(time_limit=1.0))
    assert again.steps == plan.steps
    assert again.seconds == pytest.approx(1.2)
    knot = frozenset({("default/a", "n2"), ("default/b", "n1"), ("default/c", "n1")})
    assert forbidden[1:] == [[], [knot], [knot, knot]]


def test_what_is_forbidden_is_about_the_packing_and_not_about_exchanged_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = {"app": "web"}
    world = Pods(
        nodes=(node("n1", 1000), node("n2", 800)),
        pods=(
            pod("a", 600, "n1", owner="ReplicaSet/a", labels=labels),
            pod("like-a", 600, owner="ReplicaSet/a", labels=labels),
            pod("b", 500, "n2", labels=labels),
        ),
        budgets=(Budget(name="web", selector=WEB, max_unavailable=1),),
    )
    # For the order a stays, and the one like it goes to n2; but the budget keeps b there.
    where = {"default/a": "n2", "default/like-a": "n1"}
    calls: list[Any] = []
    monkeypatch.setattr(planner, "pack", _always(where, calls, seconds=0.6))
    assert plan_for(world, Options(time_limit=1.0)).steps == ()
    made = frozenset({("default/a", "n2"), ("default/like-a", "n1"), ("default/b", None)})
    assert calls == [[], [made]]


def _always(
    where: dict[str, str], calls: list[Any], seconds: float = 1.0
) -> Callable[..., Packing]:
    """A search that finds the same again and again."""

    def found(cluster: Pods, options: Options, **more: Any) -> Packing:
        calls.append(list(more["forbidden"]))
        known = pack(cluster, msgspec.structs.replace(options, time_limit=0.0))
        return msgspec.structs.replace(known, where=where, verdict="better", seconds=seconds)

    return found


@pytest.mark.parametrize(
    "steps",
    [
        (Step(act="bind", pod="default/batch-0", node="a"),),
        (
            Step(act="evict", pod="default/web-0", node="a"),
            Step(act="bind", pod="default/batch-0", node="a"),
            Step(act="bind", pod="default/batch-1", node="a"),
        ),
        (
            Step(act="evict", pod="default/web-0", node="b"),
            Step(act="bind", pod="default/web-0", node="b"),
            Step(act="bind", pod="default/batch-0", node="a"),
        ),
    ],
    ids=["no-room", "too-many", "elsewhere"],
)
def test_steps_that_the_checker_refuses_are_never_given(
    steps: tuple[Step, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "sequence", lambda *_, **__: steps)
    plan = plan_for(examples.fragmented(), QUICK)
    assert plan.verdict == "no better plan in time"
    assert plan.steps == ()
    assert "did not pass the check" in plan.reason


def test_steps_that_help_nobody_are_never_given(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (
        Step(act="evict", pod="default/web-0", node="a"),
        Step(act="bind", pod="default/web-0", node="b"),
    )
    monkeypatch.setattr(planner, "sequence", lambda *_, **__: steps)
    plan = plan_for(examples.fragmented(), QUICK)
    assert (plan.verdict, plan.steps) == ("no better plan in time", ())


def test_the_pod_that_asks_is_placed() -> None:
    world = Pods(
        nodes=(node("n1", 1000), node("n2", 1000)),
        pods=(
            pod("a", 600, "n1"),
            pod("b", 300, "n2"),
            pod("small", 450),
            pod("large", 1000),
        ),
    )
    one = msgspec.structs.replace(QUICK, trigger="one")
    plan = plan_for(world, one, preemptor="default/large")
    assert "default/large" in plan.placed
    with pytest.raises(UserError):
        plan_for(world, one, preemptor="default/a")


def test_no_time_is_no_plan_and_no_lie() -> None:
    plan = plan_for(examples.important(), Options(time_limit=0.0))
    assert plan.verdict in ("no better plan in time", "better")
    assert check_plan(examples.important(), plan) == []


def filled(world: Pods) -> Pods:
    """The pods in order of arrival, each on the first node that has room."""
    ground = Ground(world)
    for one in world.pods:
        if able := ground.able(one.key):
            ground.bind(one.key, able[0])
    where = ground.state.where
    return ground.state.snapshot(world, [one for one in world.pods if one.key not in where])


@pytest.mark.parametrize("method", ["plain", "strong"])
@pytest.mark.parametrize("cost", ["evict-first", "move-first"])
@pytest.mark.parametrize("seed", range(3))
def test_plans_for_published_workloads_are_sound(method: str, cost: str, seed: int) -> None:
    world = filled(ReplicaSets(nodes=4, priorities=2).make(seed))
    options = Options(time_limit=0.5, method=method, cost=cost)  # type: ignore[arg-type]
    plan = plan_for(world, options)
    price = (1, 2) if cost == "evict-first" else (2, 1)
    assert check_plan(world, plan, evict=price[0], move=price[1]) == []


@pytest.mark.parametrize("name", sorted(examples.EXAMPLES))
def test_plans_for_examples_are_sound_and_the_same_again(name: str) -> None:
    world = examples.EXAMPLES[name]()
    plan = plan_for(world, Options(time_limit=0.5))
    assert check_plan(world, plan) == []
    assert plan_for(world, Options(time_limit=0.5)) == plan


def test_a_plan_as_json_is_read_back() -> None:
    plan = plan_for(examples.important(), QUICK)
    assert plan.steps
    data = msgspec.json.encode(plan)
    assert msgspec.json.decode(data, type=Plan) == plan


def test_progress_goes_on_over_several_searches() -> None:
    told: list[float] = []
    plan_for(knotted(), QUICK, progress=lambda seconds, value, bound: told.append(seconds))
    assert told == sorted(told)


def test_it_can_be_stopped() -> None:
    world = filled(ReplicaSets(nodes=16).make(1))
    plan = plan_for(world, Options(time_limit=30.0, clock="wall"), stop=lambda: True)
    assert check_plan(world, plan) == []


def test_bounds_are_dropped_where_less_is_reached_than_they_were_proved_for() -> None:
    """The packing places both important pods, the plan one of them: below, all is open again."""
    world = Pods(
        nodes=(node("n1", 4),),
        pods=(pod("x", 1, priority=1), pod("y", 1, priority=1), pod("a", 1, "n1"), pod("b", 1)),
    )
    tight = Tier(
        priority=1, pods=2, before=0, placed=2, placed_bound=2, disruption=0, disruption_bound=0
    )
    below = msgspec.structs.replace(
        tight,
        priority=0,
        pods=4,
        before=1,
        placed=3,
        placed_bound=3,
        disruption=1,
        disruption_bound=1,
    )
    first = Packing(where={}, tiers=(tight, below), verdict="better and optimal")

    def tiers(*names: str) -> tuple[Tier, ...]:
        steps = tuple(Step(act="bind", pod=f"default/{name}", node="n1") for name in names)
        return planner._tiers(world, Plan(verdict="better", steps=steps), first, QUICK)

    one, two = tiers("x", "b")  # as many in all as the packing, but fewer important ones
    assert (one.placed, one.placed_bound) == (1, 2)
    assert (two.placed, two.placed_bound, two.disruption_bound) == (3, 4, 0)
    one, two = tiers("x", "y")
    assert (two.placed, two.placed_bound, two.disruption_bound) == (3, 3, 1)


def test_no_pod_is_disturbed_for_a_less_important_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that place a pod, but move a more important one for it, are no better plan."""
    world = Pods(
        nodes=(node("n1", 2), node("n2", 2)),
        pods=(pod("top", 1, "n1", priority=1), pod("low", 1, "n2"), pod("big", 2)),
    )
    steps = (
        Step(act="evict", pod="default/top", node="n1"),
        Step(act="bind", pod="default/top", node="n2"),
        Step(act="bind", pod="default/big", node="n1"),
    )
    assert [v.rule for v in check_plan(world, Plan(verdict="better", steps=steps))] == ["worse"]
    monkeypatch.setattr(planner, "sequence", lambda *_, **__: steps)
    assert plan_for(world, QUICK).steps == ()
    monkeypatch.undo()
    assert plan_for(world, QUICK).moved == {"default/low": "n1"}
