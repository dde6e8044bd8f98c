# ruff: noqa: E402
from itertools import product

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hocket.core.errors import UserError
from hocket.learn.asking import Episode
from hocket.learn.collect import evaluate
from hocket.learn.rollout import Rollout, Step
from hocket.learn.trainers.reinforce import Reinforce
from hocket.learn.trainers.trajectories import of_others, to_go, trajectories
from tests.learn.toys import (
    LAYERED,
    Bandit,
    Games,
    Graph,
    Sequence1,
    expected_gradient,
    jobs,
    least,
    played,
    train,
    untrained,
)


def gradient_of(learner, rollout):
    """The gradient of one episode's mean loss, summed over its questions."""
    seen = trajectories(rollout)
    loss, _ = learner.loss(seen, learner.targets(seen), np.arange(len(seen.rows)))
    (found,) = torch.autograd.grad(loss, learner.network.logits.weight)
    return found[0].double().numpy() / len(rollout.costs)


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("baseline", ["none", "step", "time"])
def test_the_gradient_is_right_on_average_over_all_plays(baseline, at_end):
    policy = Games(paid_at_end=at_end)
    copies = 1 if baseline == "none" else 2
    settings = Reinforce(
        baseline=baseline, copies=copies, entropy=0, scale=False, unit=1, average="none"
    )
    learner = settings.start(policy, untrained(policy))
    torch.nn.init.normal_(learner.network.logits.weight)
    exact, probability = expected_gradient(learner.network.logits.weight[0], LAYERED)
    ways = LAYERED.ways()
    total = np.zeros(len(LAYERED.edges))
    for plays in product(range(len(ways)), repeat=copies):
        rollout = played(policy, [Episode(LAYERED, 0)] * copies, [ways[i] for i in plays])
        total += np.prod(probability[list(plays)]) * gradient_of(learner, rollout)
    np.testing.assert_allclose(total, exact, atol=1e-5)


def test_a_baseline_lowers_the_variance_of_the_gradient():
    policy, ways = Games(), LAYERED.ways()
    spread = {}
    for baseline in ("none", "step", "time"):
        settings = Reinforce(baseline=baseline, copies=2, entropy=0, scale=False, unit=1)
        learner = settings.start(policy, untrained(policy))
        _, probability = expected_gradient(learner.network.logits.weight[0], LAYERED)
        pairs = list(product(range(len(ways)), repeat=2))
        chance = np.array([probability[a] * probability[b] for a, b in pairs])
        found = np.array(
            [
                gradient_of(learner, played(policy, [Episode(LAYERED, 0)] * 2, [ways[a], ways[b]]))
                for a, b in pairs
            ]
        )
        spread[baseline] = chance @ ((found - chance @ found) ** 2).sum(1)
    assert spread["step"] < spread["none"] / 2
    assert spread["time"] < spread["none"] / 2


@pytest.mark.parametrize("baseline", ["none", "step", "time", "value"])
def test_shortest_path(baseline):
    policy, way = Games(has_values=baseline == "value"), Episode(LAYERED, 0)
    settings = Reinforce(episodes=4, copies=4, baseline=baseline, learning_rate=0.1)
    learner, _ = train(policy, settings, [way], 60)
    assert evaluate(policy, untrained(policy), [way]) == [10.0]
    assert evaluate(policy, learner.network, [way]) == [7.0]


def test_bandit_whose_first_arm_is_not_best():
    policy, bandit = Games(), Episode(Bandit((3.0, 1.0, 2.0)), 0)
    learner, told = train(policy, Reinforce(episodes=8, learning_rate=0.1), [bandit], 40)
    assert evaluate(policy, untrained(policy), [bandit]) == [3.0]
    assert evaluate(policy, learner.network, [bandit]) == [1.0]
    assert told[-1]["cost"] < told[0]["cost"]


