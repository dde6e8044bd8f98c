"""The exact methods against all permutations, against each other, and against their own limits."""

import numpy as np
import pytest
from hypothesis import given, settings

from hocket.core.errors import NotApplicable, UserError
from hocket.shop.generate.potts import potts_grid, potts_van_wassenhove
from hocket.shop.tardiness.bounds import lower_bound, max_tardiness_bound, sorted_bound
from hocket.shop.tardiness.decomposition import decompose
from hocket.shop.tardiness.positional import least_work_before, positional_mip
from hocket.shop.tardiness.subset_dp import LIMIT, subset_dp
from tests.shop.tardiness.cases import SIX_D, SIX_P, brute_force, instances, tardiness, tiny

ENGINES = ("python", "compiled")
HARD = (0.2, 0.6)  # the class (rdd, tf) that takes longest


@given(instances(most=6))
@settings(max_examples=150, deadline=None)
def test_all_permutations(jobs):
    p, d = jobs
    optimum = brute_force(p, d)
    assert tardiness(subset_dp(p, d), p, d) == optimum
    for engine in ENGINES:
        proof = decompose(p, d, engine=engine)
        assert proof.proven
        assert proof.value == optimum == tardiness(proof.sequence, p, d)
    assert lower_bound(p, d) <= optimum


@given(instances(most=6))
@settings(max_examples=60, deadline=None)
def test_subset_dp_with_weights(jobs):
    p, d = jobs
    w = [(3 * j) % 5 for j in range(len(p))]
    assert tardiness(subset_dp(p, d, w), p, d, w) == brute_force(p, d, w)


def test_decomposition_equals_the_subset_recursion_on_every_class():
    rng = np.random.default_rng(1)
    for _, _, p, d in potts_grid(14, 2, rng):
        optimum = tardiness(subset_dp(p, d), p, d)
        assert [decompose(p, d, engine=e).value for e in ENGINES] == [optimum, optimum]


def test_short_equal_and_empty_jobs():
    # Few distinct durations and due dates: ties at every comparison of the decomposition.
    rng = np.random.default_rng(2)
    for _ in range(60):
        p, d = rng.integers(0, 3, 12), rng.integers(-3, 14, 12)
        optimum = tardiness(subset_dp(p, d), p, d)
        for engine in ENGINES:
            assert decompose(p, d, engine=engine).value == optimum


def test_both_engines_open_the_same_nodes():
    rng = np.random.default_rng(3)
    for rdd, tf in (HARD, (0.4, 0.4), (0.6, 0.8)):
        p, d = potts_van_wassenhove(70, rdd, tf, rng)
        one, two = (decompose(p, d, engine=e) for e in ENGINES)
        assert one.sequence.tolist() == two.sequence.tolist()
        assert one.nodes == two.nodes > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_small_memory_forgets_but_stays_exact(engine):
    p, d = potts_van_wassenhove(60, *HARD, np.random.default_rng(4))
    full = decompose(p, d, engine=engine)
    from hocket.shop.tardiness import decomposition, rules
    from hocket.shop.tardiness.lawler import Lawler, Limits
    from hocket.shop.tardiness.lawler_compiled import CompiledLawler

    order = rules.edd(p, d)
    numbered = decomposition._numbered(p[order], d[order])
    if engine == "python":
        small = Lawler(numbered, Limits(), entries=300)
    else:
        small = CompiledLawler(numbered, Limits(), memory=1)
        # The first table is never smaller than this; fill it so that results must give way.
        small._reg[4] = len(small._table[0])
    assert small.solve(list(range(60)), 0) == (full.value, True)
    assert small.nodes >= full.nodes
    found = decomposition._sequence(small, numbered)
    assert tardiness(order[found], p, d) == full.value


@pytest.mark.parametrize("engine", ENGINES)
def test_the_pruning_rules_keep_the_tree_small(engine):
    # Golden numbers: weaker elimination of positions would stay exact and only open more nodes.
    p, d = potts_van_wassenhove(50, *HARD, np.random.default_rng(5))
    assert decompose(p, d, engine=engine).nodes == 464


