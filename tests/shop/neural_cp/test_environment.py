import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.shop.neural_cp.environment import NEVER, Environment
from hocket.shop.search import Shop, violations
from tests.shop.neural_cp.literal import FOREVER, Engine, shops


def ranks(orders, actions):
    found = np.full((len(orders), actions), -1)
    for lane, order in enumerate(orders):
        found[lane, order] = np.arange(len(order))
    return found


@given(shops(), st.integers(0, 2**32), st.booleans())
def test_it_acts_as_the_literal_engine_does(shop, seed, partly):
    rng = np.random.default_rng(seed)
    world, engines = Environment(shop, 3), [Engine(shop) for _ in range(3)]
    for _ in range(200):
        if world.finished.all():
            break
        orders = [rng.permutation(shop.jobs + 1) for _ in engines]
        if partly:  # some actions only, at least one that is legal
            orders = [order[: rng.integers(1, len(order) + 1)] for order in orders]
        taken = world.act(ranks(orders, shop.jobs + 1))
        for lane, (engine, order) in enumerate(zip(engines, orders, strict=True)):
            assert sorted(engine.step(order)) == np.flatnonzero(taken[lane]).tolist()
            assert min(world.now[lane], FOREVER) == engine.now
            bounds = np.minimum(world.lower[lane], FOREVER)
            assert bounds.tolist() == engine.bounds()
            assert world.legal()[lane].tolist() == engine.legal()
    else:
        assert partly  # whole permutations always come to an end
    for lane in np.flatnonzero(world.finished):
        assert violations(shop, world.start[lane]) == []
        ends = world.start[lane] + shop.duration
        assert world.makespans()[lane] == ends.max()


def test_no_op_holds_back_every_job_not_only_those_that_could_start():
    # Jobs 0 and 1 can start now on machines 0 and 1, job 2 at 4: No-Op makes all wait until 4.
    shop = Shop.of([[(0, 3)], [(1, 2)], [(0, 1)], [(1, 1)]], release=[0, 0, 4, 9])
    world = Environment(shop)
    world.act(ranks([[4]], 5))
    assert world.now.tolist() == [4]
    assert world.lower.tolist() == [[4, 4, 4, 9]]
    assert world.legal().tolist() == [[True, True, True, False, True]]


def test_no_op_looks_for_the_second_bound_when_its_turn_comes():
    # Job 0 starts first and is ready again at 2; only then is No-Op carried out.
    shop = Shop.of([[(0, 2), (0, 5)], [(1, 9)], [(1, 4)]], release=[0, 0, 6])
    world = Environment(shop)
    taken = world.act(ranks([[0, 3, 1]], 4))
    assert taken.tolist() == [[True, False, False, True]]
    assert world.lower.tolist() == [[2, 2, 6]]


def test_no_op_is_illegal_where_nothing_later_is_known():
    world = Environment(Shop.of([[(0, 3)], [(0, 5)]]))
    assert world.legal().tolist() == [[True, True, False]]
    taken = world.act(ranks([[2, 1, 0]], 3))
    assert taken.tolist() == [[False, True, False]]  # the clock has moved before job 0's turn
    assert world.now.tolist() == [5]


def test_an_operation_without_duration_leaves_its_machine_to_the_next():
    world = Environment(Shop.of([[(0, 0), (1, 1)], [(0, 4)], [(0, 2)]]))
    taken = world.act(ranks([[0, 1, 2]], 4))
    assert taken.tolist() == [[True, True, False, False]]
    assert world.now.tolist() == [0]  # job 0 is ready for its second operation at once
    assert world.start.tolist() == [[0, -1, 0, -1]]


def test_lanes_have_clocks_of_their_own():
    world = Environment(Shop.of([[(0, 3)], [(0, 5)]]), 2)
    world.act(ranks([[0], [1]], 3))
    assert world.now.tolist() == [3, 5]
    world.act(ranks([[1], []], 3))
    assert world.finished.tolist() == [True, False]
    assert world.now.tolist() == [NEVER, 5]
    world.act(ranks([[0, 1, 2], [0]], 3))  # nothing happens where all is done
    assert world.makespans().tolist() == [8, 8]


def test_jobs_without_operations_end_at_their_release():
    world = Environment(Shop.of([[(0, 3)], []], release=[0, 7]))
    world.act(ranks([[0, 1]], 3))
    assert world.finished.all() and world.makespans().tolist() == [7]


@pytest.mark.parametrize("size", [10**6, 10**15])
def test_long_times_stay_whole_numbers(size):
    world = Environment(Shop.of([[(0, size), (1, 1)], [(1, size + 1), (0, 1)]]))
    while not world.finished.all():
        world.act(ranks([[0, 1]], 3))
    assert world.start.tolist() == [[0, size + 1, 0, size + 1]]
