import pytest
from hypothesis import assume, given, settings

import hocket
from hocket.core.errors import NotApplicable, UnknownName
from hocket.taskgraph.exact.solve import makespan
from hocket.taskgraph.model.jobs import Listed, Stream
from tests.taskgraph.exact.brute import least_makespan
from tests.taskgraph.strategies import scenarios

pytest.importorskip("ortools")


@settings(max_examples=40)
@given(scenarios(static=True, most_tasks=3, most_types=2))
def test_the_optimum_of_tiny_scenarios(scenario):
    assume(sum(len(kind.tasks) for kind in scenario.types) <= 4)
    found = hocket.solve(scenario, time_limit=20, workers=1)
    assert found.status == "optimal"
    assert found.value == found.bound == least_makespan(scenario)
    assert found.violations == ()
    assert makespan(found.timeline) == found.value


def test_the_canonical_graph():
    """HEFT needs 80 for it (Topcuoglu, Hariri and Wu 2002); the optimum is less."""
    found = hocket.solve("taskgraph/canonical", time_limit=60)
    assert found.status == "optimal"
    assert found.value < 80
    heft = hocket.run("taskgraph/canonical", "taskgraph/heft")
    assert heft.metrics["makespan"] == 80
    plan = hocket.run("taskgraph/canonical", found_plan(found))
    assert plan.metrics["makespan"] == found.value


def found_plan(found):
    from hocket.taskgraph.policies.plans import FollowPlan

    return FollowPlan.of(found.timeline)


def test_without_time_the_best_list_schedule_is_the_answer():
    found = hocket.solve("taskgraph/canonical", time_limit=0)
    assert found.status == "feasible"
    assert found.feasible
    assert found.value <= 80
    assert found.bound <= found.value


@settings(max_examples=15)
@given(scenarios(static=True, most_tasks=5, most_types=2))
def test_the_bound_holds_for_what_policies_do(scenario):
    found = hocket.solve(scenario, time_limit=2, workers=1)
    for policy in ("taskgraph/etf", "taskgraph/heft", "taskgraph/met"):
        assert hocket.run(scenario, policy).metrics["makespan"] >= found.bound


def test_what_is_left_to_chance_is_refused():
    known = hocket.load("taskgraph/canonical")
    for field, value, told in (
        ("arrivals", Stream(jobs=2), "arrive at random"),
        ("noise", 0.1, "noise 0.1"),
        ("horizon", 100, "horizon"),
    ):
        import msgspec

        scenario = msgspec.structs.replace(known, **{field: value})
        with pytest.raises(NotApplicable, match=told):
            hocket.solve(scenario)
    assert isinstance(known.arrivals, Listed)
    with pytest.raises(UnknownName, match="makespan"):
        hocket.solve(known, "energy")
