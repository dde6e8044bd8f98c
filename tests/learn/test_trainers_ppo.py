# ruff: noqa: E402
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hocket.core.errors import UserError
from hocket.learn.asking import Episode
from hocket.learn.collect import collect, evaluate
from hocket.learn.trainers.ppo import PPO
from hocket.learn.trainers.trajectories import advantages, trajectories
from tests.learn.toys import (
    LAYERED,
    Games,
    Sequence1,
    expected_gradient,
    jobs,
    least,
    played,
    train,
    untrained,
)


def test_advantages_against_the_double_sum():
    rng = np.random.default_rng(0)
    paid, values = rng.random(7), rng.random(7)
    discount, trace = 0.9, 0.8
    found, returns = advantages(paid, values, discount, trace)
    after = [*values[1:], 0.0]
    for k in range(7):
        terms = [
            (discount * trace) ** (n - k) * (paid[n] + discount * after[n] - values[n])
            for n in range(k, 7)
        ]
        assert found[k] == pytest.approx(sum(terms))
    np.testing.assert_allclose(returns, found + values)


def test_the_ends_of_the_trace():
    rng = np.random.default_rng(1)
    paid, values = rng.random(5), rng.random(5)
    whole, _ = advantages(paid, values, 1.0, 1.0)
    np.testing.assert_allclose(whole, np.cumsum(paid[::-1])[::-1] - values)
    one_step, _ = advantages(paid, values, 1.0, 0.0)
    np.testing.assert_allclose(one_step, paid + np.append(values[1:], 0.0) - values)


def test_shortest_path():
    policy, way = Games(has_values=True), Episode(LAYERED, 0)
    settings = PPO(episodes=16, learning_rate=0.1, minibatch=16)
    learner, _ = train(policy, settings, [way], 25)
    assert evaluate(policy, untrained(policy), [way]) == [10.0]
    assert evaluate(policy, learner.network, [way]) == [7.0]
    # The values approach what is still to come along the way, in units of the first update's cost.
    values = learner.network.values.weight[0].detach().numpy() * learner.unit
    np.testing.assert_allclose(values[[0, 3, 5]], [7, 4, 1], atol=1.5)


def test_sequencing_generalises_to_jobs_never_seen():
    policy = Sequence1(has_values=True)
    tests = [Episode(jobs(seed), 0) for seed in range(1000, 1010)]
    best = sum(least(one.scenario) for one in tests)
    settings = PPO(learning_rate=0.05, minibatch=32, max_kl=0.1, entropy=0, trace=1)
    learner, _ = train(policy, settings, [Episode(jobs(seed), 0) for seed in range(160)], 15)
    assert evaluate(policy, untrained(policy), tests).sum() > 1.1 * best
    assert evaluate(policy, learner.network, tests).sum() < 1.03 * best


def test_the_first_gradient_is_that_of_the_expected_cost():
    """Before the first step all ratios are 1, so the gradient is REINFORCE's with baseline."""
    policy = Games(has_values=True)
    settings = PPO(entropy=0, value_weight=0, trace=1.0, unit=1)
    learner = settings.start(policy, untrained(policy))
    weight = learner.network.logits.weight
    torch.nn.init.normal_(weight)
    exact, chance = expected_gradient(weight[0], LAYERED)
    total = np.zeros(len(exact))
    for way, probability in zip(LAYERED.ways(), chance, strict=True):
        rollout = played(policy, [Episode(LAYERED, 0)], [way])
        seen = trajectories(rollout)
        logs = seen.batch.tables["edges"] @ weight[0].detach().numpy()
        bounds = seen.batch.bounds
        probs = [
            torch.log_softmax(torch.tensor(logs[bounds[i] : bounds[i + 1]]), 0)[row]
            for i, row in enumerate(way)
        ]
        values = learner.network.values(torch.tensor(seen.batch.tables["node"]))[:, 0]
        seen = seen._replace(log_probs=np.array(probs, np.float32), values=values.detach().numpy())
        targets = learner.targets(seen, rollout)
        plain, _ = advantages(seen.paid, seen.values.astype(float), 1.0, 1.0)
        loss, told = learner.loss(seen, targets._replace(excess=plain), np.arange(3))
        assert told["kl"] == pytest.approx(0, abs=1e-6) and told["clipped"] == 0
        (found,) = torch.autograd.grad(loss, weight)
        total += probability * 3 * found[0].numpy()
    np.testing.assert_allclose(total, exact, atol=1e-5)


def moved(policy, learner, shift, excess):
    """The gradient of one question's loss after its answer's logit rose by `shift`."""
    rng = np.random.default_rng(0)
    rollout = collect(policy, learner.network, [Episode(LAYERED, 0)], rng)
    seen = trajectories(rollout)
    targets = learner.targets(seen, rollout)._replace(excess=np.full(3, excess))
    weight = learner.network.logits.weight
    chosen_edge = seen.batch.tables["edges"][seen.rows[0]].argmax()
    with torch.no_grad():
        weight[0, chosen_edge] += shift
    loss, told = learner.loss(seen, targets, np.array([0]))
    (gradient,) = torch.autograd.grad(loss, weight)
    return gradient[0, chosen_edge].item(), told


@pytest.mark.parametrize(
    ("shift", "excess", "stopped"),
    [(2.0, -1.0, True), (2.0, 1.0, False), (-2.0, 1.0, True), (-2.0, -1.0, False)],
)
def test_the_clip_stops_what_goes_too_far_and_lets_it_come_back(shift, excess, stopped):
    policy = Games(has_values=True)
    learner = PPO(entropy=0, value_weight=0).start(policy, untrained(policy))
    gradient, told = moved(policy, learner, shift, excess)
    assert told["clipped"] == 1.0
    assert (gradient == 0) == stopped
    if not stopped:
        assert np.sign(gradient) == np.sign(excess)


def test_the_update_ends_when_the_policy_has_moved_too_far():
    policy, way = Games(has_values=True), Episode(LAYERED, 0)
    _, free = train(policy, PPO(learning_rate=0.3, max_kl=0, epochs=20, minibatch=0), [way], 1)
    _, held = train(policy, PPO(learning_rate=0.3, max_kl=0.05, epochs=20, minibatch=0), [way], 1)
    assert free[0]["steps"] == 20
    assert 0 < held[0]["steps"] < 20
    assert held[0]["kl"] > 0.05


def test_values_that_the_network_lacks():
    with pytest.raises(UserError, match="needs a network that gives values"):
        train(Games(), PPO(), [Episode(LAYERED, 0)], 1)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"discount": 0.0}, {"trace": 1.1}, {"clip": 0.0}, {"max_kl": -1.0}],
    ids=lambda wrong: " ".join(wrong),
)
def test_settings_that_cannot_train(wrong):
    with pytest.raises(ValueError, match="must be"):
        PPO(**wrong)
