import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.learn.asking import best
from hocket.shop.neural_cp import play
from hocket.shop.neural_cp.environment import Environment
from hocket.shop.neural_cp.forward import logits
from hocket.shop.neural_cp.observation import observe
from hocket.shop.policies.neural_cp import NeuralCP
from hocket.shop.search import Shop, violations
from tests.shop.neural_cp.literal import Engine, shops
from tests.shop.neural_cp.random_weights import random_weights


@given(shops(), st.integers(0, 99))
@settings(max_examples=40)
def test_asked_action_by_action_the_schedule_is_the_same(shop, seed):
    weights = random_weights(seed)
    score = NeuralCP().scorer(weights)
    asked = play.ask(shop, lambda question: best(score(question.batch), question.batch))
    found = play.greedy(shop, weights)
    assert asked.tolist() == found.best().tolist()
    assert violations(shop, asked) == []
    assert found.makespans[0] == (asked + shop.duration).max()


@given(shops(), st.integers(0, 99))
@settings(max_examples=30)
def test_greedy_is_the_literal_engine_acting_in_the_order_of_the_scores(shop, seed):
    weights, engine, world = random_weights(seed), Engine(shop), Environment(shop)
    while not world.finished[0]:
        scores = logits(weights, observe(world))[0]
        engine.step(np.argsort(-scores, kind="stable"))
        world.act(np.argsort(np.argsort(-scores, kind="stable"))[None])
    assert engine.now == 2**30
    assert (np.concatenate(engine.lower) == play.greedy(shop, weights).best()).all()


def test_the_temperatures_are_those_of_the_released_code():
    assert play.temperatures(32)[[0, 1, 31]].tolist() == [0.5, 0.546875, 1.953125]
    assert len(play.temperatures(7)) == 7


def test_samples_are_drawn_without_replacement_from_the_softmax():
    # Three jobs on one machine: the first two of each order are drawn as Plackett and Luce say.
    shop = Shop.of([[(0, 5)], [(0, 7)], [(0, 9)]])
    weights = random_weights(3)
    scores = logits(weights, observe(Environment(shop)))[0, :3]
    drawn = play._sample(shop, weights, np.full(6000, 1, np.float32), np.random.default_rng(4))
    first = drawn.start.argmin(axis=1)
    share = np.bincount(first, minlength=3) / len(first)
    expected = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(share, expected, atol=0.03)


def test_the_same_seed_draws_the_same_and_large_shops_are_drawn_in_parts(monkeypatch):
    shop = Shop.of([[(i % 3, i + 1), ((i + 1) % 3, 4)] for i in range(5)])
    weights = random_weights(5)
    one, again = (play.sample(shop, weights, 9, np.random.default_rng(6)) for _ in range(2))
    assert (one.start == again.start).all() and len(one.makespans) == 9
    assert all(violations(shop, start) == [] for start in one.start)
    monkeypatch.setattr(play, "LARGEST", 20)
    parts = play.sample(shop, weights, 9, np.random.default_rng(6))
    first = play._sample(shop, weights, play.temperatures(9)[:4], np.random.default_rng(6))
    assert (parts.start[:4] == first.start).all() and len(parts.makespans) == 9
    assert all(violations(shop, start) == [] for start in parts.start)


def test_the_best_is_the_first_of_the_shortest():
    found = play.Schedules(np.array([[0, 9], [0, 3], [1, 3]]), np.array([9, 4, 4]))
    assert found.best().tolist() == [0, 3]


@pytest.mark.parametrize("lanes", [1, 5])
def test_one_job_or_one_machine_is_enough(lanes):
    for shop in (Shop.of([[(0, 2), (1, 3), (0, 1)]]), Shop.of([[(0, d)] for d in (3, 1, 2)])):
        found = play.sample(shop, random_weights(), lanes, np.random.default_rng(0))
        assert set(found.makespans.tolist()) == {6}
