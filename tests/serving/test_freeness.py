from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.freeness import (
    artifact_cluster_freeness,
    available,
    block_load,
    dispatch_load,
    freeness,
    head_demand,
    headroom,
    migrate_load,
    queue_demand,
    virtual_usages,
)
from tests.serving.policies.loads import load, request

FOUR = request("four", prompt=60, generated=2)  # 62 tokens: 4 blocks
THREE = request("three", prompt=33, generated=1)  # 34 tokens: 3 blocks
LONG = request("long", prompt=100)  # waits for 7 blocks
SHORT = request("short", prompt=8)  # waits for half a block
URGENT = request("urgent", prompt=30, generated=2, priority=-1)  # 2 blocks


def test_freeness_counts_what_runs_and_what_waits_first():
    busy = load(running=[FOUR, THREE], waiting=[LONG, SHORT])
    assert head_demand(busy) == 7
    assert freeness(busy) == (100 - 4 - 3 - 7) / 2
    assert virtual_usages(busy) == [4, 3, 7, 0]


def test_freeness_may_be_negative():
    assert freeness(load(running=[FOUR, THREE], waiting=[LONG], blocks=9)) == (2 - 7) / 2


def test_a_preempted_request_demands_what_it_had_generated_too():
    assert head_demand(load(waiting=[request(prompt=16, generated=17)])) == 3


def test_an_idle_replica_is_infinitely_free_and_a_draining_one_not_at_all():
    assert freeness(load()) == inf
    assert freeness(load(draining=True)) == -inf
    assert virtual_usages(load(running=[FOUR], draining=True)) == [4, inf]
    assert freeness(load(waiting=[LONG])) == 93  # an empty batch divides by one


def test_headroom_is_memory_above_the_target_and_split_among_the_urgent():
    # 640 tokens are 40 blocks, so 60 of 100 must stay unused: 30 for each of the two.
    busy = load(running=[URGENT, FOUR, URGENT])
    assert headroom(busy, 640) == 60
    assert virtual_usages(busy, 640) == [32, 4, 32]
    assert freeness(busy, 640) == pytest.approx((100 - 32 - 4 - 32) / 3)
    assert freeness(busy, None) == pytest.approx((100 - 8) / 3)
    assert headroom(load(), 5000) == 0  # more than there is: nothing need stay unused


def test_head_room_is_there_for_the_urgent_and_the_first_of_them_claims_it():
    plain, mixed = load(running=[FOUR]), load(running=[FOUR, URGENT])
    assert freeness(plain, 640, urgent=True) == 96 - 60
    assert freeness(mixed, 640, urgent=True) == 94 / 2
    assert freeness(mixed, 640) == (94 - 60) / 2


def test_an_urgent_request_that_waits_claims_no_headroom():
    waiting = load(running=[FOUR], waiting=[request(prompt=16, priority=-1)])
    assert freeness(waiting, 640) == 100 - 4 - 1


@given(
    st.lists(
        st.builds(
            request,
            prompt=st.integers(1, 300),
            generated=st.integers(1, 300),
            priority=st.sampled_from([0, 0, -1, 1]),
        ),
        min_size=1,
    ),
    st.lists(st.builds(request, prompt=st.integers(1, 300)), max_size=3),
    st.integers(1, 3000),
)
def test_freeness_is_memory_less_virtual_usage_by_batch_size(running, waiting, target):
    busy = load(running=running, waiting=waiting, blocks=200)
    expected = (busy.blocks - sum(virtual_usages(busy, target))) / len(running)
    assert freeness(busy, target) == pytest.approx(expected)


def test_loads_of_the_artifact_by_hand():
    # 1 % of 200 blocks is the watermark, 2; the queue wants 108 tokens, 6.75 blocks.
    busy = load(running=[FOUR, THREE], waiting=[LONG, SHORT], blocks=200)
    assert available(busy) == 193 - 2
    assert queue_demand(busy) == 6.75
    assert migrate_load(busy) == -(191 - 6.75) / 3
    assert migrate_load(busy, defrag=False) == -191 / 2
    assert dispatch_load(busy) == -(191 - 6.75) / 4
    assert block_load(busy) == (7 + 6.75) / 200


def test_the_artifacts_reserve_sets_replicas_apart_for_the_urgent():
    plain = load(running=[FOUR], blocks=200)  # reserve for 1600 tokens: 100 blocks
    mixed = load(running=[FOUR, URGENT], blocks=200)
    assert dispatch_load(plain) == -194
    assert dispatch_load(plain, urgent=True) == -94
    assert dispatch_load(mixed) == -(200 - 6 - 2 - 100) / 2
    assert dispatch_load(mixed, urgent=True) == -(200 - 6 - 2) / 2
    assert migrate_load(mixed) == -(200 - 6 - 2 - 100) / 2
    assert migrate_load(plain) == -194
    assert migrate_load(mixed, target=None) == -96


def test_the_artifact_ranks_empty_replicas_lowest_and_draining_ones_highest():
    assert migrate_load(load()) == dispatch_load(load()) == -inf
    assert migrate_load(load(running=[FOUR], draining=True)) == inf


def test_the_artifacts_cluster_sums_before_it_divides():
    cluster = [load("a", running=[FOUR], waiting=[LONG]), load("b", running=[THREE])]
    left = (96 - 1 - 6.25) + (97 - 1)
    assert artifact_cluster_freeness(cluster) == left / 3
    assert artifact_cluster_freeness(cluster, without=100) == (left - 100) / 3
    assert artifact_cluster_freeness(cluster, extra=99) == (left + 99) / 3
    assert artifact_cluster_freeness([load()]) == inf
