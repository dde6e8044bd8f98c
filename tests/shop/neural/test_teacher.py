import numpy as np
import pytest

from hocket.learn.asking import Episode, Question
from hocket.shop.generate import Taillard
from hocket.shop.neural.arena import ActiveSchedules
from hocket.shop.policies.neural import Neural
from hocket.shop.policies.plans import GifflerThompson
from hocket.shop.simulate.jobshop import simulate
from tests.shop.published import FT06, LA01
from tests.shop.simulate.cases import parse

pytest.importorskip("numba")


def taught(shops, seed=0) -> list[float]:
    """The makespans when the teacher answers all questions; lanes side by side are padded."""
    teachers = [Neural().teacher(Episode(shop, seed)) for shop in shops]
    arena = ActiveSchedules.of(shops)
    while (asked := arena.asked()) is not None:
        answers = [
            teachers[lane](Question(asked.batch.take([i])))
            for i, lane in enumerate(asked.lanes.tolist())
        ]
        arena.answer(np.array(answers))
    return arena.costs().tolist()


def test_the_teacher_builds_optimal_schedules_of_small_shops():
    assert taught([parse(FT06), parse(LA01)]) == [55, 666]


def test_the_teacher_is_far_better_than_a_rule_and_always_gives_the_same_lesson():
    shops = [Taillard(jobs=10, machines=10).make(seed) for seed in range(3)]
    ends = taught(shops)
    rule = [simulate(shop, GifflerThompson()).end for shop in shops]
    assert np.mean(ends) < 0.9 * np.mean(rule)
    assert taught(shops) == ends
