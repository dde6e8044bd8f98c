"""The figures of a run, against closed forms and values worked out by hand."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.load import load_policy
from hocket.core.registry import domain
from hocket.core.timeline import Timeline
from hocket.taskgraph.energy import leaks, power
from hocket.taskgraph.generate import named
from hocket.taskgraph.metrics import completed, critical_path, metrics
from hocket.taskgraph.model.graph import graphs
from hocket.taskgraph.model.jobs import JobType, Stream, Task
from hocket.taskgraph.model.processors import (
    Function,
    Leakage,
    OperatingPoint,
    Processor,
    Sampling,
)
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.objectives import METRICS
from hocket.taskgraph.simulate.world import simulate
from tests.taskgraph.deciders import Adapted, EarliestFinish, Whim
from tests.taskgraph.records import Pieces, right, small
from tests.taskgraph.strategies import scenarios


def test_a_small_run_by_hand() -> None:
    found = metrics(small(), right().timeline)
    assert found == pytest.approx(
        {
            "mean_latency": 8,
            "latency_p50": 8,
            "latency_p95": 8,
            "latency_p99": 8,
            "completed": 1,
            "throughput": 125,  # one in 8 microseconds
            "slr": 8 / 5,  # a takes 2 at least, b 3
            "makespan": 8,
            "injected": 1,
            "blocked": 0,
            "jobs_mean": 1,
            "utilisation": 8 / 24,
            "volume_moved": 6,
            "energy": 0,
            "energy_per_job": 0,
            "edp": 0,
        }
    )


def test_jobs_that_are_done_in_the_warm_up_do_not_count() -> None:
    pieces = right().point("arrive", "G#1", 8).jobs((8, 1), (18, 0))
    pieces.run("P", "G#1", "a", 8, 12).run("P", "G#1", "b", 12, 15).run("P", "G#1", "c", 15, 18)
    pieces.point("done", "G#1", 18).point("blocked", "", 4)
    found = metrics(small(warm_up=9), pieces.timeline)
    assert found["mean_latency"] == 10
    assert (found["completed"], found["injected"], found["blocked"]) == (1, 2, 1)
    assert found["throughput"] == pytest.approx(1 / 0.009)
    assert found["makespan"] == 18
    assert found["volume_moved"] == 6  # the second job keeps to P


def test_a_run_in_which_nothing_happens_has_finite_figures() -> None:
    for scenario in (small(horizon=0), small(horizon=3, warm_up=20)):
        found = metrics(scenario, Timeline("us"))
        assert list(found) == list(METRICS)
        assert all(math.isfinite(value) for value in found.values())
        assert found["completed"] == found["mean_latency"] == 0


def test_the_objectives_are_figures() -> None:
    (problem,) = domain("taskgraph").problems
    assert set(problem.objectives) <= METRICS.keys()


LEAK = 0.0536192  # W at 1 V and 42 degrees: 0.002488 * 315^2 * exp(-2660 / 315) + 0.000519
POINTS = (OperatingPoint(frequency=500, voltage=900), OperatingPoint(frequency=1000, voltage=1000))


def core(**fields: object) -> Processor:
    """A core that takes 2 W for 4 ticks at its highest frequency."""
    work = {"work": Function(duration=4, power=2.0)}
    return Processor(**{"name": "P", "functions": work, "points": POINTS, **fields})  # type: ignore[arg-type]


def alone(processor: Processor, **fields: object) -> TaskGraphs:
    """One job of one task on one processor."""
    kind = JobType(name="J", tasks=(Task(name="work"),))
    return TaskGraphs(processors=(processor,), types=(kind,), **fields)  # type: ignore[arg-type]


def joules(scenario: TaskGraphs) -> tuple[float, int]:
    """The energy in microjoules of a run, and how long it takes."""
    timeline = simulate(scenario, Adapted(EarliestFinish(scenario)))  # type: ignore[arg-type]
    found = metrics(scenario, timeline)
    assert found["edp"] == pytest.approx(found["energy"] * found["mean_latency"] * 1e-6)
    assert found["energy_per_job"] == found["energy"]
    return found["energy"] * 1e6, int(found["makespan"])


def test_leakage_is_that_of_the_board() -> None:
    assert leaks(core(), POINTS[1], Leakage()) == pytest.approx(LEAK, rel=1e-5)
    assert leaks(core(), POINTS[0], Leakage()) == pytest.approx(0.9 * LEAK, rel=1e-5)
    assert leaks(core(type="ACC"), POINTS[1], Leakage()) == 0
    assert leaks(core(), POINTS[1], Leakage(ambient=85)) > 2 * LEAK


def test_the_energy_of_one_task_at_each_operating_point() -> None:
    dynamic = 2.0 - LEAK
    slow = dynamic * 0.5 * 0.81 + 0.9 * LEAK
    assert joules(alone(core())) == (pytest.approx(8.0), 4)
    assert joules(alone(core(governor="powersave"))) == (pytest.approx(8 * slow, rel=1e-5), 8)
    constant = core(governor="constant", frequency=500.0)
    assert joules(alone(constant)) == joules(alone(core(governor="powersave")))
    assert joules(alone(core(type="ACC", governor="powersave"))) == (pytest.approx(8 * 0.81), 8)
    assert joules(alone(core(points=()))) == (8.0, 4)


def test_a_governor_that_slows_down_a_running_task() -> None:
    # At the end of the first period of 3 ticks the task has run all of it, which is less than
    # `low`; the last tick of work takes 2 ticks.
    scenario = alone(core(governor="ondemand"), sampling=Sampling(period=3, high=5, low=2))
    slow = (2.0 - LEAK) * 0.5 * 0.81 + 0.9 * LEAK
    assert joules(scenario) == (pytest.approx(3 * 2.0 + 2 * slow, rel=1e-5), 5)


def test_no_task_takes_less_than_what_leaks() -> None:
    weak = Function(duration=4, power=0.01)
    assert power(core(), weak, POINTS[0], Leakage()) == pytest.approx(0.9 * LEAK, rel=1e-5)


@settings(max_examples=80)
@given(scenario=scenarios(), seed=st.integers(0, 3))
def test_littles_law_and_other_sums(scenario: TaskGraphs, seed: int) -> None:
    timeline = simulate(scenario, Adapted(Whim(scenario)), seed=seed)  # type: ignore[arg-type]
    found = metrics(scenario, timeline)
    assert all(math.isfinite(value) and value >= 0 for value in found.values())
    end = timeline.end if scenario.horizon is None else scenario.horizon
    done = {point.group: point.time for point in timeline.points("done")}
    inside = [done.get(p.group, end) - p.time for p in timeline.points("arrive")]
    assert found["jobs_mean"] * end == pytest.approx(sum(inside))
    assert found["completed"] <= found["injected"] == len(inside)
    assert found["utilisation"] <= 1
    assert found["makespan"] <= end
    latencies = [job.latency for job in completed(scenario, timeline)]
    assert found["mean_latency"] == pytest.approx(np.mean(latencies or [0]))
    if all(p.governor == "performance" for p in scenario.processors) and not scenario.warm_up:
        power = _power_by_span(scenario, timeline)
        assert found["energy"] == pytest.approx(power * 1e-6)


def _power_by_span(scenario: TaskGraphs, timeline: Timeline) -> float:
    """Watts by ticks, where nothing changes frequency. All powers exceed what leaks."""
    processors = {p.name: p for p in scenario.processors}
    kinds = {kind.name: kind for kind in scenario.types}
    total = 0.0
    for span in timeline.spans("run"):
        tasks = {task.name: task.runs for task in kinds[span.group.partition("#")[0]].tasks}
        function = processors[span.lane.partition(".")[0]].functions[tasks[span.name]]
        total += function.power * (span.end - span.start)
    return total


@settings(max_examples=60)
@given(scenario=scenarios(static=True))
def test_no_schedule_is_shorter_than_the_critical_path(scenario: TaskGraphs) -> None:
    timeline = simulate(scenario, Adapted(EarliestFinish(scenario)))  # type: ignore[arg-type]
    compiled = {graph.name: graph for graph in graphs(scenario)}
    shortest = {name: critical_path(graph) for name, graph in compiled.items()}
    jobs = completed(scenario, timeline)
    assert all(job.latency >= shortest[job.type] for job in jobs)
    ratios = [job.latency / shortest[job.type] for job in jobs if shortest[job.type]]
    assert metrics(scenario, timeline)["slr"] == pytest.approx(np.mean(ratios or [0]))
    for graph in compiled.values():
        assert critical_path(graph) == _longest(graph.inputs, graph.durations)


def _longest(inputs: object, durations: object) -> int:
    """The longest of all paths, each walked on its own."""

    def back(task: int) -> int:
        return min(durations[task]) + max((back(b) for b, _ in inputs[task]), default=0)  # type: ignore[index]

    return max(back(task) for task in range(len(durations)))  # type: ignore[arg-type]


def test_the_canonical_graph_takes_41_ticks_at_least() -> None:
    (graph,) = graphs(named("canonical"))
    assert [min(graph.durations[task]) for task in (0, 1, 8, 9)] == [9, 13, 12, 7]
    assert critical_path(graph) == 41


def test_one_processor_waits_as_the_queue_m_d_1() -> None:
    """Wait = rho D / (2 (1 - rho)): Pollaczek and Khinchine, for tasks of D ticks."""
    ticks, gap, count = 1000, 1430.0, 3000
    kind = JobType(name="J", tasks=(Task(name="work"),))
    work = {"work": Function(duration=ticks)}
    scenario = TaskGraphs(
        processors=(Processor(name="P", functions=work),),
        types=(kind,),
        arrivals=Stream(gap=gap, jobs=count),
        warm_up=100 * ticks,
    )
    policy = load_policy("taskgraph/eft")
    waits = []
    for seed in range(10):
        timeline = simulate(scenario, policy, seed=seed)
        found = metrics(scenario, timeline)
        waits.append(found["mean_latency"] - ticks)
    load = ticks / (gap - 0.5)  # gaps are rounded down
    expected = load * ticks / (2 * (1 - load))
    error = np.std(waits, ddof=1) / math.sqrt(len(waits))
    assert error < 0.05 * expected
    assert abs(np.mean(waits) - expected) < 3 * error


def test_percentiles_are_those_of_the_latencies() -> None:
    scenario = named("top")
    timeline = simulate(scenario, load_policy("taskgraph/etf"), seed=3)
    latencies = sorted(job.latency for job in completed(scenario, timeline))
    found = metrics(scenario, timeline)
    for percent in (50, 95, 99):
        place = percent / 100 * (len(latencies) - 1)
        low, high = latencies[math.floor(place)], latencies[math.ceil(place)]
        assert low <= found[f"latency_p{percent}"] <= high
    assert found["throughput"] == pytest.approx(len(latencies) / 5)
    assert found["blocked"] == sum(1 for _ in timeline.points("blocked")) > 0


@pytest.mark.parametrize(
    ("unit", "second"), [("us", 1e-6), ("ns", 1e-9), ("ms", 1e-3), ("tick", 1e-6)]
)
def test_energy_and_throughput_know_the_unit_of_time(unit: str, second: float) -> None:
    scenario = alone(core(points=()), time_unit=unit)
    timeline = Pieces(unit=unit).point("arrive", "J#0", 0).run("P", "J#0", "work", 0, 4)
    found = metrics(scenario, timeline.point("done", "J#0", 4).jobs((0, 1), (4, 0)).timeline)
    assert found["energy"] == pytest.approx(8 * second)
    assert found["throughput"] == pytest.approx(1e-3 / (4 * second))
    assert found["edp"] == pytest.approx(8 * second * 4 * second)


def test_a_slower_processor_takes_less_energy_and_more_time() -> None:
    fast = alone(core())
    slow = msgspec.structs.replace(fast, processors=(core(governor="powersave"),))
    (more, sooner), (less, later) = joules(fast), joules(slow)
    assert less < more and later > sooner
