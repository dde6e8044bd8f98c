import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ortools")

from hocket.learn.asking import Episode  # noqa: E402
from hocket.learn.collect import collect  # noqa: E402
from hocket.learn.loop import train  # noqa: E402
from hocket.learn.weights import of, read  # noqa: E402
from hocket.shop.generate.taillard import Taillard  # noqa: E402
from hocket.shop.neural_cp import play  # noqa: E402
from hocket.shop.neural_cp.completion import replay  # noqa: E402
from hocket.shop.neural_cp.scenario import compiled  # noqa: E402
from hocket.shop.neural_cp.training import (  # noqa: E402
    Completion,
    Example,
    between_extremes,
    standard,
)
from hocket.shop.policies.neural_cp import NeuralCP  # noqa: E402

POLICY = NeuralCP()
TINY = Completion(
    instances=2, episodes=3, effort=1.0, epochs=3, batches=4, total_updates=4, learning_rate=1e-3
)
SHOP = Taillard(jobs=4, machines=4)
TWO = (SHOP.make(1), SHOP.make(2))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def learner(seed=0, settings=TINY):
    torch.manual_seed(seed)
    return settings.start(POLICY, POLICY.network())


def updated(subject, updates=1, seed=0, scenarios=TWO):
    rng = np.random.default_rng(seed)
    told = {}
    for _ in range(updates):
        told = subject.update(
            lambda count: [Episode(scenarios[i % len(scenarios)], i) for i in range(count)],
            lambda episodes: collect(POLICY, subject.network, episodes, rng),
            rng,
        )
    return told


def test_the_defaults_are_those_of_the_paper():
    settings = Completion()
    assert (settings.learning_rate, settings.schedule, settings.total_updates) == (
        2e-4,
        "linear",
        100,
    )
    assert (settings.clip, settings.epochs, settings.batches, settings.kl_limit) == (
        0.3,
        20,
        20,
        0.01,
    )
    assert (settings.effort, settings.max_grad_norm, settings.weight_decay) == (160.0, 0.0, 0.0)
    assert learner().optimiser.defaults["eps"] == 1e-5


@pytest.mark.parametrize(
    "wrong",
    [{"instances": 0}, {"effort": -1.0}, {"clip": 1.0}, {"kl_limit": 0.0}, {"learning_rate": 0.0}],
    ids=str,
)
def test_settings_that_cannot_train_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Completion(**wrong)


def test_an_update_tells_what_the_solver_improved():
    told = updated(learner())
    assert told["completed"] < told["makespan"]
    assert 0 < told["improvement"] < 1
    assert told["learning_rate"] == 1e-3
    assert 1 <= told["ending_epochs"] <= 3


def test_an_action_with_an_advantage_becomes_more_likely_and_its_alternatives_less():
    subject = learner(settings=Completion(epochs=10, batches=1, kl_limit=10.0, learning_rate=1e-2))
    shop = compiled(SHOP.make(3))
    (moments,), _ = _some(shop)
    moment = moments[0]
    legal = np.flatnonzero(moment.batch.mask)
    good, bad = int(legal[0]), int(legal[1])
    before = subject._log_probs([moment])
    assert np.exp(before[0][legal]).sum() == pytest.approx(1, abs=1e-5)
    subject._improve(
        [moment],
        before,
        [Example(0, good, 1.0), Example(0, bad, -1.0)],
        np.random.default_rng(0),
    )
    after = subject._log_probs([moment])
    assert after[0][good] > before[0][good] and after[0][bad] < before[0][bad]
    # Clipped: nothing pulls once the ratio has left 1 ± 0.3, so it cannot go far beyond.
    assert after[0][good] - before[0][good] < np.log(1.3) + 0.3


def _some(shop):
    """The moments of an episode that always takes the first choice."""
    taken = []

    def first(question):
        legal = np.flatnonzero(question.batch.mask)
        if len(legal) > 1:
            taken.append(int(legal[0]))
        return int(legal[0])

    play.ask(shop, first)
    return replay(shop, [np.array(taken)])


def test_divergence_ends_the_passes():
    rng = np.random.default_rng(0)
    (moments,), _ = _some(compiled(SHOP.make(3)))
    examples = [Example(i, m.actions[0], 1.0) for i, m in enumerate(moments)]
    for limit, passes in ((1e-9, 1.0), (1e9, 7.0)):
        subject = learner(
            settings=Completion(epochs=7, batches=2, kl_limit=limit, learning_rate=1e-2)
        )
        told = subject._improve(moments, subject._log_probs(moments), examples, rng)
        assert told["epochs"] == passes


def test_without_any_difference_nothing_is_learnt():
    subject = learner()
    before = of(subject.network)
    single = Taillard(jobs=1, machines=4).make(0)  # one job: the solver cannot do better
    told = updated(subject, scenarios=(single,))
    assert told["learning_rate"] == 1e-3 and told.get("improvement", 0.0) == 0
    assert all((before[name] == value).all() for name, value in of(subject.network).items())


def test_advantages_are_scaled_within_the_instance():
    values = np.array([1.0, 3.0, 2.0])
    assert between_extremes(values) == pytest.approx([0, 1, 0.5])
    assert standard(values) == pytest.approx([-(1.5**0.5), 1.5**0.5, 0])
    assert between_extremes(np.ones(3)).tolist() == standard(np.ones(3)).tolist() == [0, 0, 0]


def test_several_solvers_at_a_time_change_nothing():
    one, two = learner(), learner(settings=Completion(**_fields(TINY, solvers=2)))
    assert updated(one) == updated(two)
    first, second = of(one.network), of(two.network)
    assert all((first[name] == second[name]).all() for name in first)


def _fields(settings, **changed):
    return {name: getattr(settings, name) for name in settings.__struct_fields__} | changed


def test_a_learner_that_is_restored_goes_on_bit_by_bit():
    whole, half = learner(), learner()
    updated(whole, 1, seed=1)
    updated(half, 1, seed=1)
    other = learner(seed=9)
    other.network.load_state_dict(half.network.state_dict())
    other.restore(half.state())
    assert updated(whole, 2, seed=2) == updated(other, 2, seed=2)
    first, second = of(whole.network), of(other.network)
    assert all((first[name] == second[name]).all() for name in first)


def test_an_interrupted_update_did_not_happen(monkeypatch):
    subject = learner()
    updated(subject)
    before, state = of(subject.network), subject.updates

    def interrupted(*args):
        raise KeyboardInterrupt

    improve, calls = subject._improve, []

    def twice(*args):
        calls.append(improve(*args))
        return interrupted() if len(calls) == 2 else calls[-1]

    monkeypatch.setattr(subject, "_improve", twice)
    with pytest.raises(KeyboardInterrupt):
        updated(subject)
    assert subject.updates == state
    assert all((before[name] == value).all() for name, value in of(subject.network).items())


def test_a_stopped_training_resumes_to_the_same_bits(tmp_path):
    def go(name, updates, resume=False):
        out = tmp_path / name
        train(
            POLICY,
            [SHOP],
            out=out,
            updates=updates,
            trainer=TINY,
            validation_episodes=2,
            resume=resume,
        )
        return read(out)[0]

    whole = go("whole.safetensors", 3)
    go("parts.safetensors", 1)
    parts = go("parts.safetensors", 3, resume=True)
    assert all((whole[name] == parts[name]).all() for name in whole)


def test_the_policy_comes_with_this_trainer():
    assert POLICY.trainer() == Completion()
