"""The rules of the simulated engine, one small trace worked out by hand for each."""

import pytest

from hocket.core.errors import IllegalDecision
from hocket.core.kernel import Phase
from hocket.serving.model.cluster import Link, Pool
from hocket.serving.roles.batching import FirstComeFirstServed, Limits
from hocket.serving.simulate.plain import PlainReplica
from tests.serving.simulate.stand import Linear, Noting, Stand, live


def pool(blocks=1000, block_size=4, **fields):
    return Pool(kv_blocks=blocks, block_size=block_size, **fields)


def stand(limits, blocks=1000, cost=None, slowdown=0.0, **fields):
    return Stand(PlainReplica, pool(blocks, **fields), limits, cost, slowdown)


def seen(stand):
    return stand.cost.seen


def spans(timeline, group):
    return [(s.name, s.start, s.end) for s in timeline.spans("run") if s.group == group]


def finishes(timeline):
    return {p.group: p.time for p in timeline.points("finish")}


def test_one_request_alone_is_in_one_prefill_and_output_minus_one_decodes():
    one = stand(Limits(tokens=64))
    timeline = one.run(live(0, 10, 4))
    assert seen(one) == [(((10, 0),), 0, 0), ((), 1, 10), ((), 1, 11), ((), 1, 12)]
    assert spans(timeline, "r0") == [("prefill 10", 0, 10), ("decode 3", 10, 40)]
    assert finishes(timeline) == {"r0": 40}
    tallies = {(t.name, t.lane): (t.value, t.count) for t in timeline.tallies()}
    assert tallies == {
        ("gap", "a"): (10, 3),
        ("longest gap", "r0"): (10, 1),
        ("iterations", "a"): (4, 1),
        ("busy", "a"): (40, 1),
    }


def test_a_single_token_needs_no_decode_and_leaves_no_gap():
    one = stand(Limits())
    timeline = one.run(live(0, 10, 1))
    assert spans(timeline, "r0") == [("prefill 10", 0, 10)]
    assert [t.name for t in timeline.tallies()] == ["iterations", "busy"]


def test_mixed_puts_decodes_first_and_cuts_prompts_to_what_is_left_of_the_budget():
    # Budget 8: r0 decodes from tick 10 on, so r1's 13 tokens come as 7 and 6, and r2 has the rest.
    one = stand(Limits(tokens=8))
    one.run(live(0, 8, 4), live(1, 13, 2, arrival=1), live(2, 3, 1, arrival=2))
    assert seen(one) == [
        (((8, 0),), 0, 0),
        (((7, 0),), 1, 8),
        (((6, 7), (1, 0)), 1, 9),
        (((2, 1),), 2, 10 + 13),
    ]


def test_decodes_are_never_left_out_for_the_budget_and_prompts_then_wait():
    one = stand(Limits(tokens=2))
    one.run(live(0, 1, 3), live(1, 1, 3), live(2, 1, 1, arrival=5))
    assert seen(one) == [
        (((1, 0), (1, 0)), 0, 0),
        ((), 2, 2),
        ((), 2, 4),
        (((1, 0),), 0, 0),
    ]


def test_a_prompt_that_may_not_be_cut_waits_until_it_fits_the_budget():
    one = stand(Limits(tokens=8, chunked=False))
    one.run(live(0, 4, 3), live(1, 5, 1), live(2, 1, 1))
    # r1 has 4 left at tick 0 and needs 5; r2 behind it waits too.
    assert seen(one) == [(((4, 0),), 0, 0), (((5, 0), (1, 0)), 1, 4), ((), 1, 5)]


def test_a_prompt_beyond_a_whole_budget_comes_in_alone():
    one = stand(Limits(tokens=8, chunked=False))
    one.run(live(0, 4, 2), live(1, 20, 1), live(2, 1, 1))
    assert seen(one) == [
        (((4, 0),), 0, 0),
        ((), 1, 4),
        (((20, 0),), 0, 0),
        (((1, 0),), 0, 0),
    ]


