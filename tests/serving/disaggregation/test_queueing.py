"""The closed forms: point checks, and both simulators with constant service."""

import numpy as np
import pytest

from hocket.core.errors import UserError
from hocket.serving.cost import Constant
from hocket.serving.disaggregation.instance import Instance
from hocket.serving.disaggregation.queueing import crossover, one_gpu, pipeline, tensor
from hocket.serving.disaggregation.ring import simulate
from hocket.serving.metrics import metrics
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.policies.vllm import VllmV0
from hocket.serving.simulate.cluster import simulate as run_cluster
from hocket.serving.workload import Fixed, Random, Rate, Separate
from tests.serving.disaggregation.cases import costs

SERVICE = 300.0  # ms


def test_point_checks():
    assert one_gpu(2.0, 0.3) == pytest.approx(0.5250, abs=5e-5)
    assert pipeline(2.0, 0.3) == pytest.approx(0.33214, abs=5e-6)
    assert tensor(2.0, 0.3, 1.7) == pytest.approx(0.22460, abs=5e-6)


@pytest.mark.parametrize(("speedup", "load"), [(1.5, 0.9361), (1.7, 1.2571), (1.9, 1.6257)])
def test_crossover(speedup, load):
    found = crossover(speedup)
    assert found == pytest.approx(load, abs=5e-5)
    assert tensor(found - 0.01, 1.0, speedup) < pipeline(found - 0.01, 1.0)
    assert tensor(found + 0.01, 1.0, speedup) > pipeline(found + 0.01, 1.0)


def test_replicas_share_the_rate_and_tensor_with_speedup_one_is_one_gpu():
    assert one_gpu(4.0, 0.3, replicas=2) == one_gpu(2.0, 0.3)
    assert tensor(2.0, 0.3, 1.0) == pytest.approx(one_gpu(2.0, 0.3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: one_gpu(4.0, 0.3),
        lambda: pipeline(7.0, 0.3),
        lambda: tensor(6.0, 0.3, 1.7),
        lambda: crossover(2.0),
        lambda: one_gpu(-1.0, 0.3),
    ],
)
def test_loads_without_a_mean_are_refused(call):
    with pytest.raises(UserError):
        call()


def ring_means(pp, service, rate, runs=20, n=4000):
    """Mean TTFT of independent runs, prompts of one token one at a time, in seconds.

    A rank takes ``a / pp + pp``, the first 2.0001 more; `a` is chosen so that the first, slowest
    stage takes ``service / pp``. Later stages then are 2.0001 ms shorter, which is added back.
    """
    overhead = pp + 2.0001
    exact = costs((service - pp * overhead, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 0.0, 0.0))
    instance = Instance(exact, pp=pp, tokens=1)
    rng = np.random.default_rng(7)
    means = []
    for _ in range(runs):
        arrival = np.cumsum(rng.exponential(1000.0 / rate, n))
        times = simulate(arrival, [1] * n, [0] * n, prefill=instance, decode=instance)
        means.append(times.ttft.mean() + (pp - 1) * 2.0001)
    return np.array(means) / 1000


@pytest.mark.parametrize(
    ("pp", "speedup", "rate", "form"),
    [
        (1, 1.0, 2.0, one_gpu(2.0, 0.3)),
        (2, 1.0, 2.0, pipeline(2.0, 0.3)),
        (2, 1.0, 5.0, pipeline(5.0, 0.3)),
        (1, 1.7, 2.0, tensor(2.0, 0.3, 1.7)),
        (1, 1.7, 4.0, tensor(4.0, 0.3, 1.7)),
    ],
)
def test_the_ring_simulator_agrees_with_the_closed_form(pp, speedup, rate, form):
    means = ring_means(pp, SERVICE / speedup, rate)
    error = means.std(ddof=1) / np.sqrt(len(means))
    assert abs(means.mean() - form) < 4 * error, (means.mean(), form, error)
    assert error < 0.03 * form


def cluster_mean(pp, seconds, rate, seed):
    """Mean TTFT of one-token prompts, one to an iteration, in the simulated engine, in seconds."""
    cluster = Cluster(
        workload=Random(
            count=4000,
            lengths=Separate(prompt=Fixed(tokens=1), output=Fixed(tokens=1)),
            arrivals=Rate(rate=rate),
        ),
        pools=(Pool(model="opt-13b", pp=pp, cost=Constant(seconds=seconds), kv_blocks=10**5),),
        gauge_every=0,
    )
    timeline = run_cluster(cluster, VllmV0(tokens=1), seed=seed)
    return metrics(cluster, timeline)["ttft_mean"]


@pytest.mark.parametrize(
    ("pp", "seconds", "rate", "form"),
    [(1, 0.3, 2.0, one_gpu(2.0, 0.3)), (2, 0.15, 4.0, pipeline(4.0, 0.3))],
)
def test_the_simulated_engine_agrees_with_the_closed_form(pp, seconds, rate, form):
    means = np.array([cluster_mean(pp, seconds, rate, seed) for seed in range(6)])
    error = means.std(ddof=1) / np.sqrt(len(means))
    assert abs(means.mean() - form) < 5 * error, (means.mean(), form, error)
    assert error < 0.03 * form
