import random
from itertools import pairwise

import pytest

from hocket.solvers.network import (
    Link,
    Network,
    Schedule,
    Task,
    TaskMode,
    arcs,
    distances,
    energy_bound,
    horizon,
    latest_starts,
    objective_value,
    overdrawn,
    windows,
)


def one(duration: int, use: int = 0, **other: int) -> Task:
    return Task(modes=(TaskMode(duration, (use,)),), **other)


def chain(*durations: int, capacity: int = 1, use: int = 0) -> Network:
    return Network(
        tasks=tuple(one(d, use) for d in durations),
        capacity=(capacity,),
        links=tuple(Link(i, i + 1) for i in range(len(durations) - 1)),
    )


def test_a_chain_has_the_sums_of_its_durations() -> None:
    network = chain(3, 2, 4)
    assert windows(network).earliest == (0, 3, 5)
    assert latest_starts(network, 9) == (0, 3, 5)
    assert latest_starts(network, 12) == (3, 6, 8)
    assert horizon(network) == 9


@pytest.mark.parametrize(
    ("since", "of", "expected"),
    [
        ("finish", "start", 5),
        ("start", "start", 2),
        ("finish", "finish", 1),
        ("start", "finish", 0),
    ],
)
def test_every_kind_of_link(since: str, of: str, expected: int) -> None:
    network = Network(
        tasks=(one(3), one(4)), capacity=(1,), links=(Link(0, 1, 2, since=since, of=of),)
    )
    assert windows(network).earliest == (0, expected)


def test_links_over_several_modes_are_relaxed() -> None:
    fast_or_slow = Task(modes=(TaskMode(2), TaskMode(5)))
    network = Network(
        tasks=(fast_or_slow, fast_or_slow),
        links=(Link(0, 1, 4, since="finish", of="finish"),),
    )
    assert arcs(network)[0] == [(1, 4 + 2 - 5)]


def random_network(rng: random.Random, count: int) -> Network:
    links = tuple(
        Link(i, j, rng.randint(-6, 4), since=rng.choice(["start", "finish"]))
        for i in range(count)
        for j in range(count)
        if i != j and rng.random() < 0.3
    )
    return Network(
        tasks=tuple(one(rng.randint(0, 3), release=i) for i in range(count)), links=links
    )


def longest_paths(network: Network) -> list[list[float]]:
    """Floyd and Warshall's all-pairs longest paths."""
    count = len(network.tasks)
    far = [[0.0 if i == j else float("-inf") for j in range(count)] for i in range(count)]
    for i, out in enumerate(arcs(network)):
        for j, gap in out:
            far[i][j] = max(far[i][j], gap)
    for k in range(count):
        for i in range(count):
            for j in range(count):
                far[i][j] = max(far[i][j], far[i][k] + far[k][j])
    return far


@pytest.mark.parametrize("seed", range(80))
def test_windows_are_the_longest_paths_or_a_cycle_of_positive_length(seed: int) -> None:
    network = random_network(random.Random(seed), 5)
    far = longest_paths(network)
    found = windows(network)
    if any(far[i][i] > 0 for i in range(5)):
        cycle = found.cycle
        assert cycle[0] == cycle[-1]
        gaps = [max(g for j, g in arcs(network)[a] if j == b) for a, b in pairwise(cycle)]
        assert sum(gaps) > 0
        with pytest.raises(ValueError, match="contradict"):
            latest_starts(network, 40)
        return
    assert found.cycle == ()
    releases = [task.release for task in network.tasks]
    expected = tuple(max(releases[i] + far[i][j] for i in range(5)) for j in range(5))
    assert found.earliest == expected
    end = 40
    latest = tuple(
        min(end - network.tasks[j].shortest - far[i][j] for j in range(5)) for i in range(5)
    )
    assert latest_starts(network, end) == latest
    for j, bounds in enumerate(distances(network)):
        expected_gaps = [(i, far[i][j]) for i in range(5) if i != j and far[i][j] > float("-inf")]
        assert bounds == expected_gaps


def test_a_deadline_bounds_latest_starts_but_makes_no_tail() -> None:
    tasks = (one(2, 1, deadline=3), one(4, 1))
    network = Network(tasks=tasks, capacity=(1,))
    assert latest_starts(network, 10) == (1, 6)
    assert energy_bound(network) == 6


def test_energy_counts_heads_and_tails() -> None:
    # Three tasks of 2 x 4 between a head of 3 and a tail of 5, on a capacity of 2: 3 + 12 + 5.
    tasks = (one(3), *(one(4, 2) for _ in range(3)), one(5))
    links = tuple(Link(0, i) for i in (1, 2, 3)) + tuple(Link(i, 4) for i in (1, 2, 3))
    assert energy_bound(Network(tasks=tasks, capacity=(2,), links=links)) == 20
    assert energy_bound(Network(tasks=tasks, capacity=(4,), links=links)) == 3 + 6 + 5


def test_the_tail_of_a_longer_mode_may_be_shorter() -> None:
    either = Task(modes=(TaskMode(1, (1,)), TaskMode(5, (1,))))
    network = Network(tasks=(either, one(0)), capacity=(1,), links=(Link(0, 1, 3, since="start"),))
    # With the long mode nothing has to come after its finish, with the short one 2 ticks.
    assert energy_bound(network) <= 3


def test_objectives_of_a_schedule() -> None:
    tasks = (one(2, weight=3, due=1), one(4, release=1, weight=2, due=9), one(1, weight=5))
    network = Network(tasks=tasks, capacity=(1,))
    schedule = Schedule((0, 2, 7), (0, 0, 0))
    values = {
        "makespan": 8,
        "total_flow_time": 2 + 5 + 8,
        "weighted_flow_time": 6 + 10 + 40,
        "total_tardiness": 1,
        "weighted_tardiness": 3,
        "max_lateness": 1,
        "late_jobs": 1,
    }
    assert {name: objective_value(network, schedule, name) for name in values} == values
    with pytest.raises(ValueError, match="unknown objective"):
        objective_value(network, schedule, "profit")


def test_overdrawn_stocks() -> None:
    task = Task(modes=(TaskMode(1, (), (3, 1)), TaskMode(2, (), (2, 4))))
    network = Network(tasks=(task, task), stock=(3, 2))
    assert list(overdrawn(network)) == [(0, 4)]