def test_prefill_first_lets_decodes_wait_for_whole_prompts():
    limits = Limits(tokens=8, style="prefill-first", chunked=False, allocate="prompt")
    one = stand(limits)
    timeline = one.run(live(0, 4, 3), live(1, 5, 2), live(2, 3, 2))
    assert seen(one) == [
        (((4, 0),), 0, 0),
        (((5, 0), (3, 0)), 0, 0),
        ((), 3, 4 + 5 + 3),
        ((), 1, 5),
    ]
    # The token that r0 gets at tick 30 has waited for the prompts of the others.
    gaps = {t.value: t.count for t in timeline.tallies("gap")}
    assert gaps == {20: 1, 10: 3}


def test_prefill_first_cuts_prompts_when_they_may_be_cut():
    one = stand(Limits(tokens=4, style="prefill-first"))
    one.run(live(0, 2, 3), live(1, 6, 1, arrival=1))
    assert seen(one) == [
        (((2, 0),), 0, 0),
        (((4, 0),), 0, 0),
        (((2, 4),), 0, 0),
        ((), 1, 2),
        ((), 1, 3),
    ]


def test_every_leaves_the_queue_alone_between_admissions():
    one = stand(Limits(style="prefill-first", chunked=False, every=3))
    one.run(live(0, 2, 6), *(live(i, 1, 1, arrival=1) for i in (1, 2)))
    shapes = [(len(prefill), decodes) for prefill, decodes, _ in seen(one)]
    assert shapes == [(1, 0), (0, 1), (0, 1), (0, 1), (2, 0), (0, 1), (0, 1)]


def test_a_round_of_admission_takes_at_most_batch_requests():
    one = stand(Limits(batch=2))
    one.run(*(live(i, 3, 1) for i in range(5)))
    assert [len(prefill) for prefill, _, _ in seen(one)] == [2, 2, 1]


def test_static_serves_one_batch_to_its_end_before_the_next():
    one = stand(Limits(tokens=None, seqs=2, style="static", chunked=False, allocate="longest"))
    requests = [live(0, 4, 2, limit=4), live(1, 2, 4, limit=4), live(2, 2, 1, limit=4)]
    timeline = one.run(*requests)
    assert seen(one) == [
        (((4, 0), (2, 0)), 0, 0),
        ((), 2, 6),
        ((), 1, 3),
        ((), 1, 4),
        (((2, 0),), 0, 0),
    ]
    assert [p.group for p in timeline.points("finish")] == ["r0", "r1", "r2"]
    assert requests[2].why == "batch full" or requests[2].why == ""


def test_static_decodes_only_when_all_its_prompts_are_complete():
    one = stand(Limits(tokens=4, seqs=4, style="static"))
    one.run(live(0, 2, 2), live(1, 7, 2))
    assert seen(one) == [
        (((2, 0), (2, 0)), 0, 0),
        (((4, 2),), 0, 0),
        (((1, 6),), 0, 0),
        ((), 2, 9),
    ]


def test_no_more_than_seqs_are_admitted_and_the_first_reason_is_kept():
    one = stand(Limits(seqs=1))
    timeline = one.run(live(0, 4, 3), live(1, 4, 1))
    assert finishes(timeline) == {"r0": 30, "r1": 40}
    (reason,) = [s.reason for s in timeline.spans("run") if s.group == "r1"]
    assert reason == "batch full"


def test_chunks_take_memory_as_they_come_and_the_last_admitted_gives_way():
    # Four blocks of 4. r0 and r1 fill two each; the first decode of r0 needs a fifth.
    one = stand(Limits(), blocks=4)
    timeline = one.run(live(0, 8, 3), live(1, 8, 3))
    (point,) = timeline.points("preempt")
    assert (point.group, point.name, point.time, point.reason) == (
        "r1",
        "recompute 1",
        10,
        "memory for r0",
    )
    # r1 recomputes its prompt and its one token, and gets the second from that iteration.
    assert seen(one) == [
        (((8, 0), (8, 0)), 0, 0),
        ((), 1, 8),
        ((), 1, 9),
        (((9, 0),), 0, 0),
        ((), 1, 9),
    ]
    assert spans(timeline, "r1") == [
        ("prefill 8", 0, 10),
        ("prefill 9", 30, 40),
        ("decode 1", 40, 50),
    ]
    gaps = {t.value: t.count for t in timeline.tallies("gap")}
    assert gaps == {10: 3, 30: 1}
    assert [(t.lane, t.value) for t in timeline.tallies("loss")] == [("r1", 30)]


