"""Figures of applications by hand, and what must hold of any run."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.generate.analytics import NAMED
from hocket.cluster.metrics.analytics import METRICS, by_size, metrics, worst
from hocket.cluster.metrics.analytics_figures import figures
from hocket.cluster.metrics.analytics_jobs import Answer, answers, yardstick
from hocket.cluster.model.analytics import Analytics, Job, Overheads, Stage, User
from hocket.cluster.policies.fair import UJF, Fair
from hocket.cluster.policies.fifo import FIFO
from hocket.cluster.policies.uwfq import UWFQ
from hocket.cluster.simulate.analytics import simulate
from hocket.cluster.units import seconds_per_tick
from hocket.core.timeline import Timeline
from hocket.report.figures import Plot, Strips
from tests.cluster.simulate.analytics_cases import applications


def job(name: str, user: str, *tasks: int, arrival: int = 0) -> Job:
    return Job(name=name, user=user, stages=(Stage(tasks=tasks),), arrival=arrival)


# One core. FIFO: a 0-8, b 8-16, c 16-18. UJF, first by name: c 0-2, a 2-10, b 10-18.
SCENARIO = Analytics(
    cores=1,
    time_unit="s",
    jobs=(job("a", "ann", 8), job("b", "ann", 8), job("c", "abe", 2)),
)


def test_figures_of_fifo_by_hand() -> None:
    found = metrics(SCENARIO, simulate(SCENARIO, FIFO()))
    assert found == pytest.approx(
        {
            "mean_response": (8 + 16 + 18) / 3,
            "response_p50": 16,
            "response_p95": 17.8,
            "response_worst": 18,
            "response_light": 18,
            "response_heavy": 12,
            "response_small": (18 + 8 + 16) / 3,
            "response_medium": (18 + 8 + 16) / 3,
            "response_large": (18 + 8 + 16) / 3,
            "slowdown": (1 + 2 + 9) / 3,
            "dvr": 16 / 2,  # c is done at 18, not at 2
            "dsr": -(2 / 10 + 2 / 18) / 2,  # a at 8, not at 10; b at 16, not at 18
            "violations": 1 / 3,
            "makespan": 18,
            "jain": (1.5 + 9) ** 2 / (2 * (1.5**2 + 9**2)),
            "utilisation": 1,
        }
    )
    assert list(found) == list(METRICS)


def test_user_job_fairness_is_its_own_yardstick() -> None:
    found = metrics(SCENARIO, simulate(SCENARIO, UJF()))
    assert (found["dvr"], found["dsr"], found["violations"]) == (0, 0, 0)


def test_alone_counts_overheads_and_what_runs_side_by_side() -> None:
    stages = (Stage(tasks=(4, 4, 4)), Stage(tasks=(5,)), Stage(tasks=(1, 1), after=(0, 1)))
    scenario = Analytics(
        cores=2,
        jobs=(Job(name="a", user="u", stages=stages, arrival=70),),
        overheads=Overheads(job=10, stage=3, driver=2, task=1),
    )
    # The driver queues at 12 and 14: 5, 5, 5 and 6 on two cores end at 23; a stage at 28 takes 2.
    assert yardstick(scenario).alone == {"a": 30}
    assert metrics(scenario, simulate(scenario, FIFO()))["slowdown"] == 1


def test_milliseconds_are_told_as_seconds_and_abstract_ticks_are_seconds() -> None:
    assert [seconds_per_tick(unit) for unit in ("ms", "tick", "min")] == [0.001, 1, 60]
    slow = Analytics(cores=1, time_unit="ms", jobs=(job("a", "u", 1500),))
    assert metrics(slow, simulate(slow, FIFO()))["mean_response"] == 1.5


def test_groups_are_told_as_one_by_the_work_of_each_user() -> None:
    """Two light users have more work in all than the heavy one, but less each."""
    jobs = (job("a", "x", 3), job("b", "y", 3, arrival=3), job("c", "z", 5, arrival=6))
    users = (
        User(name="x", group="light"),
        User(name="y", group="light"),
        User(name="z", group="heavy"),
    )
    scenario = Analytics(cores=1, time_unit="s", jobs=jobs, users=users)
    found = metrics(scenario, simulate(scenario, FIFO()))
    assert (found["response_light"], found["response_heavy"]) == (3, 5)


@pytest.mark.parametrize(
    ("count", "small", "medium", "large"),
    [
        (1, [1], [1], [1]),
        (20, range(1, 17), range(17, 20), [20]),
        (4, range(1, 5), range(1, 5), range(1, 5)),
    ],
)
def test_classes_of_sizes(count: int, small: range, medium: range, large: range) -> None:
    jobs = [Answer(f"j{k}", "u", k, 0, k) for k in range(count, 0, -1)]
    found = by_size(jobs)
    wanted = {"small": small, "medium": medium, "large": large}
    assert found == {name: pytest.approx(np.mean(list(part))) for name, part in wanted.items()}


def test_the_worst_tenth() -> None:
    assert worst(np.arange(1.0, 31)) == 29
    assert worst(np.array([3.0])) == 3
    assert worst(np.arange(1.0, 12)) == 10.5  # two of eleven


@given(applications(), st.sampled_from([FIFO(), Fair(), UWFQ(), UWFQ(partition=0.7)]))
@settings(max_examples=60)
def test_figures_are_finite_and_bounded(scenario: Analytics, policy: FIFO) -> None:
    timeline = simulate(scenario, policy)
    found = metrics(scenario, timeline)
    assert list(found) == list(METRICS)
    assert all(math.isfinite(value) for value in found.values())
    assert found["dvr"] >= 0 >= found["dsr"]
    assert 0 <= found["utilisation"] <= 1 and 0 < found["jain"] <= 1 + 1e-12
    assert found["response_p50"] <= found["response_p95"] <= found["makespan"] + 1e-9
    means = [found["response_light"], found["response_heavy"]]
    assert min(means) - 1e-9 <= found["response_worst"]
    for plot in figures(scenario, [("one", timeline), ("two", timeline)]):
        assert isinstance(plot, Plot | Strips)


def test_a_run_without_an_end_has_no_figures() -> None:
    empty = Timeline("s")
    assert set(metrics(SCENARIO, empty).values()) == {0.0}
    assert figures(SCENARIO, [("none", empty)]) == ()


def test_pictures_show_responses_and_cores() -> None:
    scenario = NAMED["s2"].make()
    runs = [("fifo", simulate(scenario, FIFO())), ("uwfq", simulate(scenario, UWFQ()))]
    slowdown, response, *strips = figures(scenario, runs)
    assert isinstance(slowdown, Plot) and isinstance(response, Plot)
    assert [line.label for line in slowdown.lines] == ["fifo", "uwfq"]
    assert response.title == "Response by group of users"
    assert response.lines[1].notes == ("infrequent", "frequent")
    means = {a.user: a.response for a in answers(scenario, runs[1][1])}
    assert len(means) == 4
    assert len(strips) == 2
    for strip in strips:
        assert isinstance(strip, Strips)
        assert [lane.name for lane in strip.lanes][:2] == ["frequent-1", "frequent-2"]
        readings = np.array([lane.values[0] for lane in strip.lanes], dtype=float)
        assert readings.shape[1] == -(-strip.end // strip.step) <= 400
        assert readings.max() == 32


def test_the_highest_number_of_cores_in_each_stretch_of_time() -> None:
    """Two tasks of one user overlap from 2 to 4, in steps of one tick."""
    scenario = Analytics(cores=2, jobs=(job("a", "u", 4, 2), job("b", "v", 1, arrival=9)))
    timeline = Timeline("ms", ("core.0", "core.1"))
    for name, time in (("a", 0), ("b", 9)):
        timeline.point("submit", "", name, "", time)
        timeline.point("done", "", name, "", time)
    timeline.span("run", "core.0", "a", "0.0", 0, 4)
    timeline.span("run", "core.1", "a", "0.1", 2, 4)
    timeline.span("run", "core.0", "b", "0.0", 9, 10)
    strip = figures(scenario, [("x", timeline)])[-1]
    assert isinstance(strip, Strips)
    assert [lane.values[0] for lane in strip.lanes] == [
        (1, 1, 2, 2, 2, 0, 0, 0, 0, 0),
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    ]
