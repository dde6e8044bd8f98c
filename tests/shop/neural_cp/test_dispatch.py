import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.shop.generate import bounds, named
from hocket.shop.neural_cp.dispatch import RULES, by_rule, randomised
from hocket.shop.neural_cp.scenario import compiled
from hocket.shop.search import Shop, violations
from tests.shop.neural_cp.literal import Engine, shops

KEYS = {
    "SPT": lambda engine, j: engine.jobs[j][engine.done[j]][1],
    "MWR": lambda engine, j: -sum(step[1] for step in engine.jobs[j][engine.done[j] :]),
    "MOR": lambda engine, j: engine.done[j] - len(engine.jobs[j]),
}


@given(shops(durations=(1, 6)), st.sampled_from(sorted(KEYS)))
@settings(max_examples=40)
def test_rules_choose_one_job_after_the_other_as_the_literal_engine_does(shop, rule):
    engine = Engine(shop)
    while any(engine.legal()):
        able = np.flatnonzero(engine.legal()[:-1])
        engine.one(min(able, key=lambda j: KEYS[rule](engine, j)))
    assert by_rule(shop, rule).best().tolist() == [t for job in engine.lower for t in job]


@pytest.mark.parametrize(
    ("rule", "makespan", "mean"),
    [("SPT", 1462, 25.9), ("MWR", 1491, 19.2), ("MOR", 1438, 20.5), ("FIFO", 1486, 23.9)],
)
def test_published_figures_of_the_rules(rule, makespan, mean):
    names = [f"ta{i:02}" for i in range(1, 11)]
    found = [by_rule(compiled(named(name)), rule).makespans[0] for name in names]
    gaps = [100 * (v / bounds(name).upper - 1) for v, name in zip(found, names, strict=True)]
    assert found[0] == makespan
    assert np.mean(gaps) == pytest.approx(mean, abs=0.05)


@given(shops(), st.sampled_from(sorted(RULES)), st.integers(0, 99))
@settings(max_examples=20)
def test_randomised_rules_make_schedules(shop, rule, seed):
    found = randomised(shop, rule, 3, np.random.default_rng(seed))
    for start, makespan in zip(found.start, found.makespans, strict=True):
        assert violations(shop, start) == []
        assert (start + shop.duration).max() == makespan


def test_each_rival_is_half_as_likely_as_the_one_before_it():
    # On machine 0 the rule wants jobs 2, 0, 1; job 3 is alone on machine 1 and no rival.
    shop = Shop.of([[(0, 5)], [(0, 7)], [(0, 3)], [(1, 1)]])
    found = randomised(shop, "SPT", 7000, np.random.default_rng(1))
    first = np.bincount(found.start[:, :3].argmin(axis=1), minlength=3) / 7000
    assert first == pytest.approx([2 / 7, 1 / 7, 4 / 7], abs=0.02)
    assert (found.start[:, 3] == 0).all()