def test_nobody_is_admitted_in_an_iteration_that_preempts():
    # At tick 10 r1 gives way, and r2 would fit in what that leaves.
    one = stand(Limits(), blocks=4)
    one.run(live(0, 8, 3), live(1, 8, 1), live(2, 4, 1, arrival=1))
    assert seen(one)[1] == (((4, 0),), 1, 8)  # r1 was done at 10: no preemption
    two = stand(Limits(), blocks=4)
    two.run(live(0, 8, 2), live(1, 8, 2), live(2, 4, 1, arrival=1))
    assert seen(two)[1] == ((), 1, 8)


def test_who_needs_memory_and_is_last_gives_way_itself():
    # r1 needs the block, and is the last: r0 is safe.
    one = stand(Limits(), blocks=4)
    timeline = one.run(live(0, 5, 4), live(1, 8, 2))
    (point,) = timeline.points("preempt")
    assert (point.group, point.reason) == ("r1", "memory for r1")


class FirstGivesWay(FirstComeFirstServed):
    def victim(self, view, needy):
        return view.running[0].id


def test_a_victim_that_has_its_token_already_leaves_the_iteration():
    # r0 takes the last block, r1 then needs one and r0 has to go with its token undone.
    one = Stand(PlainReplica, pool(5), FirstGivesWay(Limits()))
    timeline = one.run(live(0, 8, 3), live(1, 8, 2))
    (point,) = timeline.points("preempt")
    assert (point.group, point.time, point.reason) == ("r0", 10, "memory for r1")
    assert seen(one)[1] == ((), 1, 8)
    assert seen(one)[2] == (((9, 0),), 0, 0)


def test_allocation_of_the_whole_prompt_keeps_a_prompt_out_that_chunks_would_let_in():
    chunked, whole = stand(Limits(tokens=4), blocks=4), None
    requests = [live(0, 8, 2), live(1, 12, 1, arrival=1)]
    chunked.run(*requests)
    assert seen(chunked)[2] == (((3, 0),), 1, 8)
    whole = stand(Limits(tokens=4, allocate="prompt"), blocks=4)
    whole.run(live(0, 8, 2), live(1, 12, 1, arrival=1))
    assert seen(whole)[2:4] == [((), 1, 8), (((4, 0),), 0, 0)]


def test_the_longest_answer_is_reserved_and_nothing_is_ever_preempted():
    # Prompt 4 and at most 8 tokens of answer: three blocks each, of which eight hold two.
    one = stand(Limits(tokens=None, chunked=False, allocate="longest"), blocks=8)
    timeline = one.run(*(live(i, 4, 2, limit=8) for i in range(3)))
    assert [len(prefill) for prefill, _, _ in seen(one)] == [2, 0, 1, 0]
    assert not list(timeline.points("preempt"))
    (reason, _) = [s.reason for s in timeline.spans("run") if s.group == "r2"]
    assert reason == "no memory"


@pytest.mark.parametrize(
    ("watermark", "together"), [(0.0, True), (0.2, True), (0.29, True), (0.3, False)]
)
def test_an_admission_leaves_the_watermark_free(watermark, together):
    # 10 blocks: r0 takes 4, r1 wants 4, which leaves 2.
    one = stand(Limits(watermark=watermark), blocks=10)
    one.run(live(0, 16, 1), live(1, 16, 1))
    assert (len(seen(one)) == 1) is together


def test_the_watermark_is_waived_for_who_would_run_alone():
    one = stand(Limits(watermark=0.5), blocks=4)
    timeline = one.run(live(0, 15, 2))
    assert finishes(timeline) == {"r0": 20}


