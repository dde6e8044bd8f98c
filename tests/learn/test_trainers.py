# ruff: noqa: E402
"""What holds for every trainer."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hocket.core.errors import RunError
from hocket.learn import checkpoint
from hocket.learn.asking import Episode
from hocket.learn.checkpoint import Checkpoint
from hocket.learn.collect import collect
from hocket.learn.trainers import TRAINERS
from hocket.learn.trainers.gradient import GradientTrainer, minibatches
from tests.learn.test_trainers_imitate import WithWay
from tests.learn.toys import LAYERED, more, played, train, untrained

WAY = Episode(LAYERED, 0)
POLICY = WithWay(has_values=True)
SETTINGS = {
    "reinforce": {"average": "time", "entropy_updates": 5, "copies": 2, "baseline": "time"},
    "ppo": {"minibatch": 8},
    "imitate": {"beta": 0.9, "beta_decay": 0.5, "minibatch": 8},
    "self-labelling": {"samples": 4, "minibatch": 8},
}


def settings(name, **other):
    shared = {"episodes": 4, "learning_rate": 0.05, "schedule": "cosine", "total_updates": 8}
    return TRAINERS[name](**shared, **SETTINGS[name], **other)


def weights(learner):
    return {name: value.clone() for name, value in learner.network.state_dict().items()}


def same(one, other):
    """Whether two states are equal to the last bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return one == other


def test_every_trainer_is_listed_and_says_what_it_is():
    assert list(TRAINERS) == ["reinforce", "ppo", "imitate", "self-labelling"]
    for kind in TRAINERS.values():
        assert kind.source and kind.__doc__


@pytest.mark.parametrize("name", TRAINERS)
def test_a_resumed_training_goes_on_to_the_bit(name, tmp_path):
    whole, told = train(POLICY, settings(name), [WAY], 6)

    first, _ = train(POLICY, settings(name), [WAY], 0)
    rng = np.random.default_rng(0)
    more(POLICY, first, [WAY], 3, rng)
    kept = Checkpoint(
        settings={},
        weights=weights(first),
        learner=first.state(),
        generator={},
        torch={},
        counters={},
    )
    more(POLICY, first, [WAY], 1, np.random.default_rng(9))  # what is kept must not move with it
    read = checkpoint.load(checkpoint.save(tmp_path / "kept.safetensors", kept), {})

    network = untrained(POLICY, seed=5)
    network.load_state_dict({name: torch.as_tensor(value) for name, value in read.weights.items()})
    second = settings(name).start(POLICY, network)
    second.restore(read.learner)
    assert more(POLICY, second, [WAY], 3, rng) == told[3:]
    assert same(weights(second), weights(whole))
    assert same(second.state(), whole.state())


@pytest.mark.parametrize("name", TRAINERS)
def test_the_same_seed_trains_the_same_and_another_does_not(name):
    found = [weights(train(POLICY, settings(name), [WAY], 3, seed)[0]) for seed in (1, 1, 2)]
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("steps_before", [0, 1])
@pytest.mark.parametrize("name", TRAINERS)
def test_an_interrupted_update_leaves_no_trace(name, steps_before, monkeypatch):
    learner, _ = train(POLICY, settings(name), [WAY], 2)
    kept_weights, kept_state = weights(learner), learner.state()
    step, left = learner.step, [steps_before]

    def interrupted():
        if not left[0]:
            step()
            raise Interrupted
        left[0] -= 1
        return step()

    monkeypatch.setattr(learner, "step", interrupted)
    if name == "reinforce" and steps_before:
        left[0] = 0  # it takes one step an update
    with pytest.raises(Interrupted):
        more(POLICY, learner, [WAY], 1, np.random.default_rng(0))
    assert same(weights(learner), kept_weights)
    assert same(learner.state(), kept_state)


