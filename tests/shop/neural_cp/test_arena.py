import itertools

import numpy as np
import pytest

from hocket.core.errors import NotApplicable, UserError
from hocket.learn.asking import Episode, best
from hocket.shop.generate.disrupted import Disrupted
from hocket.shop.generate.random_shops import Setups
from hocket.shop.generate.taillard import Taillard
from hocket.shop.neural_cp import play
from hocket.shop.neural_cp.scenario import compiled
from hocket.shop.policies.neural_cp import NeuralCP
from tests.shop.neural_cp.random_weights import random_weights

SMALL, LARGE = Taillard(jobs=4, machines=3).make(1), Taillard(jobs=6, machines=4).make(2)


def finish(arena, answer):
    while (asked := arena.asked()) is not None:
        bounds = asked.batch.bounds
        masks = [asked.batch.mask[a:b] for a, b in itertools.pairwise(bounds)]
        assert all(mask.sum() > 1 for mask in masks)
        arena.answer(answer(asked, masks))
    return arena.costs()


def test_greedy_episodes_cost_what_the_greedy_schedule_takes():
    policy, weights = NeuralCP(), random_weights()
    score = policy.scorer(weights)

    def answer(asked, masks):
        return np.array(
            [best(score(q), q) for q in map(asked.batch.take, [[i] for i in range(len(masks))])]
        )

    episodes = [Episode(scenario, 0) for scenario in (SMALL, LARGE, SMALL, LARGE, LARGE)]
    costs = finish(policy.arena(episodes), answer)
    expected = [play.greedy(compiled(e.scenario), weights).makespans[0] for e in episodes]
    assert costs.tolist() == expected


def test_lanes_of_one_scenario_do_not_disturb_each_other():
    answers = {lane: np.random.default_rng(lane) for lane in range(4)}

    def answer(asked, masks):
        chosen = [
            answers[int(lane)].choice(np.flatnonzero(m))
            for lane, m in zip(asked.lanes, masks, strict=True)
        ]
        return np.array(chosen)

    together = finish(NeuralCP().arena([Episode(LARGE, 0)] * 4), answer)
    for lane in range(4):
        answers = {0: np.random.default_rng(lane)}
        assert finish(NeuralCP().arena([Episode(LARGE, 0)]), answer)[0] == together[lane]


def test_costs_are_unknown_before_the_end_and_answers_are_checked():
    arena = NeuralCP().arena([Episode(SMALL, 0)])
    assert np.isnan(arena.costs()).all()
    asked = arena.asked()
    forbidden = int(np.flatnonzero(~asked.batch.mask)[0])
    for rows in ([forbidden], [-1], [99], [0, 1]):
        with pytest.raises(UserError, match="answer each question"):
            arena.answer(np.array(rows))
    finish(arena, lambda asked, masks: np.array([mask.argmax() for mask in masks]))
    with pytest.raises(UserError, match="nothing is asked"):
        arena.answer(np.array([0]))


def test_what_the_policy_refuses_is_no_episode():
    with pytest.raises(NotApplicable, match="classic job shop"):
        NeuralCP().arena([Episode(Setups().make(0), 0)])
    assert (
        NeuralCP().arena([Episode(Disrupted(jobs=3, machines=2, utilization=0).make(0), 0)]).asked()
        is not None
    )