def test_refusals_of_the_policy_stand_until_someone_leaves_or_are_asked_again():
    class Careful(FirstComeFirstServed):
        asked: list[int] = []

        def admits(self, view, request):
            if request.id == "r0":
                return ""
            self.asked.append(view.now)
            return "" if len(view.running) == 0 else "careful"

    for stubborn, asked in ((True, [0, 40]), (False, [0, 10, 20, 30, 40])):
        batcher = Careful(Limits(stubborn=stubborn))
        batcher.asked = []
        timeline = Stand(PlainReplica, pool(), batcher).run(live(0, 4, 4), live(1, 4, 1))
        assert batcher.asked == asked
        assert [s.reason for s in timeline.spans("run") if s.group == "r1"] == ["careful"]


class Urgent(FirstComeFirstServed):
    def rank(self, request):
        return (request.priority, request.arrival)

    def victim(self, view, needy):
        last = max(reversed(view.running), key=lambda r: (r.priority, r.arrival))
        return last.id if last.priority > needy.priority else ""


def test_running_requests_give_way_to_an_urgent_one_that_waits():
    limits = Limits(urgent=True)
    one = Stand(PlainReplica, pool(4), Urgent(limits))
    timeline = one.run(live(0, 7, 9), live(1, 7, 9), live(2, 8, 1, arrival=5, priority=-1))
    (point, *_) = timeline.points("preempt")
    assert (point.group, point.time, point.reason) == ("r1", 10, "memory for r2")
    assert seen(one)[1] == (((8, 0),), 1, 7)
    two = Stand(PlainReplica, pool(4), Urgent(limits))
    timeline = two.run(live(0, 7, 2), live(1, 7, 2), live(2, 8, 1, arrival=5))
    assert not list(timeline.points("preempt"))  # as urgent as the others: it waits


def test_swapped_requests_come_back_with_their_memory_and_go_on_decoding():
    # A block is 4 tokens of 128 KiB; the host link moves one in a tick and answers after 3.
    link = Link(bandwidth=4 * 131072 / 1e9, latency=3)
    limits = Limits(preemption="swap")
    one = stand(limits, blocks=5, host_blocks=8, host_link=link)
    timeline = one.run(live(0, 8, 5), live(1, 8, 3))
    # At 10 both decode: r0 takes the fifth block, r1 has none: its two go to the host.
    # At 25 = 10 + 10 + 2 + 3 r0 goes on; it is done after 4 decodes at 55.
    (out,), (back,) = timeline.points("preempt"), timeline.points("swap-in")
    assert (out.group, out.name, out.time) == ("r1", "swap 1", 10)
    assert (back.group, back.time) == ("r1", 55)
    assert seen(one) == [
        (((8, 0), (8, 0)), 0, 0),
        ((), 1, 8),
        ((), 1, 9),
        ((), 1, 10),
        ((), 1, 11),
        ((), 1, 8),
        ((), 1, 9),
    ]
    # The move back is an iteration of its own, 2 + 3 ticks, since nobody else runs.
    assert finishes(timeline) == {"r0": 55, "r1": 80}


def test_without_room_on_the_host_swapping_is_recomputing():
    one = stand(Limits(preemption="swap"), blocks=5, host_blocks=1)
    timeline = one.run(live(0, 8, 5), live(1, 8, 3))
    assert [p.name for p in timeline.points("preempt")] == ["recompute 1"]


def test_nobody_is_admitted_while_someone_is_swapped_out():
    link = Link(bandwidth=4 * 131072 / 1e9)
    one = stand(Limits(preemption="swap"), blocks=5, host_blocks=8, host_link=link)
    timeline = one.run(live(0, 8, 5), live(1, 8, 3), live(2, 4, 1, arrival=11))
    (back,) = timeline.points("swap-in")
    (begin,) = [s.start for s in timeline.spans("run") if s.group == "r2"]
    assert begin >= back.time