@pytest.mark.parametrize("engine", ENGINES)
def test_a_node_limit_leaves_a_valid_bound(engine):
    rng = np.random.default_rng(5)
    for rdd, tf in (HARD, (0.4, 0.6), (0.2, 0.8)):
        p, d = potts_van_wassenhove(60, rdd, tf, rng)
        optimum = decompose(p, d).value
        gaps = []
        for limit in (0, 3, 30, 300):
            proof = decompose(p, d, node_limit=limit, engine=engine)
            assert proof.nodes <= limit
            assert proof.bound <= optimum <= proof.value == tardiness(proof.sequence, p, d)
            gaps.append(proof.value - proof.bound)
        assert gaps[-1] < gaps[0]


def test_both_engines_stop_alike():
    p, d = potts_van_wassenhove(60, *HARD, np.random.default_rng(6))
    one, two = (decompose(p, d, node_limit=100, engine=e) for e in ENGINES)
    assert (one.value, one.bound, one.nodes) == (two.value, two.bound, two.nodes)
    assert not one.proven


@pytest.mark.parametrize("engine", ENGINES)
def test_no_time_at_all(engine):
    p, d = potts_van_wassenhove(200, *HARD, np.random.default_rng(7))
    proof = decompose(p, d, time_limit=0.0, engine=engine)
    assert proof.nodes == 0 and not proof.proven
    assert 0 < proof.bound < proof.value == tardiness(proof.sequence, p, d)


def test_deep_recursion_is_no_recursion():
    # Every job splits off alone: as many levels as jobs, far beyond Python's own limit.
    n = 1500
    p = np.arange(1, n + 1)
    d = np.cumsum(p) - 2
    assert decompose(p, d, engine="python").proven


def test_the_paper_example():
    assert decompose(SIX_P, SIX_D).value == 141


def test_larger_instances_are_proven_and_beat_local_search():
    p, d = potts_van_wassenhove(200, 0.4, 0.4, np.random.default_rng(8))
    proof = decompose(p, d)
    assert proof.proven and proof.value == tardiness(proof.sequence, p, d)
    stopped = decompose(p, d, node_limit=50)
    assert stopped.bound <= proof.value <= stopped.value


def test_bounds_by_hand():
    # SPT completions 2, 5, 9 against due dates 1, 4, 20.
    assert sorted_bound([3, 2, 4], [4, 1, 20]) == 2
    assert max_tardiness_bound([3, 2, 4], [4, 1, 20]) == 1
    assert max_tardiness_bound([], []) == sorted_bound([], []) == 0


@pytest.mark.parametrize("valid_inequality", [True, False])
def test_positional_mip(valid_inequality):
    rng = np.random.default_rng(9)
    for _ in range(12):
        p, d = tiny(rng, most=6)
        proof = positional_mip(p, d, valid_inequality=valid_inequality)
        assert proof.proven
        assert proof.value == brute_force(p, d) == tardiness(proof.sequence, p, d)


def test_positional_mip_with_scip_and_out_of_time():
    p, d = potts_van_wassenhove(7, *HARD, np.random.default_rng(10))
    assert positional_mip(p, d, solver="scip").value == decompose(p, d).value
    p, d = potts_van_wassenhove(25, *HARD, np.random.default_rng(10))
    stopped = positional_mip(p, d, time_limit=0.3)
    assert stopped.bound <= decompose(p, d).value <= stopped.value
    assert not stopped.proven
    with pytest.raises(UserError, match="solvers"):
        positional_mip(p, d, solver="none")


def test_least_work_before():
    assert least_work_before([3, 1, 2]).tolist() == [[0, 1, 3], [0, 2, 5], [0, 1, 4]]


def test_refusals():
    with pytest.raises(NotApplicable, match="at most"):
        subset_dp(np.ones(LIMIT + 1, int), np.ones(LIMIT + 1, int))
    with pytest.raises(UserError, match="engines"):
        decompose([1], [1], engine="other")
    with pytest.raises(UserError, match="memory_mib"):
        decompose([1], [1], memory_mib=0)
    with pytest.raises(UserError, match="too large"):
        decompose([2**60, 2**60], [1, 2], engine="compiled")
    huge = decompose([2**60, 2**60, 1], [0, 1, 2])
    assert huge.proven and huge.sequence.tolist()[0] == 2
