"""A snapshot is solved: plan, proof, evidence, and the plan as it plays out."""

from __future__ import annotations

import msgspec
import pytest

from hocket.cluster.check.pods import check
from hocket.cluster.generate import examples
from hocket.cluster.generate.dynamic import Churn
from hocket.cluster.metrics.pods import metrics
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.packing.edits import add_node, drain
from hocket.cluster.packing.script import script
from hocket.cluster.packing.solve import solve
from hocket.cluster.policies.plans import FollowPlan
from hocket.cluster.simulate.pods import simulate
from hocket.core.errors import NotApplicable, UnknownName

pytest.importorskip("ortools")


def test_one_move_places_one_more() -> None:
    world = examples.fragmented()
    found = solve(world, time_limit=5)
    assert (found.status, found.value, found.bound, found.violations) == ("optimal", 1, 1, ())
    assert found.feasible
    assert found.objective == "pending"
    (tier,) = found.evidence
    assert tier == {
        "priority": "0 and above",
        "pods": 5,
        "running now": 3,
        "after": 4,
        "at most": 4,
        "disruption": 2,
        "at least": 2,
        "proved": "yes",
    }
    assert found.plan is not None
    assert [row["action"] for row in found.plan.steps] == ["evict", "bind", "bind"]
    assert "so that default/batch-" in found.plan.steps[0]["reason"]
    assert found.plan.advice[0] == "better and optimal: 1 placed, 1 moved"
    assert found.plan.advice[1].startswith("still waiting: default/batch-")


def test_both_large_pods_find_room_by_one_move() -> None:
    amounts = {"milli_cpu": 1100}
    nodes = tuple(Node(name=f"n{i}", allocatable=amounts) for i in range(3))
    small = tuple(Pod(name=f"s{i}", requests={"milli_cpu": 400}, node=f"n{i}") for i in range(2))
    more = (
        Pod(name="s2", requests={"milli_cpu": 400}, node="n2"),
        Pod(name="l0", requests={"milli_cpu": 701}),
        Pod(name="l1", requests={"milli_cpu": 700}),
    )
    found = solve(Pods(nodes=nodes, pods=(*small, *more)), time_limit=5)
    assert (found.status, found.value) == ("optimal", 0)
    assert [row["action"] for row in found.plan.steps].count("evict") == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("name", sorted(examples.EXAMPLES))
def test_examples_are_solved_and_their_plans_can_be_followed(name: str) -> None:
    world = examples.EXAMPLES[name]()
    found = solve(world, time_limit=2, workers=1)
    assert found.violations == ()
    assert found.timeline is not None and found.plan is not None
    assert metrics(world, found.timeline)["pending"] == found.value
    assert found.bound is not None and found.value is not None and found.bound <= found.value
    fields = {key: value for key, value in found.plan.policy.items() if key != "policy"}
    follow = msgspec.convert(fields, FollowPlan)
    assert simulate(world, follow) == found.timeline
    assert check(world, found.timeline) == []
    if found.plan.steps:
        assert "evict_pod" in script(world, follow) or "bind_pod" in script(world, follow)


def test_a_second_look_finds_nothing_left_to_do() -> None:
    world = examples.fragmented()
    found = solve(world, time_limit=5)
    assert found.timeline is not None
    where = {span.group: span.lane for span in found.timeline.spans("run")}
    pods = tuple(msgspec.structs.replace(pod, node=where.get(pod.key)) for pod in world.pods)
    again = solve(msgspec.structs.replace(world, pods=pods), time_limit=5)
    assert again.plan is not None
    assert (again.status, again.plan.steps) == ("optimal", ())
    assert again.solver == "strong: already optimal"


def test_what_if_there_were_a_node_more_or_less() -> None:
    world = examples.fragmented()
    assert solve(add_node(world, "d"), time_limit=5).value == 0
    drained = solve(drain(world, "a"), time_limit=5)
    assert drained.value == 2
    assert drained.violations == ()


def test_a_cluster_where_nothing_waits() -> None:
    world = Pods(nodes=(Node(name="n", allocatable={}),))
    found = solve(world, time_limit=1)
    assert (found.status, found.value, found.bound) == ("optimal", 0, 0)
    assert found.violations == ()


def test_what_moves_in_time_is_no_snapshot() -> None:
    world = Churn(nodes=2).make(0)
    with pytest.raises(NotApplicable, match="solve a snapshot"):
        solve(world)


def test_unknown_names() -> None:
    world = examples.fragmented()
    with pytest.raises(UnknownName, match="pending"):
        solve(world, "makespan")
    with pytest.raises(UnknownName, match="did you mean 'strong'"):
        solve(world, method="stron")


def test_progress_is_told_and_a_stop_ends_the_search() -> None:
    told: list[float | None] = []

    def progress(seconds: float, value: float | None, bound: float | None) -> None:
        told.append(value)

    found = solve(examples.fragmented(), time_limit=5, progress=progress)
    assert told
    assert [step.value for step in found.log] == told
    stopped = solve(examples.fragmented(), time_limit=30, stop=lambda: True)
    assert stopped.interrupted
    assert stopped.violations == ()


@pytest.mark.parametrize("method", ["plain", "strong", "auto"])
def test_methods(method: str) -> None:
    found = solve(examples.important(), method=method, time_limit=2)
    assert found.solver.startswith("plain" if method == "plain" else "strong")
    assert found.violations == ()
