import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.errors import UserError
from hocket.learn.batch import join
from hocket.shop.neural_cp.environment import Environment
from hocket.shop.neural_cp.forward import SHAPES, checked, logits, sinusoids
from hocket.shop.neural_cp.observation import observe
from hocket.shop.neural_cp.questions import to_batch, to_observations
from hocket.shop.policies.neural_cp import NeuralCP
from hocket.shop.search import Shop
from tests.shop.neural_cp.literal import shops
from tests.shop.neural_cp.random_weights import random_weights


def seen_along(shop, lanes, rng):
    world = Environment(shop, lanes)
    while not world.finished.all():
        yield observe(world)
        world.act(np.argsort(rng.random((lanes, shop.jobs + 1)), axis=1))


def test_it_has_as_many_weights_as_the_paper_says():
    assert sum(int(np.prod(shape)) for shape in SHAPES.values()) == 2442


@given(shops(jobs=6), st.integers(0, 2**32))
@settings(max_examples=25)
def test_pytorch_and_numpy_agree_on_ragged_batches(shop, seed):
    torch = pytest.importorskip("torch")
    from hocket.learn.network import scorer, tensors

    policy, weights = NeuralCP(), random_weights(seed % 100)
    rng = np.random.default_rng(seed)
    other = Shop.of([[(0, 3), (1, 2)], [(1, 4), (0, 1)], [(0, 2)]])
    batches = [to_batch(seen) for one in (shop, other) for seen in seen_along(one, 2, rng)]
    batch = join(batches)
    ours = policy.scorer(weights)(batch)
    network = policy.network()
    theirs = scorer(network, weights)(batch)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    assert sum(p.numel() for p in network.parameters()) == 2442
    with torch.no_grad():
        assert network(tensors(batch)).values is None


def test_questions_do_not_look_at_each_other():
    weights, score = random_weights(), NeuralCP().scorer(random_weights())
    shop = Shop.of([[(0, 3), (1, 2)], [(1, 4), (0, 1)], [(0, 2)]])
    for seen in seen_along(shop, 3, np.random.default_rng(1)):
        batch = to_batch(seen)
        one_by_one = [score(batch.take([lane])) for lane in range(3)]
        np.testing.assert_allclose(
            logits(weights, seen).ravel(), np.concatenate(one_by_one), rtol=1e-5, atol=1e-5
        )


def test_observations_survive_being_questions():
    shop = Shop.of([[(0, 3), (1, 2), (0, 0)], [(1, 4), (0, 1)], [(0, 2)]])
    for seen in seen_along(shop, 2, np.random.default_rng(2)):
        (again,) = to_observations(to_batch(seen))
        for before, after in zip(seen, again, strict=True):
            assert before.dtype == after.dtype and (before == after).all()


def test_a_job_sees_its_rivals_and_nobody_else():
    weights = random_weights()
    # Jobs 0 and 1 want machine 0, job 2 machine 1: job 2's window concerns neither score.
    near, far = (
        observe(Environment(Shop.of([[(0, 3)], [(0, 4)], [(1, n), (1, 9 - n)]]))) for n in (2, 7)
    )
    far = far._replace(intervals=near.intervals.copy())
    far.intervals[0, 2, :, 1:3] += 1
    a, b = logits(weights, near)[0], logits(weights, far)[0]
    np.testing.assert_allclose(a[:2], b[:2], rtol=1e-6)
    assert abs(a[2] - b[2]) > 1e-3 and abs(a[3] - b[3]) > 1e-4
    far.intervals[0, 1, :, 1:3] += 1
    assert abs(a[0] - logits(weights, far)[0, 0]) > 1e-4


def test_positions_are_sines_and_cosines():
    table = sinusoids()
    assert table.shape == (100, 8)
    assert table[0].tolist() == [0, 1] * 4
    assert table[3, 0] == pytest.approx(np.sin(3)) and table[50, 7] == pytest.approx(np.cos(0.05))


def test_weights_of_another_network_are_refused_with_their_names():
    weights = random_weights()
    weights["extra"] = weights.pop("tokens.weight")
    weights["project.bias"] = np.zeros(9, np.float32)
    with pytest.raises(UserError, match=r"tokens.weight is missing; extra is unknown"):
        checked(weights)