def test_whole_units_of_a_prompt_are_shared_and_one_token_at_least_is_computed():
    one = stand(Limits(), prefix_cache=True)
    timeline = one.run(
        live(0, 10, 1, hashes=(1, 2)),
        live(1, 12, 1, arrival=20, hashes=(1, 2, 3)),
        live(2, 8, 1, arrival=40, hashes=(1, 2)),
        live(3, 10, 1, arrival=60, hashes=(9, 2)),
    )
    assert [prefill for prefill, _, _ in seen(one)] == [
        ((10, 0),),
        ((4, 8),),
        ((4, 4),),
        ((10, 0),),
    ]
    assert spans(timeline, "r1") == [("prefill 4", 20, 30)]


def test_unused_prefixes_are_given_up_for_memory_the_oldest_first():
    one = stand(Limits(), blocks=4, prefix_cache=True)
    one.run(
        live(0, 8, 1, hashes=(1, 2)),
        live(1, 4, 1, arrival=20, hashes=(3,)),
        live(2, 8, 1, arrival=40, hashes=(4, 5)),  # gives up 2, the end of the oldest prefix
        live(3, 8, 1, arrival=60, hashes=(1, 2)),
    )
    assert seen(one)[3] == (((4, 4),), 0, 0)


def test_a_block_is_shared_by_who_comes_in_after_its_chunk_in_the_same_iteration():
    # One token must be computed, so r1 has a second copy of the last block, as in vLLM.
    one = stand(Limits(), blocks=8, prefix_cache=True)
    one.run(live(0, 8, 2, hashes=(1, 2)), live(1, 8, 2, hashes=(1, 2)))
    assert seen(one)[0] == (((8, 0), (4, 4)), 0, 0)
    assert one.replica.empty and one.replica.memory.used == 0
    assert len(one.replica.memory.match((1, 2), 2)) == 2


def test_two_stages_work_on_two_micro_batches_at_a_time():
    # A stage takes 10. r0 goes through stage 1 in [0, 10) and stage 2 in [10, 20); r1 follows.
    one = stand(Limits(seqs=2), pp=2)
    timeline = one.run(live(0, 4, 3), live(1, 4, 2))
    assert seen(one) == [
        (((4, 0),), 0, 0),
        (((4, 0),), 0, 0),
        ((), 1, 4),
        ((), 1, 4),
        ((), 1, 5),
    ]
    assert spans(timeline, "r0") == [("prefill 4", 0, 20), ("decode 2", 20, 60)]
    assert spans(timeline, "r1") == [("prefill 4", 10, 30), ("decode 1", 30, 50)]


def test_unequal_micro_batches_leave_bubbles_in_the_pipeline():
    # A prompt of 30 ticks per stage delays the decode of the other micro-batch at both stages.
    class Prompts(Noting):
        def iteration(self, prefill, decodes, context):
            super().iteration(prefill, decodes, context)
            return 30 if prefill and prefill[0][0] > 4 else 10

    one = stand(Limits(seqs=2), pp=2, cost=Prompts())
    timeline = one.run(live(0, 4, 3), live(1, 8, 1, arrival=5))
    # r1 occupies stage 1 in [10, 40) and stage 2 in [40, 70). r0's decode, ready at 20, has stage
    # 1 in [40, 50) and stage 2 in [70, 80).
    assert spans(timeline, "r0") == [("prefill 4", 0, 20), ("decode 2", 20, 100)]
    assert finishes(timeline)["r1"] == 70


def test_an_iteration_lasts_what_the_cost_model_says_rounded_and_a_tick_at_least():
    for seconds, ticks in ((0.001, 1), (1.4, 1), (2.6, 3)):
        one = stand(Limits(), cost=Noting(seconds))
        assert finishes(one.run(live(0, 4, 1))) == {"r0": ticks}


def test_copies_slow_iterations_down():
    one = stand(Limits(), cost=Noting(100), slowdown=0.05)
    one.kernel.at(50, one.replica.copies, 1, phase=Phase.WAKE)
    one.kernel.at(250, one.replica.copies, -1, phase=Phase.WAKE)
    assert finishes(one.run(live(0, 4, 4))) == {"r0": 100 + 105 + 105 + 100}