@pytest.mark.parametrize("baseline", ["time", "value"])
def test_sequencing_generalises_to_jobs_never_seen(baseline):
    policy = Sequence1(has_values=baseline == "value")
    tests = [Episode(jobs(seed), 0) for seed in range(1000, 1010)]
    best = sum(least(one.scenario) for one in tests)
    settings = Reinforce(episodes=2, copies=8, baseline=baseline, learning_rate=0.05)
    learner, _ = train(policy, settings, [Episode(jobs(seed), 0) for seed in range(60)], 30)
    assert evaluate(policy, untrained(policy), tests).sum() > 1.1 * best
    assert evaluate(policy, learner.network, tests).sum() < 1.02 * best


def test_costs_count_only_as_far_as_they_exceed_the_moving_average():
    policy = Games()
    line = Graph(((0, 1, 4), (1, 2, 2), (2, 3, 6)))
    settings = Reinforce(average="time", window=2, baseline="none", scale=False, unit=1)
    learner = settings.start(policy, untrained(policy))
    seen = trajectories(played(policy, [Episode(line, 0)], [[0, 0, 0]]))
    assert seen.paid.tolist() == [4, 2, 6] and seen.waited.tolist() == [4, 2, 0]
    # 12 paid in 6 ticks: 2 a tick, so each question is charged less by twice what it waited.
    assert learner.targets(seen).returns.tolist() == [0.0, 4.0, 6.0]
    learner.recent = [(100.0, 1.0), (8.0, 4.0)]
    # The oldest update has left the window: (8 + 12) / (4 + 6) is 2 again.
    assert learner.targets(seen).returns.tolist() == [0.0, 4.0, 6.0]
    by_step = Reinforce(average="step", baseline="none", scale=False, unit=1)
    learner = by_step.start(policy, untrained(policy))
    assert learner.targets(seen).returns.tolist() == [0.0, 0.0, 2.0]


def test_discount_by_question_and_by_tick():
    policy = Games()
    line = Graph(((0, 1, 4), (1, 2, 2), (2, 3, 6)))
    seen = trajectories(played(policy, [Episode(line, 0)], [[0, 0, 0]]))
    for by, expected in (
        ("step", [4 + 0.5 * 2 + 0.25 * 6, 2 + 0.5 * 6, 6]),
        ("time", [4 + 0.5**4 * 2 + 0.5**6 * 6, 2 + 0.5**2 * 6, 6]),
    ):
        settings = Reinforce(discount=0.5, discount_by=by, baseline="none", scale=False, unit=1)
        learner = settings.start(policy, untrained(policy))
        assert learner.targets(seen).returns.tolist() == expected


def test_cost_to_go_without_discount_is_the_sum_of_the_rest():
    paid = np.arange(5.0)
    assert to_go(paid, np.ones(5)).tolist() == [10, 10, 9, 7, 4]


def test_the_baseline_of_a_time_is_the_mean_of_the_others_lines():
    rng = np.random.default_rng(0)
    times = [np.sort(rng.choice(100, n, replace=False)) for n in (5, 1, 9)]
    returns = [np.sort(rng.random(len(when)))[::-1] for when in times]
    found = of_others(returns, times)
    for i, when in enumerate(times):
        others = [np.interp(when, times[j], returns[j]) for j in range(3) if j != i]
        np.testing.assert_allclose(found[i], np.mean(others, axis=0))


def test_of_questions_at_one_instant_the_first_gives_the_cost_to_go():
    times = [np.array([0, 3, 3, 3]), np.array([3])]
    returns = [np.array([9.0, 6.0, 2.0, 1.0]), np.array([4.0])]
    first, second = of_others(returns, times)
    assert first.tolist() == [4.0] * 4 and second.tolist() == [6.0]


def test_by_step_the_others_are_asked_after_as_many_questions():
    policy = Games()
    ways = [[0, 0, 0], [1, 1, 0]]  # 0-2-4-6 is to pay 10, 9, 2, and 0-3-5-6 is to pay 7, 4, 1
    seen = trajectories(played(policy, [Episode(LAYERED, 0)] * 2, ways))
    learner = Reinforce(copies=2, scale=False, unit=1).start(policy, untrained(policy))
    excess = learner.targets(seen).excess
    assert [excess[numbers].tolist() for numbers in seen.episodes] == [[3, 5, 1], [-3, -5, -1]]


