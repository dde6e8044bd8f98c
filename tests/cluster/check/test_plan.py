"""Plans: what may be carried out, what is better, and numbers that must be right."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hocket.cluster.check.plan import Score, check_plan, no_worse, present, reached
from hocket.cluster.generate import named
from hocket.cluster.model.pods import Pods
from hocket.cluster.packing.plan import Plan, Step, Tier
from hocket.cluster.policies.plans import FollowPlan
from hocket.cluster.simulate.pods import simulate
from hocket.core.errors import IllegalDecision
from tests.cluster.check.chaos import some_steps
from tests.cluster.check.clusters import clusters

replace = msgspec.structs.replace


def evict(pod: str, node: str, wave: int = 0) -> Step:
    return Step(act="evict", pod=f"default/{pod}", node=node, wave=wave)


def bind(pod: str, node: str, wave: int = 0) -> Step:
    return Step(act="bind", pod=f"default/{pod}", node=node, wave=wave)


def example(name: str) -> Any:
    return named(name)


MOVE = (evict("web-0", "a"), bind("web-0", "b"), bind("batch-0", "a"))
TIER = Tier(
    priority=0, pods=5, before=3, placed=4, placed_bound=4, disruption=2, disruption_bound=2
)


def rules(cluster: Pods, *steps: Step, **plan: Any) -> set[str]:
    """The rules that a plan breaks, beside that it is not better."""
    verdict = plan.pop("verdict", "better")
    found = check_plan(cluster, Plan(verdict=verdict, steps=steps, **plan))
    return {violation.rule for violation in found}


def test_a_plan_for_the_textbook_case() -> None:
    plan = Plan(verdict="better and optimal", steps=MOVE, tiers=(TIER,))
    assert check_plan(example("fragmented"), plan) == []
    assert no_worse(example("fragmented"), plan)
    assert present(example("fragmented")) == Score((3,), (0,))
    assert reached(example("fragmented"), MOVE) == Score((4,), (2,))
    assert reached(example("fragmented"), MOVE, evict=2, move=1) == Score((4,), (1,))
    assert reached(example("fragmented"), MOVE[:1], evict=2, move=1) == Score((2,), (2,))


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        ((bind("batch-0", "a"),), "capacity"),
        ((evict("web-0", "a"), bind("batch-0", "b")), "capacity"),
        ((evict("web-0", "a", 1), bind("batch-0", "a", 0)), "capacity"),
        ((evict("web-0", "b"),), "here"),
        ((evict("batch-0", "a"),), "here"),
        ((evict("web-0", "a"), evict("web-0", "a")), "here"),
        ((bind("web-0", "b"),), "here"),
        ((evict("nobody", "a"),), "unknown"),
        ((evict("web-0", "a"), bind("web-0", "z")), "unknown"),
        ((bind("batch-0", "a"), evict("web-0", "a")), "order"),
        ((evict("web-0", "a", 1), bind("web-0", "b", 0)), "order"),
        ((evict("web-0", "a"),), "worse"),
    ],
)
def test_steps_that_cannot_be_taken(steps: tuple[Step, ...], rule: str) -> None:
    assert rule in rules(example("fragmented"), *steps)


def test_protected_pods_stay() -> None:
    steps = (evict("local-0", "a"), bind("local-0", "b"), bind("batch-0", "a"))
    assert rules(example("protected"), *steps) == {"protected"}
    steps = (evict("web-0", "b"), bind("web-0", "a"), bind("batch-0", "b"))
    assert rules(example("protected"), *steps) == set()


def test_a_budget_lets_one_go_at_a_time() -> None:
    both = (
        evict("web-0", "a"),
        evict("web-1", "a"),
        bind("web-0", "b"),
        bind("web-1", "c"),
        bind("batch-0", "a"),
    )
    assert rules(example("budget"), *both) == {"budget"}
    one_by_one = (
        evict("web-0", "a"),
        bind("web-0", "b"),
        evict("web-1", "a", 1),
        bind("web-1", "c", 1),
        bind("batch-0", "a", 1),
    )
    assert rules(example("budget"), *one_by_one) == set()
    early = (*one_by_one[:1], evict("web-1", "a", 1), bind("web-0", "b", 1), *one_by_one[3:])
    assert rules(example("budget"), *early) == {"budget"}


def test_terms_taints_spread_and_gpus_hold_at_every_bind() -> None:
    cluster = example("apart")
    assert rules(cluster, bind("store-2", "d")) == {"taint"}
    assert rules(cluster, bind("store-2", "a")) == {"capacity", "apart"}
    steps = (evict("cache-0", "c"), bind("cache-0", "d"), bind("store-2", "c"))
    assert rules(cluster, *steps) == set()
    cluster = example("zones")
    assert rules(cluster, bind("web-3", "e1")) == {"spread"}
    steps = (evict("report-0", "w1"), bind("report-0", "e1"), bind("web-3", "w1"))
    assert rules(cluster, *steps) == set()
    cluster = example("shares")
    assert rules(cluster, bind("train-0", "a")) == {"gpu"}
    steps = (evict("infer-0", "a"), bind("infer-0", "b"), bind("train-0", "a"))
    assert rules(cluster, *steps) == set()


def test_a_gated_pod_is_not_bound() -> None:
    cluster = example("fragmented")
    pods = tuple(replace(pod, gated=pod.node is None) for pod in cluster.pods)
    assert rules(replace(cluster, pods=pods), *MOVE) == {"gated"}


def test_a_pod_may_be_on_its_way_over_a_third_node() -> None:
    steps = (
        evict("web-0", "a"),
        bind("web-0", "c"),
        evict("web-0", "c", 1),
        bind("web-0", "b", 1),
        bind("batch-0", "a", 1),
    )
    assert rules(example("fragmented"), *steps) == set()
    assert reached(example("fragmented"), steps) == Score((4,), (2,))


@pytest.mark.parametrize(
    "changed",
    [
        {"priority": 1},
        {"pods": 4},
        {"before": 2},
        {"placed": 5, "placed_bound": 5},
        {"disruption": 1, "disruption_bound": 1},
        {"placed_bound": 3},
        {"disruption_bound": 3},
    ],
)
def test_tiers_must_be_right(changed: dict[str, int]) -> None:
    assert rules(example("fragmented"), *MOVE, tiers=(replace(TIER, **changed),)) == {"tier"}
    assert rules(example("fragmented"), *MOVE, tiers=(TIER, TIER)) == {"tier"}


def test_verdicts_must_fit() -> None:
    cluster = example("fragmented")
    weak = replace(TIER, placed_bound=5)
    assert rules(cluster, *MOVE, tiers=(weak,)) == set()
    assert rules(cluster, *MOVE, tiers=(weak,), verdict="better and optimal") == {"verdict"}
    assert rules(cluster, *MOVE, verdict="better and optimal") == {"tier"}
    assert rules(cluster, *MOVE, verdict="already optimal", tiers=(TIER,)) == {"verdict"}
    assert rules(cluster, *MOVE, verdict="no better plan in time") == {"verdict"}
    assert rules(cluster, verdict="no better plan in time") == set()
    assert rules(cluster, verdict="perfect") == {"verdict"}
    assert rules(cluster) == {"verdict"}  # better, but nothing happens
    there_and_back = (evict("web-0", "a"), bind("web-0", "a"))
    assert rules(cluster, *there_and_back) == {"worse"}


def test_more_important_pods_count_first() -> None:
    cluster = example("important")
    for_good = (evict("batch-1", "a"), bind("database-0", "a"))
    assert rules(cluster, *for_good) == set()
    assert reached(cluster, for_good) == Score((1, 3, 6), (0, 0, 1))
    assert present(cluster) == Score((0, 2, 6), (0, 0, 0))
    kind = (
        evict("log-0", "c"),
        evict("batch-1", "a"),
        bind("log-0", "b"),
        bind("batch-1", "c"),
        bind("database-0", "a"),
    )
    assert rules(cluster, *kind) == set()
    assert reached(cluster, kind).compared(reached(cluster, for_good)) == 1
    assert "worse" in rules(cluster, evict("log-0", "c"), evict("log-1", "c"))


scores = st.builds(
    Score,
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
)


@given(a=scores, b=scores, c=scores)
def test_better_is_an_order(a: Score, b: Score, c: Score) -> None:
    assert a.compared(b) == -b.compared(a)
    assert (a.compared(b) == 0) == (a == b)
    if a.compared(b) >= 0 and b.compared(c) >= 0:
        assert a.compared(c) >= 0


@given(cluster=clusters(static=True), seed=st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_lawful_steps_are_found_to_be_so(cluster: Pods, seed: int) -> None:
    steps = some_steps(cluster, np.random.default_rng(seed))
    assert rules(cluster, *steps) <= {"worse", "verdict"}
    gain = reached(cluster, steps).compared(present(cluster))
    found = {"worse"} if gain < 0 else {"verdict"} if gain == 0 else set()
    assert rules(cluster, *steps) == found


@st.composite
def changed(draw: st.DrawFn, steps: tuple[Step, ...], cluster: Pods) -> tuple[Step, ...]:
    """The steps with one of them left out, doubled, swapped or changed."""
    n = draw(st.integers(0, len(steps) - 1))
    step = steps[n]
    how = draw(st.sampled_from(["drop", "node", "pod", "wave", "act", "double", "none"]))
    other = draw(st.sampled_from(cluster.nodes)).name
    pod = draw(st.sampled_from(cluster.pods)).key
    instead = {
        "drop": (),
        "node": (replace(step, node=other),),
        "pod": (replace(step, pod=pod),),
        "wave": (replace(step, wave=draw(st.integers(0, 3))),),
        "act": (replace(step, act="bind" if step.act == "evict" else "evict"),),
        "double": (step, step),
        "none": (step,),
    }[how]
    found = (*steps[:n], *instead, *steps[n + 1 :])
    return tuple(sorted(found, key=lambda step: (step.wave, step.act == "bind")))


@given(cluster=clusters(static=True), seed=st.integers(0, 99), data=st.data())
@settings(max_examples=300, deadline=None)
def test_it_agrees_with_the_simulator_on_what_is_lawful(
    cluster: Pods, seed: int, data: st.DataObject
) -> None:
    steps = some_steps(cluster, np.random.default_rng(seed))
    assume(steps and any(pod.node is None and not pod.gated for pod in cluster.pods))
    steps = data.draw(changed(steps, cluster))
    lawful = rules(cluster, *steps) <= {"worse", "verdict"}
    try:
        simulate(cluster, FollowPlan(steps=steps))
    except IllegalDecision:
        assert not lawful
    else:
        assert lawful
