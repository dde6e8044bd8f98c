import random

import pytest

from hocket.shop.metrics.project import metrics as project_metrics
from hocket.shop.model import Activity, Mode, Project, Resource
from hocket.shop.model.objectives import OBJECTIVES
from hocket.shop.policies.project import LFT
from hocket.shop.simulate.project import simulate
from hocket.solvers.mode_choice import thrifty_modes
from tests.shop import projects

SITE = Project(
    activities=(
        Activity(name="a", modes=(Mode(duration=2, demands={"crew": 2}),), due=1, weight=3),
        Activity(name="b", modes=(Mode(duration=4, demands={"crew": 1}),), release=1, weight=2),
    ),
    resources=(Resource(name="crew", capacity=2), Resource(name="crane", capacity=1)),
)


def test_a_worked_example() -> None:
    assert project_metrics(SITE, simulate(SITE, LFT())) == {
        "makespan": 6,
        "total_flow_time": 2 + 5,
        "weighted_flow_time": 6 + 10,
        "mean_flow_time": 3.5,
        "total_tardiness": 1,
        "weighted_tardiness": 3,
        "mean_tardiness": 1,
        "max_lateness": 1,
        "late_jobs": 1,
        "utilisation": (8 / 12 + 0) / 2,
    }


def test_without_due_dates_only_what_applies_is_there() -> None:
    project = Project(activities=(Activity(name="a", modes=(Mode(duration=2),)),))
    assert project_metrics(project, simulate(project, LFT())) == {
        "makespan": 2,
        "total_flow_time": 2,
        "weighted_flow_time": 2,
        "mean_flow_time": 2,
        "utilisation": 0.0,
    }


@pytest.mark.parametrize("seed", range(20))
def test_objectives_are_those_of_the_definitions(seed: int) -> None:
    project = projects.small(random.Random(seed), activities=6, lags=False)
    if thrifty_modes(project.network()) is None:
        return
    timeline = simulate(project, LFT())
    plan = projects.plan_of(project, timeline)
    metrics = project_metrics(project, timeline)
    assert 0 <= metrics.pop("utilisation") <= 1
    named = [name for name in OBJECTIVES if name in metrics]
    assert len(named) in (3, len(OBJECTIVES))
    for name in named:
        assert metrics[name] == projects.value(project, plan, name)
