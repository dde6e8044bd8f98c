import pytest

from hocket.core.streams import Streams
from hocket.serving.model.cluster import Link, Pool
from hocket.serving.policies.priority import Priority
from hocket.serving.roles.facts import Engine
from hocket.serving.simulate.plain import PlainReplica
from tests.serving.simulate.stand import Stand, live


def stand(policy, blocks=1000, **fields):
    return Stand(
        PlainReplica,
        Pool(kv_blocks=blocks, **fields),
        policy.batcher(Engine(), Streams(0)),
    )


def test_the_queue_is_by_priority_and_then_by_arrival():
    one = stand(Priority(seqs=1))
    one.run(
        live(0, 16, 2),
        live(1, 16, 1, arrival=1, priority=2),
        live(2, 16, 1, arrival=2),
        live(3, 16, 1, arrival=3, priority=-1),
        live(4, 16, 1, arrival=4),
    )
    assert one.done == ["r0", "r3", "r2", "r4", "r1"]


def test_the_least_urgent_and_of_those_the_last_arrived_gives_way():
    # Admission order r0, r1, r2; the least urgent is the first of them.
    one = stand(Priority(), blocks=6)
    timeline = one.run(live(0, 32, 9, priority=5), live(1, 32, 9), live(2, 32, 9))
    assert next(p.group for p in timeline.points("preempt")) == "r0"
    two = stand(Priority(), blocks=6)
    timeline = two.run(live(0, 32, 9), live(1, 32, 9), live(2, 32, 9, priority=-1))
    assert next(p.group for p in timeline.points("preempt")) == "r1"


@pytest.mark.parametrize("urgent", [False, True])
def test_running_requests_give_way_to_a_more_urgent_one_only_if_asked_to(urgent):
    one = stand(Priority(urgent=urgent), blocks=4)
    timeline = one.run(live(0, 30, 3), live(1, 30, 3), live(2, 32, 1, arrival=1, priority=-1))
    preempted = [p.group for p in timeline.points("preempt")]
    assert preempted == (["r1"] if urgent else [])
    assert one.done[0] == ("r2" if urgent else "r0")


def test_equal_priority_gives_way_to_nobody_who_waits():
    one = stand(Priority(urgent=True), blocks=4)
    timeline = one.run(live(0, 30, 3), live(1, 30, 3), live(2, 32, 1, arrival=1))
    assert not list(timeline.points("preempt"))


def test_swapping_spares_the_recomputation():
    link = Link(bandwidth=1e6)
    swap = stand(Priority(preemption="swap", urgent=True), blocks=4, host_blocks=9, host_link=link)
    requests = (live(0, 30, 3), live(1, 30, 3), live(2, 32, 1, arrival=1, priority=-1))
    timeline = swap.run(*requests)
    assert [p.name for p in timeline.points("preempt")] == ["swap 1"]
    assert sum(chunk for prefill, _, _ in swap.cost.seen for chunk, _ in prefill) == 92
