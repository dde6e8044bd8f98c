import numpy as np
import pytest

from hocket.core.streams import Streams
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.policies.shortest import ShortestJobFirst, predictions
from hocket.serving.simulate.plain import PlainReplica
from hocket.serving.workload import Random, Rate, Separate
from hocket.serving.workload.lengths import Fixed, LogNormal
from tests.serving.simulate.stand import Stand, live


def scenario(count=200):
    lengths = Separate(prompt=Fixed(tokens=16), output=LogNormal(median=100, p90=500))
    return Cluster(workload=Random(count=count, lengths=lengths, arrivals=Rate(rate=1)))


def test_predictions_without_noise_are_the_lengths_that_the_run_draws():
    given = scenario()
    drawn = given.workload.draw(Streams(7), given.time_unit)
    assert list(predictions(given, 7, 0.0).values()) == drawn.output.tolist()


def test_the_noise_is_lognormal_unbiased_in_the_logarithm_and_grows_with_sigma():
    given = scenario(count=4000)
    true, noisy = (np.array(list(predictions(given, 3, s).values())) for s in (0.0, 0.5))
    error = np.log(noisy / true)
    assert abs(error.mean()) < 3 * 0.5 / np.sqrt(4000)
    assert error.std() == pytest.approx(0.5, rel=3 / np.sqrt(8000))
    assert np.allclose(
        np.log(np.array(list(predictions(given, 3, 1.0).values())) / true), 2 * error
    )


def test_a_request_has_one_prediction_wherever_it_goes_and_whatever_was_drawn_before():
    given, streams = scenario(), Streams(5)
    first = ShortestJobFirst(sigma=0.4).batcher(given, Pool(), streams.child("policy.a"))
    streams["policy.predictor"].random(100)
    streams["workload.output"].random(100)
    second = ShortestJobFirst(sigma=0.4).batcher(given, Pool(), streams.child("policy.b"))
    asked = live(3, 16, 5).request(0, 0)
    assert first.rank(asked) == second.rank(asked)


def test_the_shortest_goes_first_and_what_is_generated_counts():
    given = scenario(count=4)
    output = given.workload.draw(Streams(0), given.time_unit).output.tolist()
    batcher = ShortestJobFirst(seqs=1).batcher(given, Pool(), Streams(0))
    one = Stand(PlainReplica, Pool(kv_blocks=1000), batcher)
    one.run(*(live(i, 16, int(o)) for i, o in enumerate(output)))
    assert one.done == [f"r{i}" for i in np.argsort(output)]
    fresh, half = (batcher.rank(live(0, 16, 9).request(0, g)) for g in (0, 3))
    assert fresh[0] - half[0] == 3