def test_copies_are_compared_with_each_other_only():
    policy = Games()
    cheap, dear = Episode(Bandit((1.0, 2.0)), 0), Episode(Bandit((100.0, 200.0)), 0)
    rollout = played(policy, [cheap, cheap, dear, dear], [[0], [1], [0], [1]])
    settings = Reinforce(copies=2, scale=False, unit=1)
    excess = settings.start(policy, untrained(policy)).targets(trajectories(rollout)).excess
    assert excess.tolist() == [-1.0, 1.0, -100.0, 100.0]
    alone = Reinforce(scale=False, unit=1).start(policy, untrained(policy))
    np.testing.assert_allclose(
        alone.targets(trajectories(rollout)).excess,
        [1 - 302 / 3, 2 - 301 / 3, 100 - 203 / 3, 200 - 103 / 3],
    )


def test_questions_may_go_through_the_network_in_parts():
    policy = Games()
    rollout = played(policy, [Episode(LAYERED, 0)] * 3, LAYERED.ways()[:3])
    found = []
    for at_once in (4096, 4):
        learner = Reinforce(at_once=at_once, max_grad_norm=0).start(policy, untrained(policy))
        told = learner.descend_on(rollout)
        found.append((learner.network.logits.weight.grad.numpy(), told["policy"], told["entropy"]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_bonus_for_entropy_moves_in_a_straight_line():
    settings = Reinforce(entropy=1.0, entropy_end=0.2, entropy_updates=4)
    assert [settings.bonus(n) for n in (0, 1, 2, 4, 9)] == pytest.approx([1, 0.8, 0.6, 0.2, 0.2])
    assert Reinforce(entropy=0.3).bonus(1000) == 0.3


def test_entropy_keeps_equal_arms_equal():
    policy, bandit = Games(), Episode(Bandit((1.0, 1.0)), 0)
    settings = Reinforce(episodes=8, learning_rate=0.1, entropy=0.5)
    learner = settings.start(policy, untrained(policy))
    torch.nn.init.normal_(learner.network.logits.weight, std=2.0)
    weights = learner.network.logits.weight.detach()
    before = float(weights[0, :2].diff().abs())
    rollout = played(policy, [bandit] * 2, [[0], [1]])
    for _ in range(60):
        learner.descend_on(rollout)
    assert float(weights[0, :2].diff().abs()) < before / 10


def test_episodes_that_ask_nothing_are_refused():
    learner = Reinforce().start(Games(), untrained(Games()))
    with pytest.raises(UserError, match="nothing to learn"):
        learner.descend_on(Rollout([], np.ones(2)))


def test_one_that_asks_nothing_among_others_changes_no_baseline():
    policy = Games()
    rollout = played(policy, [Episode(Bandit((1.0, 2.0)), 0)] * 2, [[0], [1]])
    step = rollout.steps[0]
    shifted = Step(step.lanes + 1, *step[1:])
    with_silent = Rollout([shifted], np.array([50.0, 1.0, 2.0]))
    learner = Reinforce(scale=False, unit=1).start(policy, untrained(policy))
    assert learner.targets(trajectories(with_silent)).excess.tolist() == [-1.0, 1.0]


def test_values_that_the_network_lacks():
    policy, way = Games(), Episode(LAYERED, 0)
    with pytest.raises(UserError, match="needs a network that gives values"):
        train(policy, Reinforce(baseline="value"), [way], 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"episodes": 0},
        {"discount": 0.0},
        {"discount": 1.5},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"schedule": "linear"},
        {"weight_decay": -1.0},
        {"unit": -1.0},
        {"episodes": 1, "copies": 1},
    ],
    ids=lambda wrong: " ".join(wrong),
)
def test_settings_that_cannot_train(wrong):
    with pytest.raises(ValueError, match=r"must be|needs"):
        Reinforce(**wrong)
