import random

import pytest

from hocket.shop.generate.project import ProGen
from hocket.shop.model import Project
from hocket.solvers.mode_choice import thrifty_modes
from hocket.solvers.network import Link, Network, Schedule, Task, TaskMode
from hocket.solvers.sgs import forward_backward, mirrored, parallel, serial
from tests.shop import projects


def one(duration: int, use: int = 0) -> Task:
    return Task(modes=(TaskMode(duration, (use,)),))


def test_tasks_that_must_start_together_do_not_wait_for_each_other() -> None:
    links = (Link(0, 1, 0, since="start"), Link(1, 0, 0, since="start"), Link(1, 2))
    network = Network(tasks=(one(2), one(2), one(1)), capacity=(1,), links=links)
    assert serial(network, (0, 1, 2), (0, 0, 0)) == Schedule((0, 0, 2), (0, 0, 0))
    assert parallel(network, (0, 1, 2), (0, 0, 0)) == Schedule((0, 0, 2), (0, 0, 0))


def test_a_maximum_lag_holds_its_predecessor_back() -> None:
    # The second task may start at most 1 after the first, but its resource is busy until 6.
    network = Network(
        tasks=(one(1, 0), one(2, 1), one(6, 1)),
        capacity=(1,),
        links=(Link(0, 1, 0, since="start"), Link(1, 0, -1, since="start")),
    )
    schedule = serial(network, (1, 2, 0), (0, 0, 0))
    assert schedule is not None
    assert schedule.start == (5, 6, 0)
    assert parallel(network, (1, 2, 0), (0, 0, 0)) is None


def test_a_deadline_that_cannot_be_met_gives_nothing() -> None:
    late = Task(modes=(TaskMode(2, (1,)),), deadline=3)
    network = Network(tasks=(one(2, 1), late), capacity=(1,))
    assert serial(network, (0, 1), (0, 0)) is None
    assert parallel(network, (0, 1), (0, 0)) is None
    assert serial(network, (1, 0), (0, 0)) == Schedule((2, 0), (0, 0))


def plan(schedule: Schedule) -> list[tuple[int, int]]:
    return list(zip(schedule.start, schedule.mode, strict=True))


@pytest.mark.parametrize("seed", range(60))
def test_both_schemes_give_feasible_schedules(seed: int) -> None:
    rng = random.Random(seed)
    project = projects.small(rng, activities=8, modes=3, lags=seed % 2 == 0, longest=5)
    network = project.network()
    modes = thrifty_modes(network)
    if modes is None or project.lag_contradiction():
        return
    priority = [rng.random() for _ in network.tasks]
    for scheme in (serial, parallel):
        schedule = scheme(network, priority, modes)
        if seed % 2:  # nothing can go wrong without maximum lags
            assert schedule is not None
        if schedule is not None:
            assert projects.feasible(project, plan(schedule))
            better = forward_backward(network, schedule)
            assert projects.feasible(project, plan(better))
            assert max(better.finish(network)) <= max(schedule.finish(network))


def semi_active(project: Project, schedule: Schedule) -> bool:
    """Whether no activity can start one tick earlier on its own."""
    moves = plan(schedule)
    for i, (start, mode) in enumerate(moves):
        sooner = [*moves[:i], (start - 1, mode), *moves[i + 1 :]]
        if start > 0 and projects.feasible(project, sooner):
            return False
    return True


@pytest.mark.parametrize("seed", range(30))
def test_the_serial_scheme_leaves_no_gap_to_the_left(seed: int) -> None:
    rng = random.Random(seed)
    project = projects.small(rng, activities=7, modes=1, lags=False, stock=False, longest=4)
    network = project.network()
    schedule = serial(network, [rng.random() for _ in network.tasks], [0] * 7)
    assert schedule is not None
    assert semi_active(project, schedule)


def test_improvement_helps_on_the_whole() -> None:
    gains = 0
    for seed in range(20):
        network = ProGen(activities=30, strength=0.2).make(seed).network()
        schedule = serial(network, range(30), [0] * 30)
        assert schedule is not None
        better = forward_backward(network, schedule)
        gains += max(schedule.finish(network)) - max(better.finish(network))
    assert gains > 20


def test_mirroring_twice_changes_nothing_but_releases() -> None:
    network = projects.small(random.Random(2), activities=6).network()
    twice = mirrored(mirrored(network))
    assert twice.links == network.links
    assert [t.modes for t in twice.tasks] == [t.modes for t in network.tasks]
