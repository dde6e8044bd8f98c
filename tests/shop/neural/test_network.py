# ruff: noqa: E402
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from hocket.core.errors import UserError
from hocket.learn import weights
from hocket.learn.batch import question
from hocket.learn.collect import evaluate
from hocket.learn.loop import train
from hocket.learn.network import tensors
from hocket.learn.supply import fixed
from hocket.shop.generate import Taillard
from hocket.shop.neural.arena import ActiveSchedules
from hocket.shop.neural.forward import Forward, shapes
from hocket.shop.neural.network import Pointer
from hocket.shop.policies.neural import Neural
from tests.shop.neural.works import classic


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_numpy_and_pytorch_give_the_same_scores(seed, width):
    torch.manual_seed(seed)
    network, rng = Pointer(width, 5), np.random.default_rng(seed)
    forward = Forward(weights.of(network))
    arena = ActiveSchedules([classic(rng, 5, 3), classic(rng, 3, 4), classic(rng, 8, 2)])
    for _ in range(4):
        asked = arena.asked()
        with torch.inference_mode():
            logits = network(tensors(asked.batch)).logits.numpy()
        np.testing.assert_allclose(forward(asked.batch), logits, rtol=1e-4, atol=1e-5)
        arena.answer(np.zeros(len(asked.lanes), np.int64))


def test_the_shapes_are_those_of_the_network():
    assert {name: w.shape for name, w in weights.of(Pointer(7, 3)).items()} == shapes(7, 3)
    with pytest.raises(UserError, match=r"do not fit: glance\.weight is missing"):
        Forward({"extra": np.zeros(3)})


def test_a_rivals_score_depends_on_who_it_is_up_against_and_not_on_the_next_question():
    torch.manual_seed(1)
    network, rng = Pointer(), np.random.default_rng(1)
    arena = ActiveSchedules([classic(rng, 6, 2), classic(rng, 6, 2)])
    batch = arena.asked().batch
    score = Forward(weights.of(network))
    both = score(batch)
    np.testing.assert_allclose(both[: batch.bounds[1]], score(batch.take([0])), atol=1e-5)
    one = batch.take([0])
    each = len(one.tables["machines"]) // len(one.mask)
    fewer = question(
        {"rivals": one.tables["rivals"][:-1], "machines": one.tables["machines"][:-each]},
        actions="rivals",
    )
    assert np.abs(score(fewer) - both[: batch.bounds[1] - 1]).max() > 1e-3


def test_a_short_training_improves_on_shops_never_seen(tmp_path):
    policy, source = Neural(), Taillard(jobs=6, machines=6)
    out = tmp_path / "small.safetensors"
    settings = policy.trainer()
    quick = type(settings)(episodes=8, samples=16, minibatch=64, learning_rate=5e-3)
    found = train(policy, [source], out=out, updates=6, trainer=quick, validation_episodes=32)
    # The seeds from 0 on are neither for training nor for validation.
    tests = [type(e)(source.make(seed), seed) for seed, e in enumerate(fixed([source], 40))]
    torch.manual_seed(0)
    before = evaluate(policy, policy.network(), tests)
    network = policy.network()
    weights.fit(network, weights.load(found.policy))
    after = evaluate(policy, network, tests)
    gain = (before - after) / before
    assert gain.mean() - 2 * gain.std() / len(gain) ** 0.5 > 0.05
