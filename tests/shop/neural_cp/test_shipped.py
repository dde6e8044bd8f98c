"""The weights that come with hocket, on instances that they were neither trained nor chosen on."""

import numpy as np
import pytest

from hocket.core import stats
from hocket.learn.weights import load, shipped
from hocket.shop.generate.taillard import Taillard
from hocket.shop.neural_cp.dispatch import RULES, by_rule
from hocket.shop.neural_cp.forward import SHAPES, checked
from hocket.shop.neural_cp.play import sample
from hocket.shop.neural_cp.scenario import compiled
from hocket.shop.policies.neural_cp import NeuralCP

SEEDS = range(16)


@pytest.fixture(scope="module")
def shops():
    return [compiled(Taillard(jobs=15, machines=15).make(seed)) for seed in SEEDS]


@pytest.fixture(scope="module")
def best(shops):
    return np.array([shortest(shop, load(NeuralCP()), seed) for seed, shop in enumerate(shops)])


def shortest(shop, weights, seed):
    return int(sample(shop, checked(weights), 32, np.random.default_rng(seed)).makespans.min())


def percent(ours, theirs):
    return stats.mean(100 * (ours / np.array(theirs) - 1))


def test_the_best_of_32_beats_choices_at_random_by_far(shops, best):
    nothing = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
    random = [shortest(shop, nothing, seed) for seed, shop in enumerate(shops)]
    assert percent(best, random).high < -5


def test_the_best_of_32_beats_every_static_rule(shops, best):
    for rule in RULES:
        assert percent(best, [by_rule(shop, rule).makespans[0] for shop in shops]).high < 0, rule


def test_they_are_small_and_come_with_their_curve():
    file = shipped(NeuralCP())
    assert file.stat().st_size < 20_000
    assert file.with_suffix(".csv").read_text().startswith("update,seconds,")
