"""What admission by the peak promises, held against the simulator of clusters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.serving.cost import Constant
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.policies.admission import (
    Aggressive,
    Clairvoyant,
    Conservative,
    ShortestFirst,
)
from hocket.serving.policies.past_future import PastFuture
from hocket.serving.simulate.cluster import simulate
from hocket.serving.simulate.plain import PlainReplica
from hocket.serving.workload import ClosedLoop, Pairs
from hocket.testing import check_policy


def cluster(lengths, *, memory, block_size=1, clients=100, limit=None, count=None, replicas=1):
    prompt, output = zip(*lengths, strict=True)
    return Cluster(
        workload=ClosedLoop(
            count=count or len(lengths),
            clients=clients,
            lengths=Pairs(prompt=prompt, output=output),
            limit=limit,
        ),
        pools=(
            Pool(
                count=replicas,
                kv_blocks=memory // block_size,
                block_size=block_size,
                cost=Constant(seconds=0.01),
            ),
        ),
    )


def named(timeline, kind):
    return [point.group for point in timeline.points(kind)]


lengths = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 40)), min_size=1, max_size=25)


@settings(deadline=None, max_examples=60)
@given(
    lengths,
    st.integers(101, 400),
    st.sampled_from([1, 4, 16]),
    st.integers(1, 40),
    st.sampled_from([Clairvoyant, ShortestFirst]),
    st.integers(1, 12),
    st.sampled_from([20, 60, 18_000]),
    st.integers(0, 2**32),
)
def test_who_knows_the_lengths_never_preempts(
    lengths, memory, block_size, clients, kind, every, tokens, seed
):
    scenario = cluster(lengths, memory=memory, block_size=block_size, clients=clients, count=25)
    timeline = simulate(scenario, kind(every=every, tokens=tokens), seed=seed)
    assert named(timeline, "preempt") == []
    rejected = named(timeline, "reject")
    assert len(named(timeline, "finish")) == 25 - len(rejected)
    if memory // block_size * block_size > 100:
        assert rejected == []


@settings(deadline=None, max_examples=30)
@given(lengths, st.integers(101, 400), st.sampled_from([1, 4, 16]), st.integers(0, 2**32))
def test_who_counts_on_the_longest_answers_never_preempts(lengths, memory, block_size, seed):
    scenario = cluster(lengths, memory=memory, block_size=block_size, limit=40)
    timeline = simulate(scenario, Conservative(), seed=seed)
    assert named(timeline, "preempt") == []


def test_who_fills_memory_does_preempt():
    scenario = cluster([(20, 40)] * 10, memory=150)
    assert named(simulate(scenario, Aggressive(), seed=0), "preempt")
    assert named(simulate(scenario, Clairvoyant(), seed=0), "preempt") == []


@settings(deadline=None, max_examples=20)
@given(lengths, st.sampled_from([Clairvoyant, Conservative, PastFuture]))
def test_nobody_is_let_past_one_that_was_refused(lengths, kind):
    scenario = cluster(lengths, memory=160, limit=40, count=25)
    timeline = simulate(scenario, kind(), seed=0)
    begun = {}
    for span in timeline.spans("run"):
        begun.setdefault(span.group, span.start)
    times = [begun[f"r{i}"] for i in range(25)]
    assert times == sorted(times)


def test_past_future_learns_and_then_evicts_little():
    scenario = cluster([(30, 20), (10, 60), (50, 35)], memory=1500, count=600, limit=80)
    evicted = {
        policy: len(named(simulate(scenario, policy, seed=3), "preempt"))
        for policy in (Aggressive(), PastFuture(window=50, first=80))
    }
    aggressive, ours = evicted.values()
    assert ours < aggressive / 4


@settings(deadline=None, max_examples=25)
@given(
    lengths,
    st.integers(101, 400),
    st.sampled_from([1, 4, 16]),
    st.sampled_from(
        [PastFuture(window=10, first=20, every=3), PastFuture(window=10, batch=1), Aggressive()]
    ),
    st.integers(0, 2**32),
)
def test_leaping_over_iterations_changes_no_decision(lengths, memory, block_size, policy, seed):
    scenario = cluster(lengths, memory=memory, block_size=block_size, count=30)
    leaping = simulate(scenario, policy, seed=seed)
    stepping = simulate(scenario, policy, seed=seed, replica=PlainReplica)
    assert leaping.digest() == stepping.digest()


@pytest.mark.parametrize("kind", [PastFuture, ShortestFirst])
def test_they_keep_the_contract_of_policies(kind):
    scenario = cluster([(30, 20), (10, 60)], memory=256, block_size=16, count=40, replicas=2)
    check_policy(kind(), [scenario])
