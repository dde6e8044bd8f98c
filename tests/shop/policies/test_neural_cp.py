import msgspec
import numpy as np
import pytest

from hocket.core.errors import InputError, NotApplicable, UserError
from hocket.core.policy import spec
from hocket.core.run import run
from hocket.core.streams import Streams
from hocket.learn.asking import best
from hocket.learn.weights import load, metadata, save
from hocket.shop.generate.disrupted import Disrupted
from hocket.shop.generate.random_shops import Blocking, Flexible, Setups
from hocket.shop.generate.single import PottsVanWassenhove
from hocket.shop.generate.taillard import Taillard
from hocket.shop.model import Job, JobShop, Machine, Operation
from hocket.shop.neural_cp import play
from hocket.shop.neural_cp.scenario import compiled
from hocket.shop.policies.neural_cp import NeuralCP
from hocket.testing import check_policy
from tests.shop.neural_cp.random_weights import random_weights


@pytest.fixture
def file(tmp_path):
    return str(save(tmp_path / "w.safetensors", random_weights(), metadata(NeuralCP())))


def test_it_keeps_what_every_policy_promises(file):
    report = check_policy(NeuralCP(weights=file, samples=3))
    assert any("runs" in check for check in report.checks)


@pytest.mark.parametrize("samples", [1, 4])
def test_the_shop_does_at_least_as_well_as_the_plan(file, samples):
    # Following the orders of a plan starts everything as early as they allow.
    shop = Taillard(jobs=6, machines=5).make(3)
    policy = NeuralCP(weights=file, samples=samples)
    arrays, rng = compiled(shop), Streams(0)["policy.neural-cp"]
    plan = play.sample(arrays, random_weights(), samples, rng) if samples > 1 else None
    plan = plan or play.greedy(arrays, random_weights())
    assert run(shop, policy).metrics["makespan"] <= plan.makespans.min()


def test_asked_one_by_one_it_decides_the_same(file):
    shop, policy = Taillard(jobs=7, machines=4).make(1), NeuralCP(weights=file)
    score, streams = policy.scorer(load(policy)), Streams(0)
    asked = policy.decider(shop, streams, lambda q: best(score(q.batch), q.batch))
    assert asked.order == policy.begin(shop, streams).order


def test_samples_depend_on_the_seed_and_greedy_does_not(file):
    shop = Taillard(jobs=8, machines=6).make(5)
    digests = {
        samples: {
            run(shop, NeuralCP(weights=file, samples=samples), seed).timeline.digest()
            for seed in range(4)
        }
        for samples in (1, 2)
    }
    assert len(digests[1]) == 1 and len(digests[2]) > 1


def test_it_plans_where_work_varies_and_machines_break(file):
    shop = Disrupted(jobs=6, machines=3, utilization=0, shifts=3).make(2)
    assert run(shop, NeuralCP(weights=file)).metrics["makespan"] > 0


def test_one_machine_is_a_job_shop_too(file):
    single = PottsVanWassenhove(jobs=6).make(1)
    found = run(single, NeuralCP(weights=file))
    assert found.metrics["makespan"] == sum(job.duration for job in single.jobs)


@pytest.mark.parametrize(
    "shop",
    [
        Setups(jobs=3, machines=2).make(0),
        Blocking(jobs=3, machines=2).make(0),
        Flexible(jobs=3, machines=4).make(0),
        Disrupted(jobs=3, machines=2).make(0),
    ],
    ids=["setups", "blocking", "flexible", "arrivals"],
)
def test_what_the_constraint_model_does_not_know_is_refused(file, shop):
    policy = NeuralCP(weights=file)
    assert "classic job shop" in policy.refuses(shop)
    for start in (
        lambda: policy.begin(shop, Streams(0)),
        lambda: policy.decider(shop, Streams(0), lambda question: 0),
    ):
        with pytest.raises(NotApplicable, match="classic job shop"):
            start()


def test_long_jobs_recirculation_and_no_duration_are_planned(file):
    def job(name, steps):
        return Job(
            name=name,
            operations=tuple(Operation(machine=f"m{m}", duration=d) for m, d in steps),
        )

    shop = JobShop(
        name="long",
        machines=tuple(Machine(name=f"m{m}") for m in range(3)),
        jobs=(
            job("long", [(i % 2, i % 5) for i in range(130)]),
            job("short", [(2, 0), (0, 7), (0, 0), (2, 1)]),
            job("alone", [(1, 400)]),
        ),
    )
    assert run(shop, NeuralCP(weights=file, samples=3)).metrics["makespan"] >= 400


def test_weights_fit_whatever_number_of_samples_is_drawn(file):
    assert spec(NeuralCP(weights=file, samples=2))["samples"] == 2
    assert load(NeuralCP(weights=file, samples=2)).keys() == random_weights().keys()


def test_weights_of_another_shape_are_refused_without_pytorch(tmp_path):
    weights = random_weights()
    weights["wait.outer.bias"] = np.zeros(2, np.float32)
    path = save(tmp_path / "w.safetensors", weights, metadata(NeuralCP()))
    with pytest.raises(UserError, match=r"wait.outer.bias is 1 in the network and 2"):
        NeuralCP(weights=str(path)).begin(Taillard(jobs=2, machines=2).make(0), Streams(0))


def test_weights_of_another_policy_are_refused(tmp_path):
    told = msgspec.structs.replace(metadata(NeuralCP()), policy="shop/neural")
    path = save(tmp_path / "w.safetensors", random_weights(), told)
    with pytest.raises(InputError, match="for shop/neural, not for shop/neural-cp"):
        NeuralCP(weights=str(path)).begin(Taillard(jobs=2, machines=2).make(0), Streams(0))


def test_no_samples_are_none():
    with pytest.raises(ValueError, match="at least 1"):
        NeuralCP(samples=0)
