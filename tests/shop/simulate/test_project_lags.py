import random

import pytest

from hocket.core.errors import Deadlock
from hocket.shop.model import Activity, Lag, Mode, Project, Resource
from hocket.shop.policies.project import LFT, ProjectRandom
from hocket.shop.simulate.project import simulate
from hocket.shop.simulate.project_lags import Lags
from hocket.solvers.network import Link, Network, Task, TaskMode
from tests.shop import projects


def free(seed: int) -> Project:
    """A project without resources whose lags may contradict each other."""
    rng = random.Random(seed)
    names = "abcdef"
    activities = tuple(
        Activity(name=n, modes=(Mode(duration=rng.randint(0, 4)),), release=rng.choice([0, 0, 3]))
        for n in names
    )
    return Project(
        activities=activities, lags=tuple(projects.random_lags(rng, names, with_gaps=True))
    )


@pytest.mark.parametrize("seed", range(150))
def test_without_resources_no_eligible_start_leads_into_a_dead_end(seed: int) -> None:
    """Windows over all chains: whatever order a policy picks, all lags can still be kept."""
    project = free(seed)
    if project.lag_contradiction():
        return
    timeline = simulate(project, ProjectRandom(lags_first=False), seed=seed)
    assert projects.feasible(project, projects.plan_of(project, timeline))


def test_most_of_these_projects_have_maximum_lags() -> None:
    sound = [p for p in map(free, range(150)) if not p.lag_contradiction()]
    assert sum(any(lag.most is not None for lag in p.lags) for p in sound) > 60


def test_an_activity_waits_for_what_its_hurried_successor_waits_for() -> None:
    # "cure" has to follow "mix" within 1, but cannot start before "form" is done at 10.
    project = Project(
        activities=tuple(
            Activity(name=name, modes=(Mode(duration=duration),))
            for name, duration in (("mix", 2), ("form", 10), ("cure", 3))
        ),
        lags=(Lag(before="mix", after="cure", most=1), Lag(before="form", after="cure")),
    )
    starts = {span.group: span.start for span in simulate(project, LFT()).spans()}
    assert starts == {"form": 0, "mix": 7, "cure": 10}


def test_a_release_holds_back_along_a_chain() -> None:
    project = Project(
        activities=(
            Activity(name="mix", modes=(Mode(duration=2),)),
            Activity(name="cure", modes=(Mode(duration=3),), release=9),
        ),
        lags=(Lag(before="mix", after="cure", most=0),),
    )
    starts = {span.group: span.start for span in simulate(project, LFT()).spans()}
    assert starts == {"mix": 7, "cure": 9}


def test_last_starts_run_backwards_along_chains() -> None:
    # 0 -> 1 -> 2 and 3 at most 5 before 2: once 3 starts at 0, 2 by 5, 1 by 3, 0 by 1.
    tasks = tuple(Task(modes=(TaskMode(2),)) for _ in range(4))
    links = (Link(0, 1), Link(1, 2), Link(2, 3, -5, since="start"))
    lags = Lags(Network(tasks=tasks, links=links))
    lags.begin(3, 0, 2)
    assert lags.latest == [1, 3, 5, None]
    assert lags.because[:3] == [3, 3, 3]
    assert lags.blocker(1) == 0
    assert lags.blocker(0) is None
    assert lags.allows(0, TaskMode(2), 1)
    assert not lags.allows(0, TaskMode(2), 2)


def test_a_longer_mode_has_to_keep_its_own_links() -> None:
    # Two modes; the long one would end too late for what has started already.
    tasks = (Task(modes=(TaskMode(1), TaskMode(6))), Task(modes=(TaskMode(4),)))
    lags = Lags(Network(tasks=tasks, links=(Link(0, 1, -2),)))
    lags.begin(1, 3, 7)
    assert lags.latest[0] == 4
    assert lags.allows(0, TaskMode(1), 4)
    assert not lags.allows(0, TaskMode(6), 4)
    assert not lags.allows(0, TaskMode(1), 5)


def test_a_maximum_lag_and_a_taken_resource_are_a_dead_end() -> None:
    crew = {"crew": 1}
    project = Project(
        activities=(
            Activity(name="a", modes=(Mode(duration=1, demands=crew),)),
            Activity(name="b", modes=(Mode(duration=1, demands=crew),)),
            Activity(name="c", modes=(Mode(duration=1, demands=crew),)),
        ),
        resources=(Resource(name="crew", capacity=1),),
        lags=(Lag(before="a", after="b", most=0), Lag(before="a", after="c", most=0)),
    )
    with pytest.raises(Deadlock, match="had to start by 1, because 'a' has started"):
        simulate(project, LFT())
