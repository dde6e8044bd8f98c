import numpy as np
import pytest

from hocket.core.streams import Streams
from hocket.serving.facts import engine_of
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.policies.shortest import ShortestJobFirst, predictions
from hocket.serving.roles.batching import Request
from hocket.serving.roles.facts import Engine
from hocket.serving.simulate.plain import PlainReplica
from hocket.serving.workload import Random, Rate, Separate
from hocket.serving.workload.lengths import Fixed, LogNormal
from tests.serving.simulate.stand import Stand, live


def scenario(count=200):
    lengths = Separate(prompt=Fixed(tokens=16), output=LogNormal(median=100, p90=500))
    return Cluster(workload=Random(count=count, lengths=lengths, arrivals=Rate(rate=1)))


def lengths(given, seed):
    return engine_of(given, Pool(), seed=seed).lengths()


def test_predictions_without_noise_are_the_lengths_that_the_run_draws():
    given = scenario()
    drawn = given.workload.draw(Streams(7), given.time_unit)
    assert list(predictions(lengths(given, 7), 7, 0.0).values()) == drawn.output.tolist()


def test_the_noise_is_lognormal_unbiased_in_the_logarithm_and_grows_with_sigma():
    given = scenario(count=4000)
    true, noisy = (
        np.array(list(predictions(lengths(given, 3), 3, s).values())) for s in (0.0, 0.5)
    )
    error = np.log(noisy / true)
    assert abs(error.mean()) < 3 * 0.5 / np.sqrt(4000)
    assert error.std() == pytest.approx(0.5, rel=3 / np.sqrt(8000))
    assert np.allclose(
        np.log(np.array(list(predictions(lengths(given, 3), 3, 1.0).values())) / true), 2 * error
    )


def test_a_request_has_one_prediction_wherever_it_goes_and_whatever_was_drawn_before():
    given, streams = scenario(), Streams(5)
    engine = engine_of(given, Pool(), seed=0)
    first = ShortestJobFirst(sigma=0.4).batcher(engine, streams.child("policy.a"))
    streams["policy.predictor"].random(100)
    streams["workload.output"].random(100)
    second = ShortestJobFirst(sigma=0.4).batcher(engine, streams.child("policy.b"))
    asked = live(3, 16, 5).request(0, 0)
    assert first.rank(asked) == second.rank(asked)


def test_the_shortest_goes_first_and_what_is_generated_counts():
    given = scenario(count=4)
    output = given.workload.draw(Streams(0), given.time_unit).output.tolist()
    batcher = ShortestJobFirst(seqs=1).batcher(engine_of(given, Pool(), seed=0), Streams(0))
    one = Stand(PlainReplica, Pool(kv_blocks=1000), batcher)
    one.run(*(live(i, 16, int(o)) for i, o in enumerate(output)))
    assert one.done == [f"r{i}" for i in np.argsort(output)]
    fresh, half = (batcher.rank(live(0, 16, 9).request(0, g)) for g in (0, 3))
    assert fresh[0] - half[0] == 3


def test_what_the_sender_expects_goes_before_what_an_oracle_knows():
    given = scenario(count=4)
    batcher = ShortestJobFirst().batcher(engine_of(given, Pool()), Streams(0))
    asked = live(3, 16, 5).request(0, 0)
    assert batcher.rank(asked._replace(expected=7)) == (7, asked.arrival)
    assert batcher.rank(asked._replace(expected=7, generated=3)) == (4, asked.arrival)


def test_where_nobody_knows_the_tenants_past_is_the_prediction_and_before_it_the_limit():
    batcher = ShortestJobFirst(window=2).batcher(Engine(lengths=None), Streams(0))
    asked = Request(id="a", arrival=5, prompt=16, limit=50, tenant="x")
    assert batcher.rank(asked) == (50, 5)
    for generated in (90, 10, 20):
        batcher.finished(asked._replace(generated=generated))
    assert batcher.rank(asked) == (15, 5)
    assert batcher.rank(asked._replace(limit=12)) == (12, 5)
    assert batcher.rank(asked._replace(tenant="y")) == (50, 5)
