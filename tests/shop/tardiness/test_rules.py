import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings

from hocket.shop.tardiness import rules
from hocket.shop.tardiness.objective import late_jobs, max_lateness, total_tardiness
from tests.shop.tardiness.cases import SIX_D, SIX_P, brute_force, instances, tardiness, tiny

UNWEIGHTED = (
    rules.spt,
    rules.edd,
    rules.minimum_slack,
    rules.mdd,
    rules.atc,
    rules.psk,
    rules.panneerselvam,
    rules.nbr,
    rules.moore_hodgson,
)


@given(instances())
@settings(max_examples=60, deadline=None)
def test_every_rule_returns_a_permutation(jobs):
    p, d = jobs
    for rule in UNWEIGHTED:
        assert sorted(rule(p, d).tolist()) == list(range(len(p))), rule.__name__


@given(instances(most=6))
@settings(max_examples=60, deadline=None)
def test_no_rule_beats_the_optimum(jobs):
    p, d = jobs
    optimum = brute_force(p, d)
    for rule in UNWEIGHTED:
        assert total_tardiness(rule(p, d), p, d) >= optimum


def test_edd_minimises_maximum_lateness():
    rng = np.random.default_rng(2)
    for _ in range(40):
        p, d = tiny(rng, most=6)
        best = min(max_lateness(list(s), p, d) for s in itertools.permutations(range(len(p))))
        assert max_lateness(rules.edd(p, d), p, d) == best


def test_moore_hodgson_minimises_the_number_of_late_jobs():
    rng = np.random.default_rng(3)
    for _ in range(40):
        p, d = tiny(rng, most=6)
        best = min(late_jobs(list(s), p, d) for s in itertools.permutations(range(len(p))))
        assert late_jobs(rules.moore_hodgson(p, d), p, d) == best


def test_wspt_minimises_weighted_completion():
    rng = np.random.default_rng(4)
    for _ in range(30):
        p, _ = tiny(rng, most=6)
        w = rng.integers(0, 6, len(p))
        zero = np.zeros_like(p)  # due at 0: tardiness is completion
        found = tardiness(rules.wspt(p, w), p, zero, w)
        assert found == brute_force(p, zero, w)


def test_mdd_on_the_paper_example():
    order = rules.mdd(SIX_P, SIX_D)
    assert order.tolist() == [1, 0, 2, 3, 5, 4]
    assert total_tardiness(order, SIX_P, SIX_D) == 144


@pytest.mark.parametrize("seed", range(5))
def test_mdd_is_optimal_where_durations_and_due_dates_agree(seed):
    rng = np.random.default_rng(seed)
    p = np.sort(rng.integers(1, 9, 7))
    d = np.sort(rng.integers(0, 40, 7))
    mixed = rng.permutation(7)
    p, d = p[mixed], d[mixed]
    assert total_tardiness(rules.mdd(p, d), p, d) == brute_force(p, d)


def test_mdd_is_optimal_where_all_are_late_or_none():
    rng = np.random.default_rng(6)
    for _ in range(20):
        p = rng.integers(1, 9, 6)
        assert total_tardiness(rules.mdd(p, p * 0), p, p * 0) == brute_force(p, p * 0)
        d = np.empty_like(p)
        d[rng.permutation(6)] = rng.integers(0, 5, 6)
        on_time = rng.permutation(6)
        d[on_time] = np.cumsum(p[on_time]) + d[on_time]
        assert total_tardiness(rules.mdd(p, d), p, d) == 0


def test_unit_weights_make_wmdd_the_rule_mdd():
    # max(p, d - t) is max(t + p, d) less t, so the two rank alike at every decision.
    rng = np.random.default_rng(7)
    for _ in range(30):
        p, d = tiny(rng)
        assert rules.wmdd(p, d, np.ones(len(p), int)).tolist() == rules.mdd(p, d).tolist()