@pytest.mark.parametrize("name", TRAINERS)
def test_states_hold_only_what_can_be_saved(name):
    learner, _ = train(POLICY, settings(name), [WAY], 1)

    def check(value):
        if isinstance(value, dict):
            assert all(isinstance(key, str) for key in value)
            for inner in value.values():
                check(inner)
        elif isinstance(value, list):
            assert all(isinstance(one, int | float) for one in value)
        else:
            assert isinstance(value, torch.Tensor | np.ndarray | int | float | str)

    check(learner.state())


@pytest.mark.parametrize("name", TRAINERS)
def test_what_is_told_is_finite(name):
    _, told = train(POLICY, settings(name), [WAY], 2)
    assert all(math.isfinite(value) for one in told for value in one.values())
    assert {"cost", "learning_rate", "grad_norm"} <= told[0].keys()


def test_schedules():
    constant = GradientTrainer(learning_rate=0.1)
    linear = GradientTrainer(learning_rate=0.1, schedule="linear", total_updates=10)
    cosine = GradientTrainer(learning_rate=0.1, schedule="cosine", total_updates=10)
    assert constant.rate(10**6) == 0.1
    assert [linear.rate(n) for n in (0, 5, 10, 11)] == pytest.approx([0.1, 0.05, 0, 0])
    assert [cosine.rate(n) for n in (0, 5, 10, 11)] == pytest.approx([0.1, 0.05, 0, 0])
    assert cosine.rate(1) > linear.rate(1) and cosine.rate(9) < linear.rate(9)


def test_the_schedule_reaches_the_optimiser():
    _, told = train(POLICY, settings("reinforce"), [WAY], 9)
    assert told[0]["learning_rate"] == 0.05
    assert told[4]["learning_rate"] == pytest.approx(0.025)
    learner, _ = train(POLICY, settings("reinforce"), [WAY], 8)
    before = weights(learner)
    more(POLICY, learner, [WAY], 1, np.random.default_rng(0))
    assert same(weights(learner), before)  # the rate has reached 0


def test_long_gradients_are_shortened():
    rollout = played(POLICY, [WAY] * 2, [[0, 0, 0], [1, 1, 0]])
    lengths = []
    for limit in (0.0, 1e-3):
        learner = settings("reinforce", max_grad_norm=limit).start(POLICY, untrained(POLICY))
        told = learner.descend_on(rollout)
        gradients = [p.grad.flatten() for p in learner.network.parameters() if p.grad is not None]
        lengths.append(float(torch.cat(gradients).norm()))
        assert told["grad_norm"] > 0.1
    assert lengths[0] > 0.1
    assert lengths[1] == pytest.approx(1e-3, rel=1e-3)


def test_weights_decay():
    policy = WithWay()
    learner = settings("reinforce", weight_decay=0.1).start(policy, untrained(policy))
    weight = learner.network.logits.weight
    with torch.no_grad():
        weight.fill_(1.0)
    bandit_edges = 3  # only the edges that leave node 0 are ever asked about
    rollout = played(policy, [WAY] * 2, [[0, 0, 0], [0, 0, 0]])
    learner.descend_on(rollout)
    unasked = weight.detach()[0, bandit_edges]
    assert unasked == pytest.approx(1 - 0.05 * 0.1)


def test_a_gradient_that_is_not_finite_is_no_step():
    learner = settings("reinforce").start(POLICY, untrained(POLICY))
    before = weights(learner)
    with pytest.raises(RunError, match="not finite"):
        learner.descend(learner.network.logits.weight.sum() * math.inf)
    assert same(weights(learner), before)


@pytest.mark.parametrize(("count", "size"), [(10, 3), (10, 0), (3, 10), (12, 4)])
def test_minibatches_hold_everything_once(count, size):
    parts = list(minibatches(count, size, np.random.default_rng(0)))
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))
    assert not size or max(map(len, parts)) <= size
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("name", TRAINERS)
def test_the_expected_device_is_the_networks(name):
    learner = settings(name).start(POLICY, untrained(POLICY))
    assert learner.device == torch.device("cpu")
    more(POLICY, learner, [WAY], 1, np.random.default_rng(0))
    assert collect(POLICY, learner.network, [WAY], np.random.default_rng(0)).costs[0] >= 7
