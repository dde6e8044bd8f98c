import random
from itertools import product

import pytest

from hocket.solvers.mode_choice import thrifty_modes
from hocket.solvers.network import Network, Task, TaskMode


@pytest.mark.parametrize("seed", range(80))
def test_thrifty_modes_are_found_when_there_are_any(seed: int) -> None:
    rng = random.Random(seed)
    stocks = (rng.randint(4, 9), rng.randint(4, 9))
    tasks = tuple(
        Task(
            modes=tuple(
                TaskMode(1, (rng.randint(0, 3),), (rng.randint(0, 4), rng.randint(0, 4)))
                for _ in range(rng.randint(1, 3))
            )
        )
        for _ in range(5)
    )
    network = Network(tasks=tasks, capacity=(2,), stock=stocks)

    def affordable(modes: tuple[int, ...]) -> bool:
        chosen = [t.modes[k] for t, k in zip(tasks, modes, strict=True)]
        return all(sum(m.spend[r] for m in chosen) <= stocks[r] for r in (0, 1)) and all(
            m.use[0] <= 2 for m in chosen
        )

    possible = [m for m in product(*(range(len(t.modes)) for t in tasks)) if affordable(m)]
    found = thrifty_modes(network)
    assert (found is None) == (not possible)
    assert found is None or affordable(found)


def test_a_search_for_modes_gives_up_after_its_nodes() -> None:
    modes = (TaskMode(1, (), (1, 0)), TaskMode(1, (), (0, 1)))
    network = Network(tasks=(Task(modes=modes),) * 40, stock=(19, 20))
    assert thrifty_modes(network, nodes=1000) is None
