import numpy as np
import pytest

from hocket.core.streams import Streams
from hocket.serving.policies.dispatch import (
    POLICIES,
    CacheAware,
    Freeness,
    Infaas,
    LeastKv,
    LeastOutstanding,
    PowerOfTwo,
    Random,
    RoundRobin,
)
from hocket.serving.roles.facts import Fleet
from tests.serving.policies.loads import View, load, replicas, request


def sender(policy, seed=0):
    return policy.dispatcher(Fleet(), Streams(seed))


def sent(policy, view, asked=None):
    return sender(policy).dispatch(view, asked or request()).replica


@pytest.mark.parametrize("kind", POLICIES, ids=lambda kind: kind.name)
def test_every_rule_names_one_of_the_replicas_and_says_why(kind):
    for count in (1, 2, 5):
        view = View(replicas(count))
        dispatcher = sender(kind())
        for _ in range(7):
            decision = dispatcher.dispatch(view, request())
            assert decision.replica in {load.replica for load in view.loads}
            assert decision.reason


def test_round_robin_goes_round_whoever_comes_and_goes():
    turns = sender(RoundRobin())
    view = View(replicas(3))
    assert [turns.dispatch(view, request()).replica for _ in range(4)] == list("abca")
    fewer = View(replicas(2))
    assert {turns.dispatch(fewer, request()).replica for _ in range(2)} == set("ab")


def test_by_fewest_sent_a_replica_that_starts_late_catches_up():
    view = View([load("a", dispatched=9), load("b", dispatched=7), load("c", dispatched=8)])
    assert sent(RoundRobin(fewest=True), view) == "b"


def test_random_gives_each_replica_its_share_and_repeats_by_seed():
    def drawn(seed):
        dispatcher = sender(Random(), seed)
        return [dispatcher.dispatch(View(replicas(4)), request()).replica for _ in range(4000)]

    assert drawn(1) == drawn(1) != drawn(2)
    shares = np.unique(drawn(1), return_counts=True)[1]
    assert len(shares) == 4
    assert (np.abs(shares - 1000) < 5 * (4000 * 0.25 * 0.75) ** 0.5).all()


def test_least_outstanding_by_requests_and_by_tokens():
    view = View(replicas(3), ahead={"a": 3, "b": 1, "c": 1}, tokens={"a": 5, "b": 90, "c": 7})
    assert sent(LeastOutstanding(), view) == "b"
    assert sent(LeastOutstanding(unit="tokens"), view) == "a"


def test_two_choices_avoid_the_fullest_replica_whenever_they_draw_another():
    view = View(replicas(3), ahead={"a": 0, "b": 5, "c": 9})
    dispatcher = sender(PowerOfTwo())
    seen = [dispatcher.dispatch(view, request()).replica for _ in range(3000)]
    assert "c" not in seen
    # a is in two of the three pairs, and wins both.
    assert abs(seen.count("a") - 2000) < 5 * (3000 * 2 / 9) ** 0.5


def test_as_many_choices_as_replicas_are_least_outstanding():
    view = View(replicas(4), ahead={"a": 4, "b": 3, "c": 2, "d": 3})
    assert {sent(PowerOfTwo(choices=9), view) for _ in range(5)} == {"c"}


def test_least_kv_goes_by_share_not_by_blocks():
    view = View([load("a", blocks=100, free=40), load("b", blocks=400, free=200)])
    assert sent(LeastKv(), view) == "b"


def test_infaas_counts_what_the_queue_demands():
    queue = [request(prompt=400)]
    view = View([load("a", waiting=queue, free=90), load("b", free=80)])
    assert sent(LeastKv(), view) == "a"
    assert sent(Infaas(), view) == "b"


def test_the_artifacts_infaas_is_its_own_dispatch():
    one = load("a", running=[request(generated=1, prompt=640)], dispatched=1)
    many = load("b", running=[request(generated=1)] * 4, dispatched=1)
    view = View([one, many])
    assert sent(Infaas(mode="artifact"), view) == sent(Freeness(mode="artifact"), view) == "a"
    assert sent(Infaas(), view) == "b"


def test_freeness_takes_the_freest_and_among_equals_the_one_with_fewest():
    view = View([load("a", running=[request(generated=1)]), *replicas(3)[1:]], ahead={"b": 1})
    assert sent(Freeness(), view) == "c"


def test_the_artifact_goes_round_until_every_replica_has_been_sent_one():
    fresh = View([load("a"), load("b", dispatched=1)])
    dispatcher = sender(Freeness(mode="artifact"))
    assert [dispatcher.dispatch(fresh, request()).replica for _ in range(3)] == list("aba")
    warm = View([load("a", running=[request(generated=1)], dispatched=1), load("b", dispatched=1)])
    assert dispatcher.dispatch(warm, request()).replica == "b"
    joined = View([load("a", running=[request(generated=1)], dispatched=1), load("c")])
    assert dispatcher.dispatch(joined, request()).replica == "c"  # free: no second round


def test_the_artifact_sets_replicas_apart_for_the_urgent():
    plain = load("a", running=[request(generated=1)] * 2, blocks=200, dispatched=1)
    mixed = load("b", running=[request(generated=1, priority=-1)] * 3, blocks=200, dispatched=1)
    view = View([plain, mixed])
    assert sent(Freeness(mode="artifact"), view, request()) == "a"
    assert sent(Freeness(mode="artifact"), view, request(priority=-1)) == "b"


def test_cache_aware_follows_the_prefix_until_loads_drift_apart():
    held = {"b": 60, "c": 100}
    view = View(replicas(3), ahead={"a": 0, "b": 1, "c": 30}, held=held)
    asked = request(prompt=100)
    assert sent(CacheAware(), view, asked) == "c"
    assert sent(CacheAware(penalty=2.0), view, asked) == "b"
    assert sent(CacheAware(most_apart=29), view, asked) == "a"
    assert sent(CacheAware(), view, request(prompt=1000)) == "a"
