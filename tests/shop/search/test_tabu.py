import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from hocket.shop.search import Shop, lower_bound, makespan, semi_active
from hocket.shop.search.instance import order_of, sequences_of
from hocket.shop.search.reference import tabu_search
from hocket.shop.search.relink import PathRelinking, between, distance
from hocket.shop.search.tabu import Tabu, tenure
from tests.shop.published import FT06, FT10, LA01

from .shops import check, optimum, parse, random_shop, shops


def both(shop, order, limit, seed=1, patience=10**6, target=0):
    search = Tabu(shop, seed)
    state = int(search.random[0])
    value, line = search.run(order, patience=patience, limit=limit, target=target)
    twin = tabu_search(
        shop, order, patience=patience, limit=limit, target=target,
        tenure=tenure(shop), state=state,
    )  # fmt: skip
    return value, [s.tolist() for s in sequences_of(shop, line)], search.iterations, twin


@pytest.mark.parametrize(("text", "limit"), [(FT06, 600), (LA01, 300), (FT10, 400)])
def test_kernel_walks_the_references_trajectory(text, limit):
    shop = parse(text)
    order = np.arange(shop.operations)
    for target in (0, lower_bound(shop)):
        value, sequences, done, twin = both(shop, order, limit, target=target)
        assert (value, sequences, done) == twin


def test_kernel_walks_the_references_trajectory_with_recirculation():
    walked = []
    for seed in range(6):
        shop = random_shop(seed, 6, 5, recirculate=True)
        value, sequences, done, twin = both(shop, np.arange(shop.operations), 300, seed)
        assert (value, sequences, done) == twin
        walked.append(done)
    assert walked.count(300) >= 4  # one may end early, where no critical block is left


@settings(deadline=None, max_examples=60)
@given(shops())
def test_kernel_walks_the_references_trajectory_on_odd_shops(shop):
    if not shop.operations:
        return
    value, sequences, done, twin = both(shop, np.arange(shop.operations), 60)
    assert (value, sequences, done) == twin
    line = Tabu(shop, 1).run(np.arange(shop.operations), patience=100, limit=100)[1]
    check(shop, semi_active(shop, line))


def test_long_horizons_use_64_bits():
    small = random_shop(4, 6, 6)
    factor = 1 << 40
    large = Shop(small.job_start, small.machine, small.duration * factor, small.machines)
    order = np.arange(36)
    value, line = Tabu(small, 3).run(order, patience=500, limit=500)
    big_value, big_line = Tabu(large, 3).run(order, patience=500, limit=500)
    assert big_value == value * factor
    assert big_line.tolist() == line.tolist()


def test_patience_target_and_stop_flag_end_a_walk():
    shop, order = parse(FT10), np.arange(100)
    search = Tabu(shop, 0)
    search.run(order, patience=10**6, limit=10**6, stop=np.ones(1, np.uint8))
    assert search.iterations == 0
    value, _ = search.run(order, patience=10**6, limit=10**6, target=1100)
    assert value <= 1100
    before = search.iterations
    search.run(order, patience=1, limit=10**6)
    assert search.iterations - before < 10**5


@settings(deadline=None)
@given(shops())
def test_a_point_between_two_lines_keeps_what_they_agree_on(shop):
    n = shop.operations
    first = np.arange(n)
    second = order_of(shop, semi_active(shop, np.argsort(shop.job, kind="stable")[::1]))
    for weight in (0.0, 0.3, 0.5, 1.0):
        child = between(first, second, weight)
        check(shop, semi_active(shop, child))
        place = [np.argsort(line) for line in (first, second, child)]
        for x, y in itertools.combinations(range(n), 2):
            agree = {bool(p[x] < p[y]) for p in place[:2]}
            if len(agree) == 1:
                assert bool(place[2][x] < place[2][y]) in agree
    assert between(first, second, 0.0).tolist() == first.tolist()
    assert between(first, second, 1.0).tolist() == second.tolist()


def test_distance_counts_turned_pairs():
    shop = Shop.of([[(0, 1)], [(0, 1)], [(0, 1)], [(1, 1)]])
    assert distance(shop, np.array([0, 1, 2, 3]), np.array([3, 0, 1, 2])) == 0
    assert distance(shop, np.array([0, 1, 2, 3]), np.array([2, 1, 0, 3])) == 3
    assert distance(shop, np.array([0, 1, 2, 3]), np.array([1, 0, 2, 3])) == 1


def relinked(shop, seed, iterations):
    calls = []
    search = PathRelinking(shop, seed, size=4, patience=300)
    search.run(lambda value, line: calls.append((value, line.tolist())), iterations=iterations)
    return calls


def test_relinking_is_decided_by_the_seed_and_counts_iterations():
    shop = parse(FT10)
    first = relinked(shop, 7, 30_000)
    assert first == relinked(shop, 7, 30_000)
    assert first != relinked(shop, 8, 30_000)
    assert all(makespan(shop, semi_active(shop, np.array(line))) == value for value, line in first)
    search = PathRelinking(shop, 7, patience=300)
    search.run(lambda value, line: None, iterations=12_345)
    assert search.tabu.iterations == 12_345


def test_relinking_finds_the_optimum_of_ft10():
    found = []
    search = PathRelinking(parse(FT10), 0)
    search.run(lambda value, line: found.append(value), iterations=3_000_000, target=930)
    assert min(found) == 930


@settings(deadline=None, max_examples=30)
@given(shops(jobs=3, steps=3, machines=3))
def test_relinking_is_optimal_on_tiny_shops(shop):
    if not shop.operations:
        return
    found = []
    search = PathRelinking(shop, 0, size=4, patience=50)
    best = optimum(shop)
    search.run(
        lambda value, line: found.append(makespan(shop, semi_active(shop, line))),
        iterations=3000, target=best,
    )  # fmt: skip
    assert min(found) >= best
