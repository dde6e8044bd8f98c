"""Sarathi-Serve's rules (section 4.2 and Algorithm 3 of the paper), iteration by iteration."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.errors import UserError
from hocket.core.streams import Streams
from hocket.serving.budget import token_budget
from hocket.serving.cost import Constant
from hocket.serving.facts import engine_of
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.policies.sarathi import Sarathi
from hocket.serving.roles.facts import Engine, Targets
from hocket.serving.simulate.plain import PlainReplica
from hocket.serving.workload import Random, Rate, Separate
from hocket.serving.workload.lengths import Fixed
from tests.serving.simulate.stand import Stand, live


def stand(policy, blocks=1000):
    return Stand(PlainReplica, Pool(kv_blocks=blocks), policy.batcher(Engine(), Streams(0)))


def test_a_budget_of_512_is_filled_exactly():
    # 1. the decodes, 2. the prompts under way, 3. the queue, each with what is left of 512.
    one = stand(Sarathi(tokens=512))
    one.run(
        live(0, 100, 6),
        live(1, 1000, 1, arrival=1),
        live(2, 30, 1, arrival=2),
        live(3, 400, 1, arrival=3),
    )
    assert one.cost.seen == [
        (((100, 0),), 0, 0),
        (((511, 0),), 1, 100),
        (((489, 511), (22, 0)), 1, 101),
        (((8, 22), (400, 0)), 1, 102),
        ((), 1, 103),
        ((), 1, 104),
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(4, 40),
    st.lists(
        st.tuples(st.integers(1, 90), st.integers(1, 12), st.integers(0, 80)),
        min_size=1,
        max_size=12,
    ),
)
def test_no_iteration_exceeds_the_budget_and_no_decode_is_ever_left_out(tokens, drawn):
    one = stand(Sarathi(tokens=tokens, seqs=4))
    requests = [live(i, p, o, arrival=t) for i, (p, o, t) in enumerate(drawn)]
    timeline = one.run(*sorted(requests, key=lambda request: request.arrival))
    for prefill, decodes, _ in one.cost.seen:
        assert decodes + sum(chunk for chunk, _ in prefill) <= tokens
    # Stall-free: with memory for all, every gap between two tokens is one iteration.
    assert {t.value for t in timeline.tallies("gap")} <= {10}
    computed = sum(chunk for prefill, _, _ in one.cost.seen for chunk, _ in prefill)
    assert computed == sum(request.prompt for request in requests)
    assert len(one.done) == len(requests)


def test_memory_for_a_whole_prompt_is_taken_at_admission():
    one = stand(Sarathi(tokens=16), blocks=10)
    one.send(live(0, 64, 2), live(1, 100, 1))
    one.kernel.run(until=1)
    assert one.replica.memory.used == 4 and len(one.replica.waiting()) == 1


def test_the_last_admitted_is_recomputed_from_the_front_of_the_queue():
    one = stand(Sarathi(tokens=64, watermark=0), blocks=4)
    timeline = one.run(live(0, 32, 3), live(1, 32, 3), live(2, 16, 1, arrival=1))
    (point,) = timeline.points("preempt")
    assert (point.group, point.name, point.reason) == ("r1", "recompute 1", "memory for r0")
    assert one.cost.seen[3] == (((33, 0), (16, 0)), 0, 0)  # r1 with its token, then r2


def test_the_ablations_drop_one_of_the_two_ideas():
    requests = [(0, 100, 3), (1, 1000, 1, 1)]
    hybrid = stand(Sarathi(tokens=2048))
    hybrid.run(*(live(*request) for request in requests))
    assert hybrid.cost.seen[1] == (((1000, 0),), 1, 100)
    chunked = stand(Sarathi(tokens=512, mixed=False))
    chunked.run(*(live(*request) for request in requests))
    assert chunked.cost.seen == [
        (((100, 0),), 0, 0),
        ((), 1, 100),
        (((512, 0),), 0, 0),
        ((), 1, 101),
        (((488, 512),), 0, 0),
    ]


def test_a_prompt_that_may_not_be_cut_waits_for_a_budget_that_it_fits():
    one = stand(Sarathi(tokens=512, chunked=False))
    one.run(live(0, 100, 4), live(1, 500, 1))
    assert one.cost.seen[:2] == [(((100, 0),), 0, 0), (((500, 0),), 1, 100)]


def scenario(slo):
    lengths = Separate(prompt=Fixed(tokens=100), output=Fixed(tokens=10))
    workload = Random(count=10, lengths=lengths, arrivals=Rate(rate=1))
    return Cluster(workload=workload, pools=(Pool(),), slo=slo)


def test_auto_takes_the_largest_budget_that_meets_the_target():
    for gap in (0.03, 0.1, 0.5):
        given = scenario(Slo(gap=round(gap * 1e6)))
        pool = given.pools[0]
        batcher = Sarathi(tokens="auto").batcher(engine_of(given, pool), Streams(0))
        assert batcher.limits.tokens == token_budget(pool.cost.model(pool), gap)
    strict = Sarathi(tokens="auto").batcher(
        engine_of(scenario(Slo(gap=50_000)), Pool()), Streams(0)
    )
    relaxed = Sarathi(tokens="auto").batcher(
        engine_of(scenario(Slo(gap=250_000)), Pool()), Streams(0)
    )
    assert strict.limits.tokens < relaxed.limits.tokens


def test_auto_counts_the_stages_of_a_pipeline_and_no_more_decodes_than_may_run():
    pool = Pool(cost=Constant(seconds=0.02), pp=2)
    given = scenario(Slo(tpot=41_000))
    assert Sarathi(tokens="auto").batcher(engine_of(given, pool), Streams(0)).limits.tokens == 8192
    given = scenario(Slo(tpot=39_000))
    assert Sarathi(tokens="auto").batcher(engine_of(given, pool), Streams(0)).limits.tokens == 128


def test_auto_without_a_target_is_refused_with_the_field_to_set():
    assert "slo.gap" in Sarathi(tokens="auto").refuses(scenario(Slo()))
    assert Sarathi(tokens="auto").refuses(scenario(Slo(tpot=1000))) == ""
    assert Sarathi(tokens=512).refuses(scenario(Slo())) == ""
    assert math.isclose(Sarathi().watermark, 0.01)
    with pytest.raises(TypeError):
        Sarathi(budget=3)


def test_auto_says_what_an_engine_without_a_cost_model_or_a_target_lacks():
    with pytest.raises(UserError, match="needs a target"):
        Sarathi(tokens="auto").batcher(Engine(), Streams(0))
    with pytest.raises(UserError, match="needs a cost model"):
        Sarathi(tokens="auto").batcher(Engine(targets=Targets(tpot=0.05)), Streams(0))