def atc_by_the_formula(p, d, w, k):
    waiting, now, order = list(range(len(p))), 0, []
    while waiting:
        mean = sum(p[j] for j in waiting) / len(waiting)
        index = [w[j] / p[j] * math.exp(-max(0, d[j] - now - p[j]) / (k * mean)) for j in waiting]
        job = waiting[index.index(max(index))]
        order.append(job)
        waiting.remove(job)
        now += p[job]
    return order


@pytest.mark.parametrize("seed", range(10))
def test_atc_by_the_formula(seed):
    rng = np.random.default_rng(seed)
    p = rng.choice([11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53], 10, replace=False)
    d, w = rng.integers(0, 300, 10), rng.integers(1, 10, 10)
    assert rules.atc(p, d, w, k=1.5).tolist() == atc_by_the_formula(p, d, w, 1.5)


def test_atc_becomes_wspt_when_all_are_late_and_edd_like_when_none_is():
    p, w = np.array([4, 3, 5, 2]), np.array([1, 2, 3, 1])
    assert rules.atc(p, p * 0 - 50, w).tolist() == rules.wspt(p, w).tolist()
    # A tiny look-ahead leaves only the slack to decide.
    assert rules.atc(p, [90, 70, 110, 80], w, k=1e-3).tolist() == [1, 3, 0, 2]


def test_atc_survives_jobs_of_no_length_and_no_weight():
    assert sorted(rules.atc([0, 0, 0], [5, 1, 3]).tolist()) == [0, 1, 2]
    assert rules.atc([2, 2], [0, 0], [0, 1]).tolist() == [1, 0]


def psk_by_steps(p, d):
    waiting = sorted(range(len(p)), key=lambda j: (p[j], d[j]))
    now, order = 0, []
    while waiting:
        i = waiting[0]
        if now + p[i] < d[i]:
            for j in waiting[1:]:
                if d[i] <= now + p[j]:
                    break
                elif d[i] <= d[j]:
                    continue
                else:
                    i = j
        order.append(i)
        waiting.remove(i)
        now += p[i]
    return order


def test_psk_step_by_step():
    rng = np.random.default_rng(9)
    for _ in range(200):
        p, d = rng.integers(0, 6, 8), rng.integers(-2, 25, 8)
        assert rules.psk(p, d).tolist() == psk_by_steps(p.tolist(), d.tolist())


def test_psk_by_hand():
    # SPT order 0,1,2. t=0: job 0 is not late (0+2 < 9). Against job 1: due 9 > 0+3, and job 1 is
    # due at 4, earlier, so it becomes active; against job 2: 4 <= 0+6, so job 1 is scheduled.
    # t=3: job 0 (3+2 < 9); job 2: 9 <= 3+6, so job 0 is scheduled; then job 2.
    assert rules.psk([2, 3, 6], [9, 4, 12]).tolist() == [1, 0, 2]


def test_panneerselvam_by_hand():
    # Work 10: ratios (10-9)/2, (10-4)/3, (10-12)/5 -> job 1; work 7: -2/2, -5/5 tie -> job 2.
    assert rules.panneerselvam([2, 3, 5], [9, 4, 12]).tolist() == [1, 2, 0]
    assert rules.panneerselvam([2, 3, 0], [0, 0, 99]).tolist()[0] == 2


def test_nbr_by_hand():
    # EDD 0,1,2 ends at 6, 8, 10 against 6, 7, 8: tardiness 0, 1, 2. Moving job 0 to the end frees
    # min(6,1) + min(6,2) = 3 and costs it 10 - 6 = 4: no. Job 2 stays last; for job 1 at 8: frees
    # 1, costs 2: no.
    assert rules.nbr([6, 2, 2], [6, 7, 8]).tolist() == [0, 1, 2]
    # Due at 9 the move costs only 1: job 0 goes last.
    assert rules.nbr([6, 2, 2], [9, 9, 9]).tolist() == [1, 2, 0]


def test_nbr_never_worsens_edd():
    rng = np.random.default_rng(8)
    for _ in range(50):
        p, d = tiny(rng, most=12)
        edd = total_tardiness(rules.edd(p, d), p, d)
        assert total_tardiness(rules.nbr(p, d), p, d) <= edd
