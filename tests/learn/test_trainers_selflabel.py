# ruff: noqa: E402
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hocket.learn.asking import Episode
from hocket.learn.collect import evaluate
from hocket.learn.trainers.labels import replay
from hocket.learn.trainers.selflabel import SelfLabel
from tests.learn.toys import LAYERED, Bandit, Games, Play, Sequence1, jobs, least, train, untrained


def test_bandit():
    policy, bandit = Games(), Episode(Bandit((3.0, 1.0, 2.0)), 0)
    settings = SelfLabel(episodes=2, samples=8, learning_rate=0.1)
    learner, _ = train(policy, settings, [bandit], 20)
    assert evaluate(policy, untrained(policy), [bandit]) == [3.0]
    assert evaluate(policy, learner.network, [bandit]) == [1.0]


def test_shortest_path_from_costs_known_only_at_the_end():
    policy, way = Games(paid_at_end=True), Episode(LAYERED, 0)
    settings = SelfLabel(episodes=4, samples=8, learning_rate=0.1)
    learner, told = train(policy, settings, [way], 30)
    assert evaluate(policy, untrained(policy), [way]) == [10.0]
    assert evaluate(policy, learner.network, [way]) == [7.0]
    assert all(one["best"] <= one["cost"] for one in told)


def test_sequencing_generalises_to_jobs_never_seen():
    policy = Sequence1()
    tests = [Episode(jobs(seed), 0) for seed in range(1000, 1010)]
    best = sum(least(one.scenario) for one in tests)
    settings = SelfLabel(episodes=8, samples=16, learning_rate=0.02, minibatch=16)
    learner, _ = train(policy, settings, [Episode(jobs(seed), 0) for seed in range(120)], 15)
    assert evaluate(policy, untrained(policy), tests).sum() > 1.2 * best
    assert evaluate(policy, learner.network, tests).sum() < 1.02 * best


def test_the_best_sample_of_each_episode_is_found_and_costs_what_it_says():
    policy = Sequence1()
    episodes = [Episode(jobs(seed), 0) for seed in range(3)]
    settings = SelfLabel(episodes=3, samples=300, side_by_side=128)
    learner = settings.start(policy, untrained(policy))
    play = Play(policy, learner.network, np.random.default_rng(0))
    found = learner.search(episodes, play)
    assert [one.cost for one in found] == [least(one.scenario) for one in episodes]
    assert all(one.mean > one.cost for one in found)
    questions = replay(policy, episodes, [one.answers for one in found])
    assert questions.batch.size == len(questions.rows) == 3 * 4  # the last job is no question


@pytest.mark.parametrize("side_by_side", [1, 5, 1000])
def test_how_many_plays_are_under_way_changes_no_choice_of_the_best(side_by_side):
    policy, way = Games(), Episode(LAYERED, 0)
    settings = SelfLabel(episodes=2, samples=40, side_by_side=side_by_side)
    learner = settings.start(policy, untrained(policy))
    play = Play(policy, learner.network, np.random.default_rng(3))
    found = learner.search([way, way], play)
    assert [one.cost for one in found] == [7.0, 7.0]
    assert [len(one.answers) for one in found] == [3, 3]
