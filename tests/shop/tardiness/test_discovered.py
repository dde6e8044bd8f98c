import numpy as np
import pytest
from hypothesis import given, settings

from hocket.core.errors import UserError
from hocket.shop.generate.potts import potts_van_wassenhove
from hocket.shop.tardiness import rules
from hocket.shop.tardiness.discovered import eddc, mddc
from hocket.shop.tardiness.objective import total_tardiness
from tests.shop.tardiness.cases import SIX_D, SIX_P, brute_force, instances


def eddc_by_steps(p, d):
    order = sorted(range(len(p)), key=lambda j: (p[j], d[j]))
    for i in range(1, len(order)):
        j = i
        while j > 0 and d[order[j]] < d[order[j - 1]]:
            if d[order[j - 1]] > sum(p[k] for k in order[:j]):
                order[j], order[j - 1] = order[j - 1], order[j]
            j -= 1
    return order


def mddc_by_formula(p, d):
    waiting = sorted(range(len(p)), key=lambda j: (d[j], p[j]))
    now, order = 0, []
    while waiting:
        longest = max(p[j] for j in waiting)
        mean = sum(p[j] for j in waiting) / len(waiting)
        index = {}
        for j in waiting:
            rho = min(p[j] / ((now + longest) or 1), 1)
            theta = rho**2 / (1 + rho**2)
            mu = max(1.1 * p[j] + now, d[j]) * (1 + theta)
            index[j] = mu + p[j] / ((now + mean) or 1)
        job = min(waiting, key=index.__getitem__)
        order.append(job)
        waiting.remove(job)
        now += p[job]
    return order


def test_mddc_on_the_paper_example():
    order = mddc(SIX_P, SIX_D)
    assert order.tolist() == [3, 5, 2, 0, 1, 4]
    assert total_tardiness(order, SIX_P, SIX_D) == 141 == brute_force(SIX_P, SIX_D)


@given(instances())
@settings(max_examples=100, deadline=None)
def test_equal_to_the_text_step_by_step(jobs):
    p, d = jobs
    assert eddc(p, d).tolist() == eddc_by_steps(p, d)
    assert sorted(mddc(p, d).tolist()) == list(range(len(p)))


@pytest.mark.parametrize("seed", range(20))
def test_mddc_equals_the_formula(seed):
    # On drawn instances, whose indices do not tie: the formula may round otherwise than the arrays.
    rng = np.random.default_rng(seed)
    p, d = potts_van_wassenhove(30, 0.4, 0.6, rng)
    assert mddc(p, d).tolist() == mddc_by_formula(p.tolist(), d.tolist())


def test_the_paper_version_of_eddc_is_edd():
    rng = np.random.default_rng(9)
    p, d = potts_van_wassenhove(20, 0.6, 0.6, rng)
    assert eddc(p, d, version="paper").tolist() == rules.edd(p, d).tolist()
    assert eddc(p, d).tolist() != rules.edd(p, d).tolist()


def test_eddc_has_two_versions():
    with pytest.raises(UserError, match="'code' and 'paper'"):
        eddc([1], [1], version="other")


def test_jobs_of_no_length():
    assert mddc([0, 0, 0], [3, 1, 2]).tolist() == [1, 2, 0]
    assert eddc([0, 0, 0], [3, 1, 2]).tolist() == [1, 2, 0]
