"""Both engines compose as vLLM does; figures worked out by hand from its published rules."""

from hocket.core.streams import Streams
from hocket.serving.model.cluster import Pool
from hocket.serving.policies.vllm import VllmV0, VllmV1
from hocket.serving.roles.batching import Limits, Request
from hocket.serving.roles.facts import Engine
from hocket.serving.simulate.plain import PlainReplica
from tests.serving.simulate.stand import Stand, live


def stand(policy, blocks=1000):
    return Stand(PlainReplica, Pool(kv_blocks=blocks), policy.batcher(Engine(), Streams(0)))


def test_the_default_limits_are_those_of_the_engines():
    v1 = VllmV1().batcher(Engine(), Streams(0)).limits
    assert v1 == Limits(tokens=2048, seqs=256, chunked=True, allocate="chunk", whole=True)
    v0 = VllmV0(preemption="swap").batcher(Engine(), Streams(0)).limits
    assert (v0.style, v0.chunked, v0.allocate) == ("prefill-first", False, "prompt")
    assert (v0.watermark, v0.preemption) == (0.01, "swap")


def test_v1_fills_the_budget_with_prompts_beside_decodes():
    one = stand(VllmV1(tokens=100))
    one.run(live(0, 60, 3), live(1, 150, 1), live(2, 10, 1))
    assert one.cost.seen == [
        (((60, 0), (40, 0)), 0, 0),
        (((99, 40),), 1, 60),
        (((11, 139), (10, 0)), 1, 61),
    ]


def test_v0_stalls_decodes_while_whole_prompts_run_and_v1_does_not():
    requests = [(0, 60, 3), (1, 150, 2, 1), (2, 90, 2, 1)]
    one = stand(VllmV0(tokens=200))
    one.run(*(live(*request) for request in requests))
    shapes = [(prefill, decodes) for prefill, decodes, _ in one.cost.seen]
    assert shapes == [
        (((60, 0),), 0),
        (((150, 0),), 0),  # 90 more would exceed 200
        (((90, 0),), 0),
        ((), 3),
        ((), 1),
    ]


def test_v0_keeps_a_hundredth_of_memory_free_and_v1_none():
    for policy, together in ((VllmV0(), False), (VllmV1(), True)):
        one = stand(policy, blocks=100)
        one.run(live(0, 800, 1), live(1, 800, 1))
        assert (len(one.cost.seen) == 1) is together


def test_the_preempted_go_to_the_front_of_the_queue():
    # Both fill 2 of 4 blocks; r1 gives way at tick 10, r2 arrived long before that.
    one = stand(VllmV1(), blocks=4)
    timeline = one.run(live(0, 32, 3), live(1, 32, 2), live(2, 32, 1, arrival=1))
    assert [p.group for p in timeline.points("preempt")] == ["r1"]
    assert one.done == ["r0", "r1", "r2"]


def test_who_gives_way_goes_to_the_very_front_the_one_that_did_last_first():
    batcher = VllmV1().batcher(Engine(), Streams(0))
    new = Request(id="n", arrival=0, prompt=1)
    later, earlier = (batcher.rank(new._replace(preemptions=1)) for _ in range(2))
    assert sorted([batcher.rank(new), later, earlier]) == [earlier, later, (True, 0)]