def test_a_request_that_leaves_after_its_prompt_keeps_its_memory_here_until_let_go():
    one = stand(Limits(), role="prefill")
    gone = live(0, 8, 5)
    one.run(gone)
    assert gone.generated == 1 and not one.replica.empty and one.replica.memory.used == 2
    replica, holding = gone.source
    assert replica is one.replica
    replica.let_go(holding)
    assert one.replica.empty and one.replica.memory.used == 0


def test_a_request_with_memory_elsewhere_is_admitted_pulled_and_decodes():
    one = stand(Limits())
    pulled = live(0, 8, 3, arrival=7)
    pulled.generated, pulled.computed, pulled.source = 1, 8, object()
    pulled.first_token = pulled.last_token = 5
    timeline = one.run(pulled)
    assert spans(timeline, "r0") == [("decode 2", 37, 57)]
    gaps = {t.value: t.count for t in timeline.tallies("gap")}
    assert gaps == {42: 1, 10: 1}
    assert one.replica.memory.used == 0


def test_failure_stops_everything_and_returns_the_requests_in_order():
    one = stand(Limits(seqs=2))
    one.send(*(live(i, 8, 9) for i in range(4)))
    one.kernel.run(until=25)
    lost = one.replica.fail()
    assert [request.id for request in lost] == ["r0", "r1", "r2", "r3"]
    assert spans(one.timeline, "r0") == [("prefill 8", 0, 10), ("decode 1", 10, 25)]
    assert one.replica.empty and one.replica.memory.used == 0
    one.kernel.run()
    assert not one.done


def test_actions_wait_for_the_end_of_the_iteration():
    one = stand(Limits())
    called = []

    def ask():
        one.replica.at_boundary(lambda: called.append(one.kernel.now))

    one.kernel.at(0, ask, phase=Phase.WAKE)
    one.kernel.at(15, ask, phase=Phase.WAKE)
    one.run(live(0, 4, 3, arrival=1))
    assert called == [0, 21]


def test_detached_requests_keep_their_memory_and_attached_ones_go_on():
    one = stand(Limits())
    moved = live(0, 8, 6)
    one.send(moved)
    one.kernel.run(until=15)
    holding = []
    one.replica.at_boundary(lambda: holding.append(one.replica.detach(moved)))
    one.kernel.run(until=40)
    assert spans(one.timeline, "r0") == [("prefill 8", 0, 10), ("decode 1", 10, 20)]
    assert one.replica.memory.used == 3 and not one.replica.decoding(moved)
    assert one.replica.reserve(3)
    moved.held = 3
    one.replica.let_go(holding[0])
    one.replica.attach(moved)
    one.kernel.run()
    assert spans(one.timeline, "r0")[-1] == ("decode 4", 40, 80)
    assert one.replica.memory.used == 0 and one.done == ["r0"]


def test_an_illegal_victim_is_an_error_that_names_the_policy():
    class Wrong(FirstComeFirstServed):
        def victim(self, view, needy):
            return "nobody"

    one = Stand(PlainReplica, pool(4), Wrong(Limits()))
    with pytest.raises(IllegalDecision, match=r"tests/policy.*nobody.*not running"):
        one.run(live(0, 8, 3), live(1, 8, 3))


def test_the_report_is_the_state_after_the_latest_composition():
    one = stand(Limits(seqs=1))
    one.send(live(0, 8, 9), live(1, 8, 9), live(2, 8, 9, arrival=4))
    one.kernel.run(until=5)
    load = one.replica.load(True, False, 3)
    assert load.time == 0 and [r.id for r in load.running] == ["r0"]
    assert [r.id for r in load.waiting] == ["r1"]  # r2 came after the composition
    assert (load.blocks, load.free) == (1000, 998)
    one.kernel.run(until=12)
    load = one.replica.load(True, False, 3)
    assert load.time == 10 and load.running[0].generated == 1
    assert [r.id for r in load.waiting] == ["r1", "r2"]


def test_gauges_count_blocks_and_the_room_in_them_that_is_empty():
    one = stand(Limits(), cost=Linear())
    one.send(live(0, 9, 5), live(1, 3, 5))
    one.kernel.run(until=1)
    assert one.replica.sample() == {"batch": 2, "waiting": 0, "kv": 4, "wasted": 16, "demand": 0}
