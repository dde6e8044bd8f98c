import itertools

import numpy as np
import pytest
from hypothesis import given

from hocket.core.errors import InputError
from hocket.shop.search import Shop, lower_bound, makespan, semi_active, violations
from hocket.shop.search.bounds import jackson_bound, job_bound, machine_bound
from hocket.shop.search.instance import (
    critical_path,
    order_from_sequences,
    order_of,
    sequences_of,
)
from tests.shop.published import FT06

from .shops import check, optimum, parse, random_shop, shops


@given(shops())
def test_any_line_of_operations_gives_a_feasible_schedule(shop):
    start = semi_active(shop, np.arange(shop.operations))
    assert violations(shop, start) == []
    assert check(shop, start) == makespan(shop, start)


@given(shops())
def test_order_sequences_and_starts_convert_into_each_other(shop):
    start = semi_active(shop, np.arange(shop.operations)[::1])
    order = order_of(shop, start)
    assert (semi_active(shop, order) == start).all()
    again = order_from_sequences(shop, sequences_of(shop, order))
    assert (semi_active(shop, again) == start).all()


@given(shops())
def test_critical_path_is_a_gapless_chain_to_the_makespan(shop):
    start = semi_active(shop, np.arange(shop.operations))
    path = critical_path(shop, start)
    end = start + shop.duration
    if not shop.operations:
        assert path.size == 0
        return
    assert end[path[-1]] == end.max()
    assert start[path[0]] == shop.releases[shop.job[path[0]]] or start[path[0]] == 0
    for x, y in itertools.pairwise(path):
        assert end[x] == start[y]
        assert shop.job[x] == shop.job[y] or shop.machine[x] == shop.machine[y]


def test_violations_name_what_is_wrong():
    shop = Shop.of([[(0, 3), (1, 2)], [(0, 4)]], release=[1, 0])
    assert violations(shop, np.array([4, 7, 0])) == []
    assert len(violations(shop, np.array([4, 6, 0]))) == 1
    assert "overlap" in violations(shop, np.array([3, 6, 0]))[0]
    assert "release" in violations(shop, np.array([0, 7, 3]))[0]
    assert "shape" in violations(shop, np.array([0]))[0]


def test_a_shop_reports_all_its_problems_and_cannot_change():
    with pytest.raises(InputError) as error:
        Shop(np.array([0, 1]), np.array([7]), np.array([-1]), machines=1)
    assert len(error.value.problems) == 2
    with pytest.raises(InputError):
        Shop(np.array([0, 2]), np.array([0]), np.array([1]), machines=1)
    with pytest.raises(InputError, match="coarser"):
        Shop.of([[(0, 1 << 59), (0, 1 << 59), (0, 1)]])
    with pytest.raises(ValueError, match="read-only"):
        parse(FT06).duration[0] = 5


def test_sequences_that_block_each_other_are_refused():
    shop = Shop.of([[(0, 1), (1, 1)], [(1, 1), (0, 1)]])
    assert order_from_sequences(shop, [[0, 3], [2, 1]]).size == 4
    with pytest.raises(InputError, match="circle"):
        order_from_sequences(shop, [[3, 0], [1, 2]])
    with pytest.raises(InputError, match="exactly once"):
        order_from_sequences(shop, [[0], [2, 1]])


def test_jacksons_schedule_of_carliers_example():
    # Carlier 1982, section 2: seven operations, preemptive makespan 49 (the optimum is 50).
    heads = [10, 13, 11, 20, 30, 0, 30]
    durations, tails = [5, 6, 7, 4, 3, 6, 2], [7, 26, 24, 21, 8, 17, 0]
    assert jackson_bound(heads, durations, tails) == 49
    assert jackson_bound([], [], []) == 0
    assert jackson_bound([5], [0], [3]) == 8


def _preemptive_bound_by_subsets(heads, durations, tails):
    # Carlier 1982: the preemptive makespan is the largest h(S) = min head + work + min tail.
    n, best = len(heads), 0
    for mask in range(1, 1 << n):
        s = [i for i in range(n) if mask >> i & 1]
        value = min(heads[i] for i in s) + sum(durations[i] for i in s) + min(tails[i] for i in s)
        best = max(best, value)
    return best


def test_jacksons_bound_equals_the_best_subset_bound():
    rng = np.random.Generator(np.random.PCG64(3))
    for _ in range(60):
        n = int(rng.integers(1, 8))
        lists = [rng.integers(low, 20, n).tolist() for low in (0, 1, 0)]
        assert jackson_bound(*lists) == _preemptive_bound_by_subsets(*lists)


@given(shops(jobs=3, steps=3, machines=3))
def test_bounds_never_exceed_the_optimum(shop):
    best = optimum(shop)
    assert machine_bound(shop) <= lower_bound(shop) <= best
    assert job_bound(shop) <= best


def test_bounds_of_ft06():
    shop = parse(FT06)
    assert job_bound(shop) == 47
    assert lower_bound(shop) == 52
    assert machine_bound(random_shop(1, 4, 4)) > 0
