import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.disturb.arrivals import TraceArrivals
from hocket.core.timeline import Timeline
from hocket.shop.metrics.jobs import due_dates, utilisation
from hocket.shop.metrics.jobshop import metrics as jobshop_metrics
from hocket.shop.metrics.single import metrics as single_metrics
from hocket.shop.model import Job, JobShop, Machine, Operation, SingleJob, SingleMachine
from hocket.shop.model.objectives import DUE_DATE_OBJECTIVES, OBJECTIVES
from hocket.shop.policies.rules import EDD, FIFO, SPT
from hocket.shop.simulate.jobshop import simulate
from hocket.shop.simulate.single import simulate as simulate_single
from tests.shop.simulate.cases import shops

STEP = (Operation(machine="m0", duration=4),)


def test_by_hand():
    world = JobShop(
        machines=(Machine(name="m0"), Machine(name="m1")),
        jobs=(
            Job(name="a", operations=STEP, due=3, weight=2),
            Job(name="b", operations=STEP, release=1, due=20, weight=5),
            Job(name="c", operations=STEP, weight=1),
        ),
    )
    # a ends at 4, c at 8, b at 12; b was released at 1 and is early by 8.
    assert jobshop_metrics(world, simulate(world, FIFO())) == {
        "makespan": 12,
        "total_flow_time": 4 + 8 + 11,
        "weighted_flow_time": 2 * 4 + 8 + 5 * 11,
        "mean_flow_time": 23 / 3,
        "total_tardiness": 1,
        "weighted_tardiness": 2,
        "mean_tardiness": 0.5,
        "max_lateness": 1,
        "late_jobs": 1,
        "utilisation": 12 / 24,
    }
    assert due_dates(world) == {"a": 3, "b": 20}


def test_lateness_may_be_negative_and_being_on_time_is_not_late():
    world = SingleMachine(
        jobs=(SingleJob(name="a", duration=3, due=3), SingleJob(name="b", duration=3, due=10))
    )
    metrics = single_metrics(world, simulate_single(world, EDD()))
    assert (metrics["max_lateness"], metrics["late_jobs"], metrics["total_tardiness"]) == (0, 0, 0)
    early = SingleMachine(jobs=(SingleJob(name="a", duration=3, due=10),))
    assert single_metrics(early, simulate_single(early, EDD()))["max_lateness"] == -7


def test_a_job_counts_from_its_arrival_as_it_happened():
    world = JobShop(
        machines=(Machine(name="m0"),),
        jobs=(Job(name="a", operations=STEP), Job(name="b", operations=STEP)),
        arrivals=TraceArrivals(at=(10, 11)),
    )
    metrics = jobshop_metrics(world, simulate(world, FIFO()))
    assert metrics["total_flow_time"] == 4 + 7
    assert metrics["makespan"] == 18


def test_without_due_dates_there_are_no_figures_about_them():
    world = JobShop(machines=(Machine(name="m0"),), jobs=(Job(name="a", operations=STEP),))
    assert DUE_DATE_OBJECTIVES.isdisjoint(jobshop_metrics(world, simulate(world, FIFO())))


def test_utilisation_counts_setup_and_work_but_no_waiting():
    timeline = Timeline()
    assert utilisation(["m0"], timeline) == 0
    timeline.span("setup", "m0", "a", "a.0", 2, 4)
    timeline.span("run", "m0", "a", "a.0", 4, 8)
    timeline.span("blocked", "m0", "a", "a.0", 8, 9)
    timeline.span("run", "elsewhere", "a", "a.1", 8, 90)
    assert utilisation(["m0"], timeline) == 6 / 8
    assert utilisation(["m0", "m1"], timeline) == pytest.approx(6 / 16)


@settings(max_examples=50, deadline=None)
@given(shops(), st.integers(0, 2))
def test_every_objective_by_its_definition(world, seed):
    timeline = simulate(world, SPT(), seed=seed)
    metrics = jobshop_metrics(world, timeline)
    end: dict[str, int] = {}
    for span in timeline.spans("run"):
        end[span.group] = max(end.get(span.group, 0), span.end)
    arrived = {p.group: p.time for p in timeline.points("arrive")}
    due = [j for j in world.jobs if j.due is not None]
    tardy = {j.name: max(0, end[j.name] - j.due) for j in due}
    expected = {
        "makespan": max(end.values()),
        "total_flow_time": sum(end[j.name] - arrived[j.name] for j in world.jobs),
        "weighted_flow_time": sum(j.weight * (end[j.name] - arrived[j.name]) for j in world.jobs),
    }
    if due:
        expected |= {
            "total_tardiness": sum(tardy.values()),
            "weighted_tardiness": sum(j.weight * tardy[j.name] for j in due),
            "max_lateness": max(end[j.name] - j.due for j in due),
            "late_jobs": sum(1 for late in tardy.values() if late),
        }
        assert set(expected) == set(OBJECTIVES)
    assert {name: metrics[name] for name in expected} == expected
    assert 0 <= metrics["utilisation"] <= 1
