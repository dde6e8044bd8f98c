# ruff: noqa: E402
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("gymnasium")

import hocket
from hocket.core.errors import IllegalDecision, NotApplicable, RunError, UserError
from hocket.core.load import load_policy
from hocket.learn.asking import Episode
from hocket.learn.collect import evaluate
from hocket.learn.env import Environment
from hocket.learn.models import Modelled, as_policy
from hocket.learn.network import Scores
from hocket.serving.asking import DispatchQuestions
from hocket.shop.asking import ShopQuestions
from hocket.shop.generate.taillard import Taillard
from hocket.shop.model.single import SingleJob, SingleMachine
from tests.learn.toys import Sequence1, jobs, untrained

SHOP = Taillard(jobs=4, machines=3).make(1)
ASKING = ShopQuestions()


def shortest(batch):
    """The score of each operation: short ones first. That is the rule SPT."""
    return -batch.tables["operations"][:, 0]


class Shortest(torch.nn.Module):
    """The same, as a module."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([-1.0, 0, 0, 0, 0, 0, 0]))

    def forward(self, batch):
        return batch.tables["operations"] @ self.weight


class Scored(Shortest):
    def forward(self, batch):
        return Scores(super().forward(batch))


class Predicting:
    """What a model of Stable-Baselines3 looks like from outside."""

    def __init__(self, space):
        self.observation_space = space
        self.asked = []

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        assert deterministic and observation in self.observation_space
        there = observation["operations_there"] > 0
        return np.where(there, observation["operations"][:, 0], np.inf).argmin(), None


class Masking(Predicting):
    def predict(
        self, observation, state=None, episode_start=None, deterministic=False, action_masks=None
    ):
        np.testing.assert_array_equal(action_masks, observation["mask"].astype(bool))
        return np.array(super().predict(observation, deterministic=deterministic)[0]), None


def models():
    space = Environment(SHOP, observation="padded", max_rows=6).observation_space
    return {
        "function": shortest,
        "module": Shortest(),
        "module with scores": Scored(),
        "predicting": Predicting(space),
        "masking": Masking(space),
    }


def spans(scenario, policy, seed=0):
    timeline = hocket.run(scenario, policy, seed=seed).timeline
    return [span._replace(reason="") for span in timeline.spans()]


@pytest.mark.parametrize("kind", models())
def test_a_model_that_goes_by_durations_is_the_rule_spt(kind):
    policy = as_policy(models()[kind], ASKING, label="mine")
    assert spans(SHOP, policy) == spans(SHOP, load_policy("shop/spt"))
    assert policy.name == "shop/questions" and str(policy) == "shop/questions + mine"


def test_models_are_compared_like_any_policy():
    study = hocket.compare([SHOP], [as_policy(Shortest(), ASKING), "shop/spt"], seeds=2)
    told = str(study)
    assert "Shortest-" in told


def test_a_network_that_was_trained_here_answers_as_in_training():
    policy, episodes = Sequence1(), [Episode(jobs(seed), 0) for seed in range(5)]
    network = untrained(policy)
    costs = [
        hocket.run(one.scenario, as_policy(network, policy)).metrics["weighted_flow_time"]
        for one in episodes
    ]
    assert costs == evaluate(policy, network, episodes).tolist()


def test_weights_tell_models_apart():
    one, other = Shortest(), Shortest()
    assert as_policy(one, ASKING) == as_policy(other, ASKING)
    with torch.no_grad():
        other.weight[0] = -2.0
    assert as_policy(one, ASKING) != as_policy(other, ASKING)
    assert as_policy(one, ASKING, label="a") != as_policy(one, ASKING, label="b")


def test_a_module_travels_to_other_processes():
    policy = as_policy(Shortest(), ASKING)
    arrived = pickle.loads(pickle.dumps(policy))
    assert arrived == policy
    assert spans(SHOP, arrived) == spans(SHOP, policy)


def test_what_cannot_travel_says_so():
    policy = as_policy(lambda batch: shortest(batch), ASKING, label="mine")
    with pytest.raises(UserError, match=r"mine cannot be sent to another process.*one worker"):
        pickle.dumps(policy)


def test_only_what_may_be_chosen_counts():
    space = Environment(SHOP, observation="padded").observation_space
    model = Predicting(space)
    model.predict = lambda observation, deterministic: (3, None)
    with pytest.raises(IllegalDecision, match="row 3 at time 0"):
        hocket.run(SHOP, as_policy(model, ASKING, label="stubborn"))


def test_scores_of_the_wrong_shape_or_not_finite():
    for wrong in (lambda batch: np.zeros(1), lambda batch: shortest(batch) * np.nan):
        with pytest.raises(RunError, match="scores"):
            hocket.run(SHOP, as_policy(wrong, ASKING, label="wrong"))


def test_what_is_no_model():
    with pytest.raises(UserError, match="a dict answers no questions"):
        as_policy({}, ASKING)
    with pytest.raises(UserError, match="give a label"):
        as_policy(shortest, ASKING)
    with pytest.raises(UserError, match="shop/spt puts no questions"):
        as_policy(Shortest(), "shop/spt")
    model = Predicting(Environment(SHOP).action_space)
    with pytest.raises(UserError, match=r"train it on.*padded"):
        as_policy(model, ASKING, label="other")
    with pytest.raises(UserError, match="no model: make it with"):
        hocket.run(SHOP, Modelled(model="lost", asking={"policy": "shop/questions"}))


def test_more_rows_than_a_model_has_seen():
    small = Environment(jobs(0, 3), observation="padded").observation_space
    with pytest.raises(UserError, match="4 rows in the table 'operations', more than max_rows, 3"):
        hocket.run(jobs(0, 4), as_policy(Predicting(small), ASKING, label="small"))


def test_a_model_for_another_problem():
    policy = as_policy(Shortest(), DispatchQuestions())
    with pytest.raises(NotApplicable, match="made for serving/cluster"):
        hocket.run(SHOP, policy)


def test_what_has_no_alternative_is_not_asked():
    alone = SingleMachine(jobs=(SingleJob(name="j", duration=3),))
    never = as_policy(lambda batch: 1 / 0, ASKING, label="never")
    assert hocket.run(alone, never).metrics["makespan"] == 3


def test_questions_alone_are_no_policy():
    with pytest.raises(UserError, match="as_policy"):
        hocket.run(SHOP, ASKING)
