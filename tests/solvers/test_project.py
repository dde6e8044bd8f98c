import random

import pytest

from hocket.solvers.network import Link, Network, Schedule, Task, TaskMode, objective_value
from hocket.solvers.project import plain_contradiction, solve_network, why_infeasible
from tests.shop import projects


def one(duration: int, use: int = 0, **other: int) -> Task:
    return Task(modes=(TaskMode(duration, (use,)),), **other)


def test_two_tasks_on_one_resource_follow_each_other() -> None:
    network = Network(tasks=(one(3, 1), one(2, 1)), capacity=(1,))
    result = solve_network(network)
    assert (result.outcome.status, result.outcome.value, result.outcome.bound) == ("optimal", 5, 5)
    assert result.schedule in (Schedule((0, 3), (0, 0)), Schedule((2, 0), (0, 0)))


def test_a_deadline_decides_the_order() -> None:
    network = Network(tasks=(one(3, 1), one(2, 1, deadline=3)), capacity=(1,))
    assert solve_network(network).schedule == Schedule((2, 0), (0, 0))


def test_a_deadline_that_cannot_be_met_is_named() -> None:
    network = Network(
        tasks=(one(3, 1, deadline=4), one(2, 1, deadline=4), one(1, 0)), capacity=(1,)
    )
    assert solve_network(network).outcome.status == "infeasible"
    reason = why_infeasible(network)
    assert set(reason.groups) == {"capacity 0", "deadline 0", "deadline 1"}


def test_a_mode_beyond_the_capacity_is_never_taken_even_without_duration() -> None:
    task = Task(modes=(TaskMode(0, (2,)), TaskMode(4, (1,))))
    assert solve_network(Network(tasks=(task,), capacity=(1,))).schedule == Schedule((0,), (1,))


def test_plain_contradictions_need_no_search() -> None:
    links = (Link(0, 1), Link(1, 0, -2, since="start"))
    cyclic = Network(tasks=(one(3), one(1)), capacity=(1,), links=links)
    cycle = plain_contradiction(cyclic).cycle
    assert cycle[0] == cycle[-1]
    assert set(cycle) == {0, 1}
    assert solve_network(cyclic).outcome.status == "infeasible"
    dear = Network(tasks=(Task(modes=(TaskMode(1, (), (4,)),)),), stock=(3,))
    assert plain_contradiction(dear).overdrawn == (0, 4)
    assert not plain_contradiction(Network(tasks=(one(1),), capacity=(1,)))
    assert not why_infeasible(Network(tasks=(one(1),), capacity=(1,)))


def test_contradictions_that_depend_on_the_modes_are_found_by_search() -> None:
    # The second task starts at least 2 after the finish and at most 3 after the start of the first:
    # fine with a duration of 1, impossible with 5, which is all that the stock allows.
    first = Task(modes=(TaskMode(1, (), (9,)), TaskMode(5, (), (1,))))
    links = (Link(0, 1, 2), Link(1, 0, -3, since="start"))
    rich = Network(tasks=(first, Task(modes=(TaskMode(0, (), (0,)),))), stock=(9,), links=links)
    assert solve_network(rich).schedule == Schedule((0, 3), (0, 0))
    poor = Network(tasks=rich.tasks, stock=(8,), links=links)
    assert not plain_contradiction(poor)
    assert solve_network(poor).outcome.status == "infeasible"
    assert set(why_infeasible(poor).groups) == {"stock 0", "link 0", "link 1"}


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown objective 'profit'"):
        solve_network(Network(tasks=(one(1),), capacity=(1,)), "profit")


def test_a_warm_start_is_never_lost() -> None:
    network = Network(tasks=(one(3, 1), one(2, 1)), capacity=(1,))
    warm = Schedule((2, 0), (0, 0))
    result = solve_network(network, warm=warm, time_limit=0)
    assert result.schedule == warm
    assert result.outcome.status == "unknown"


@pytest.mark.parametrize("seed", range(20))
def test_the_seed_and_the_workers_do_not_change_the_optimum(seed: int) -> None:
    network = projects.small(random.Random(seed), activities=6, longest=4).network()
    results = [solve_network(network, "weighted_flow_time", seed=s) for s in (0, 1)]
    assert results[0].outcome.status == results[1].outcome.status
    assert results[0].outcome.value == results[1].outcome.value
    for result in results:
        if result.schedule is not None:
            found = objective_value(network, result.schedule, "weighted_flow_time")
            assert found == result.outcome.value
