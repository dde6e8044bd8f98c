import pytest

from hocket.core.errors import HocketError
from hocket.core.load import load_policy
from hocket.core.streams import Streams
from hocket.serving.policies.llumnix_scaling import LlumnixScaling
from hocket.serving.roles.facts import Fleet
from tests.serving.policies.loads import View, load, request
from tests.serving.policies.test_llumnix import crowd

SECOND = 1_000_000


def scaler(**fields):
    return LlumnixScaling(**fields).scaler(Fleet(), Streams(0))


def asked(decider, loads, seconds):
    return [scale for now in seconds for scale in decider.scale(View(loads, now=now * SECOND))]


def test_the_paper_adds_after_staying_below_the_band():
    full = [crowd("a", 95), crowd("b", 99)]
    decider = scaler()
    assert decider.period == SECOND
    assert not asked(decider, full, range(10))
    (order,) = asked(decider, full, [10])
    assert (order.add, order.drain, order.pool) == (1, "", "pool")
    assert "0.75 below 10" in order.reason
    assert not asked(decider, full, range(11, 20))  # the wait starts anew
    assert asked(decider, full, [20])


def test_a_moment_inside_the_band_starts_the_wait_anew():
    decider = scaler()
    assert not asked(decider, [crowd("a", 99)], range(9))
    assert not asked(decider, [crowd("a", 20)], [9])
    assert not asked(decider, [crowd("a", 99)], range(10, 20))
    assert asked(decider, [crowd("a", 99)], [20])


def test_the_paper_drains_the_replica_with_fewest_requests():
    free = [crowd("a", 2, n=1), load("b"), crowd("c", 3, n=1)]
    (order,) = asked(scaler(), free, [0, 10])
    assert (order.add, order.drain) == (0, "b")


def test_one_that_drains_counts_neither_in_the_mean_nor_twice():
    loads = [crowd("a", 2, n=1), load("b", draining=True)]
    assert not asked(scaler(), loads, [0, 10])  # a is the last one that stays
    (order,) = asked(scaler(), [*loads, crowd("c", 9, n=1)], [0, 10])
    assert order.drain == "c"  # of a and c, with equally many, the last


def test_replicas_about_to_start_count_against_the_most():
    full = [crowd("a", 99), crowd("b", 99)]
    decider = scaler(most=3)
    assert len(asked(decider, full, range(50))) == 1
    grown = [*full, crowd("c", 99)]
    assert not asked(decider, grown, range(50, 90))


def test_taking_back_a_drain_waits_for_no_new_replica():
    full = [crowd("a", 99), load("b", draining=True)]
    decider = scaler(most=3)
    assert asked(decider, full, [0, 10])[0].add == 1
    taken_back = [crowd("a", 99), crowd("b", 99)]
    assert asked(decider, taken_back, [11, 22])[0].add == 1


def test_the_artifact_adds_what_is_missing_at_once():
    # 8 requests and 2 + 4 blocks left of two replicas, less two watermarks of one block each:
    # a freeness of 10 takes 76 more, which one empty replica of 99 brings, and 20 takes 156.
    full = [crowd("a", 98), crowd("b", 96)]
    assert not asked(scaler(mode="artifact"), full, [109])
    assert asked(scaler(mode="artifact"), full, [110])[0].add == 1
    assert asked(scaler(mode="artifact", low=20), full, [110])[0].add == 2
    assert asked(scaler(mode="artifact", low=20, most=3), full, [110])[0].add == 1


def test_the_artifact_does_not_order_twice_what_is_on_its_way():
    full = [crowd("a", 98), crowd("b", 96)]
    decider = scaler(mode="artifact", low=20)
    assert asked(decider, full, [110])[0].add == 2
    assert not asked(decider, full, [120])
    # One has come, full at once: 12 requests would need (20 x 12 - 5) / 99, so 3, and 1 is to come.
    assert asked(decider, [*full, crowd("c", 98)], [130])[0].add == 2


def test_the_artifact_drains_the_last_if_the_rest_stays_free():
    one = request(prompt=15, generated=1)
    free = [load("a", running=[one]), load("b", running=[one])]
    decider = scaler(mode="artifact", high=40)
    # (99 + 99 - 2 - 100) / 2 = 48 without the last one's blocks.
    assert asked(decider, free, [110])[0].drain == "b"
    assert not asked(scaler(mode="artifact", high=48), free, [110])
    assert not asked(decider, [*free, load("c", draining=True)], [120])  # one at a time
    assert not asked(scaler(mode="artifact", high=40, least=2), free, [110])


def test_prefill_replicas_are_left_as_they_are():
    assert not asked(scaler(), [load("a", role="prefill"), crowd("b", 20)], range(40))


def test_a_band_needs_a_width():
    with pytest.raises(HocketError, match="above low"):
        load_policy("serving/llumnix-scaling", low=10, high=10)
    with pytest.raises(HocketError, match="least"):
        load_policy("serving/llumnix-scaling", least=5, most=4)
