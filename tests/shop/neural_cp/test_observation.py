import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hocket.shop.neural_cp.environment import Environment
from hocket.shop.neural_cp.observation import END, START, observe
from hocket.shop.search import Shop
from tests.shop.neural_cp.literal import Engine, shops


def compare(world, engines):
    seen = observe(world)
    attends = seen.attends()
    for lane, engine in enumerate(engines):
        intervals, positions, tokens, padding, rivals, legal = engine.observation()
        real = tokens == 0  # what stands in for tokens is never read
        np.testing.assert_allclose(
            seen.intervals[lane][real], intervals[real], rtol=2e-5, atol=2e-6
        )
        assert (seen.positions[lane] == positions).all()
        assert (seen.tokens[lane] == tokens).all()
        assert (seen.padding[lane] == padding).all()
        assert (attends[lane] == rivals).all()
        assert (seen.legal[lane] == legal).all()


@given(shops(jobs=4, operations=9), st.integers(0, 2**32))
def test_all_six_tensors_are_those_of_the_literal_version_at_every_step(shop, seed):
    rng = np.random.default_rng(seed)
    world, engines = Environment(shop, 2), [Engine(shop) for _ in range(2)]
    compare(world, engines)
    while not world.finished.all():
        orders = [rng.permutation(shop.jobs + 1) for _ in engines]
        world.act(np.argsort(orders, axis=1))
        for engine, order in zip(engines, orders, strict=True):
            engine.step(order)
        compare(world, engines)


def test_the_window_slides_from_the_start_token_to_the_end_token():
    shop = Shop.of([[(m, 1) for m in range(3)], [(3, 50)]])
    world = Environment(shop)
    assert observe(world).tokens[0].tolist() == [
        [START, 0, 0, 0, END],
        [START, 0, END, END, END],
    ]
    assert observe(world).padding[0].tolist() == [
        [False, False, False, False, False],
        [False, False, False, True, True],
    ]
    for _ in range(3):
        world.act(np.array([[0, 1, -1]]))
    assert observe(world).tokens[0, 0].tolist() == [0, END, END, END, END]


def test_the_starts_are_scaled_by_all_features_of_the_second_slot():
    # Two jobs at time 0 with first operations of 1 and 3: the second slots hold 0, 0, 1, 1 and
    # 0, 0, 3, 1 (started, bound, duration, next), whose mean is 0.75; the third bounds are 1 and 3.
    seen = observe(Environment(Shop.of([[(0, 1), (1, 2)], [(1, 3), (0, 2)]])))
    second = np.array([0, 0, 1, 1, 0, 0, 3, 1])
    expected = (np.array([1, 3]) - second.mean()) / second.std()
    np.testing.assert_allclose(seen.intervals[0, :, 2, 1], expected, rtol=1e-6)
    times = np.array([1, 2, 3, 2])
    np.testing.assert_allclose(
        seen.intervals[0, :, 1, 2], (np.array([1, 3]) - times.mean()) / times.std(), rtol=1e-6
    )


def test_positions_of_very_long_jobs_stop_at_the_last_that_the_network_knows():
    world = Environment(Shop.of([[(0, 1)] * 120, [(1, 1)]]))
    assert observe(world).positions[0, 0].tolist() == [0, 1, 2, 3, 4]
    for _ in range(98):
        world.act(np.array([[0, 1, -1]]))
    assert observe(world).positions[0, 0].tolist() == [97, 98, 99, 99, 99]
    for _ in range(12):
        world.act(np.array([[0, 1, -1]]))
    assert observe(world).positions[0].tolist() == [[99] * 5, [0] * 5]


def test_equal_durations_and_equal_times_give_finite_numbers():
    world = Environment(Shop.of([[(0, 0)], [(0, 0)]]))
    assert np.isfinite(observe(world).intervals).all()
    world = Environment(Shop.of([[(0, 10**15)], [(0, 10**15)]]))
    assert np.isfinite(observe(world).intervals).all()
