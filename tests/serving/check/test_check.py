"""The checker accepts what is possible and names what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.timeline import Timeline
from hocket.serving.check import check
from hocket.serving.model.cluster import Cluster, Link, Pool
from hocket.serving.workload import Trace
from hocket.testing.mutations import ALWAYS, SOMETIMES, Spans, with_runs
from tests.report.samples import patient
from tests.serving.metrics.record import NO_LIMIT, Record, busy_day, changed, cluster, workload


def judged(record: Record, **fields: Any) -> list[str]:
    """The rules that a record breaks, in a cluster whose workload is what arrives in it."""
    scenario = changed(cluster(**fields), workload=workload(record.timeline))
    return sorted({violation.rule for violation in check(scenario, record.timeline)})


def served() -> Record:
    """One request, as it should be; iterations last 10 ms."""
    record = Record().arrive("r0", 0, 100, 5)
    return record.serve("r0", "replica-0", 5, 20, 60, 100, 5)


@patient
@given(st.integers(0, 10**6), st.integers(1, 25))
def test_a_possible_run_is_accepted(seed: int, count: int) -> None:
    timeline = busy_day(seed, count)
    scenario = changed(cluster(kv_blocks=4000), workload=workload(timeline))
    assert check(scenario, timeline) == []


@pytest.mark.parametrize("mutation", [*ALWAYS, *SOMETIMES], ids=lambda m: m.__name__)
def test_wrong_timelines_are_rejected(mutation: Callable[[Spans], Any]) -> None:
    timeline = busy_day(3, 15)
    scenario = changed(cluster(kv_blocks=4000), workload=workload(timeline))
    variants = [with_runs(timeline, runs) for runs in mutation([*timeline.spans("run")])]
    accepted = [variant for variant in variants if not check(scenario, variant)]
    assert len(variants) > 10
    if mutation in ALWAYS:
        assert accepted == []
    else:
        assert len(accepted) < len(variants) / 2


def test_the_plain_record_is_fine() -> None:
    assert judged(served()) == []


CASES: dict[str, tuple[Callable[[], Record], list[str]]] = {
    "never answered": (
        lambda: Record().arrive("r0", 0, 10, 5),
        ["missing"],
    ),
    "answered without running": (
        lambda: Record().arrive("r0", 0, 10, 5).point("finish", "r0", "replica-0", 50),
        ["missing"],
    ),
    "answered and refused": (
        lambda: served().point("reject", "r0", "", 70),
        ["reject", "twice"],
    ),
    "arrives twice": (
        lambda: served().arrive("r0", 3, 100, 5),
        ["arrival"],
    ),
    "runs before it arrives": (
        lambda: Record().arrive("r0", 9, 100, 5).serve("r0", "replica-0", 5, 20, 60, 100, 5),
        ["arrival"],
    ),
    "a token short": (
        lambda: Record().arrive("r0", 0, 100, 6).serve("r0", "replica-0", 5, 20, 60, 100, 5),
        ["tokens"],
    ),
    "prompt computed by half": (
        lambda: Record().arrive("r0", 0, 100, 5).serve("r0", "replica-0", 5, 20, 60, 50, 5),
        ["tokens"],
    ),
    "faster than any iteration": (
        lambda: Record().arrive("r0", 0, 100, 5).serve("r0", "replica-0", 5, 20, 50, 100, 5),
        ["speed"],
    ),
    "a pause without a reason": (
        lambda: (
            Record()
            .arrive("r0", 0, 100, 3)
            .prefill("r0", "replica-0", 100, 0, 10)
            .decode("r0", "replica-0", 2, 15, 40)
            .point("finish", "r0", "replica-0", 40)
        ),
        ["gap"],
    ),
    "two things at a time": (
        lambda: (
            Record()
            .arrive("r0", 0, 100, 3)
            .prefill("r0", "replica-0", 100, 0, 10)
            .decode("r0", "replica-0", 1, 10, 20)
            .decode("r0", "replica-0", 1, 15, 30)
            .point("finish", "r0", "replica-0", 30)
        ),
        ["gap", "overlap"],
    ),
    "goes on elsewhere": (
        lambda: (
            Record()
            .arrive("r0", 0, 100, 3)
            .prefill("r0", "replica-0", 100, 0, 10)
            .decode("r0", "replica-1", 2, 10, 40)
            .point("finish", "r0", "replica-1", 40)
        ),
        ["lane"],
    ),
    "computed again for no reason": (
        lambda: (
            Record()
            .arrive("r0", 0, 100, 3)
            .prefill("r0", "replica-0", 100, 0, 10)
            .prefill("r0", "replica-0", 101, 20, 30)
            .decode("r0", "replica-0", 1, 30, 40)
            .point("finish", "r0", "replica-0", 40)
        ),
        ["order"],
    ),
    "decodes without a prompt": (
        lambda: (
            Record()
            .arrive("r0", 0, 100, 3)
            .decode("r0", "replica-0", 3, 10, 40)
            .point("finish", "r0", "replica-0", 40)
        ),
        ["order"],
    ),
    "ends late": (
        lambda: (
            Record()
            .arrive("r0", 0, 100, 1)
            .prefill("r0", "replica-0", 100, 10, 40)
            .point("finish", "r0", "replica-0", 50)
        ),
        ["finish"],
    ),
    "no replica": (
        lambda: Record().arrive("r0", 0, 9, 1).serve("r0", "other-0", 0, 10, 10, 9, 1),
        ["replica"],
    ),
    "refused though it fits": (
        lambda: Record().arrive("r0", 0, 1000, 5).point("reject", "r0", "", 0),
        ["reject"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_impossible_is_named(case: str) -> None:
    make, rules = CASES[case]
    assert judged(make()) == rules


def test_work_of_strangers() -> None:
    record = served().prefill("r7", "replica-1", 10, 0, 10).point("finish", "r8", "", 10)
    assert judged(record) == ["unknown"]


def test_a_recorded_workload_arrives_as_recorded() -> None:
    record = served().arrive("r1", 20, 7, 1).serve("r1", "replica-1", 20, 30, 30, 7, 1)
    scenario = changed(cluster(), workload=workload(record.timeline))
    assert check(scenario, record.timeline) == []
    assert [v.rule for v in check(scenario, served().timeline)] == ["missing"]
    late = served().arrive("r1", 21, 7, 1).serve("r1", "replica-1", 21, 31, 31, 7, 1)
    assert [v.rule for v in check(scenario, late.timeline)] == ["arrival"]
    other = served().arrive("r1", 20, 8, 1).serve("r1", "replica-1", 20, 30, 30, 8, 1)
    assert [v.rule for v in check(scenario, other.timeline)] == ["arrival"]
    assert [
        v.rule
        for v in check(changed(cluster(), workload=workload(served().timeline)), record.timeline)
    ] == ["unknown"]


def released(at: int, **fields: Any) -> list[str]:
    """The rules broken when the second of two requests arrives at `at`; the first ends at 60."""
    record = served().arrive("r1", at, 7, 1)
    record.serve("r1", "replica-1", at, at + 10, at + 10, 7, 1)
    trace = Trace(arrival=(0, 0), prompt=(100, 7), output=(5, 1), limit=(NO_LIMIT,) * 2, **fields)
    found = check(changed(cluster(), workload=trace), record.timeline)
    return [violation.rule for violation in found]


@pytest.mark.parametrize("fields", [{"follows": (-1, 0)}, {"clients": 1}], ids=str)
def test_requests_that_others_release_arrive_when_those_have_ended(fields: Any) -> None:
    assert released(60, **fields) == []
    assert released(64, delay=(0, 4), **fields) == []
    assert released(63, delay=(0, 4), **fields) == ["arrival"]
    assert released(0, **fields) == ["arrival"]


def test_nothing_arrives_when_what_releases_it_has_not_ended() -> None:
    record = Record().arrive("r0", 0, 100, 5).arrive("r1", 7, 7, 1)
    record.serve("r1", "replica-1", 7, 17, 17, 7, 1)
    trace = workload(record.timeline)
    trace = changed(trace, arrival=(0, 0), follows=(-1, 0))
    found = check(changed(cluster(), workload=trace), record.timeline)
    assert [violation.rule for violation in found] == ["arrival", "missing"]


def test_a_prompt_that_fills_memory_is_refused_rightly() -> None:
    record = Record().arrive("r0", 0, 1600, 5).point("reject", "r0", "", 0)
    assert judged(record) == []


def test_an_answer_is_cut_where_the_context_or_its_limit_ends() -> None:
    short = Record().arrive("r0", 0, 100, 50, limit=3)
    assert judged(short.serve("r0", "replica-0", 0, 20, 60, 100, 3)) == []
    full = Record().arrive("r0", 0, 1598, 50).serve("r0", "replica-0", 0, 20, 60, 1598, 2)
    assert judged(full) == []


def cancelled(at: int = 40, told: str = "4", patience: int = 35, until: int = 40) -> list[str]:
    """What is said of a request whose client goes 35 after its arrival, in an iteration."""
    record = Record().arrive("r0", 0, 100, 9)
    record.prefill("r0", "replica-0", 100, 0, 10).decode("r0", "replica-0", 3, 10, until)
    record.point("cancel", "r0", "replica-0", at, told=told)
    scenario = changed(cluster(), workload=changed(workload(record.timeline), cancel=(patience,)))
    return sorted({violation.rule for violation in check(scenario, record.timeline)})


def test_cancelled_requests_leave_when_their_clients_do_and_are_heard_of_no_more() -> None:
    assert cancelled() == []
    assert cancelled(patience=41) == ["cancel"]
    assert cancelled(patience=-1) == ["cancel"]
    assert cancelled(until=50) == ["cancel"]
    assert cancelled(told="5") == ["tokens"]
    assert cancelled(told="") == ["tokens"]


def test_a_cancellation_releases_the_next_request() -> None:
    record = Record().arrive("r0", 0, 100, 9).point("cancel", "r0", "", 30, told="0")
    record.arrive("r1", 37, 100, 1).serve("r1", "replica-0", 37, 50, 50, 100, 1)
    trace = Trace(
        arrival=(0, 0),
        prompt=(100, 100),
        output=(9, 1),
        limit=(NO_LIMIT, NO_LIMIT),
        cancel=(30, -1),
        delay=(0, 7),
    )
    closed, following = changed(trace, clients=1), changed(trace, follows=(-1, 0))
    for chained in (closed, following):
        assert check(cluster(workload=chained), record.timeline) == []


def preempted(kind: str, again: int) -> Record:
    """A request that gives way at 30 and comes back at 50."""
    record = Record().arrive("r0", 0, 100, 5).prefill("r0", "replica-0", 100, 0, 10)
    record.decode("r0", "replica-0", 2, 10, 30)
    record.timeline.point("preempt", "replica-0", "r0", kind, 30)
    if kind == "swap":
        record.point("swap-in", "r0", "replica-0", again)
        record.decode("r0", "replica-0", 2, 50, 70)
    else:
        record.prefill("r0", "replica-0", again, 50, 60).decode("r0", "replica-0", 1, 60, 70)
    return record.point("finish", "r0", "replica-0", 70)


def test_preempted_requests_are_computed_again_or_brought_back() -> None:
    assert judged(preempted("recompute", 103)) == []
    assert judged(preempted("recompute", 100)) == ["tokens"]
    assert judged(preempted("swap", 50)) == []
    assert judged(preempted("swap", 55)) == ["gap"]


def test_a_prefill_that_is_cut_short_begins_anew() -> None:
    record = Record().arrive("r0", 0, 100, 2).prefill("r0", "replica-0", 64, 0, 10)
    record.point("preempt", "r0", "replica-0", 10)
    record.serve("r0", "replica-1", 20, 40, 50, 100, 2)
    assert judged(record) == []


def test_cached_prefixes_spare_computing_where_they_are_kept() -> None:
    record = Record().arrive("r0", 0, 100, 5).serve("r0", "replica-0", 5, 20, 60, 36, 5)
    assert judged(record, prefix_cache=True) == []
    assert judged(record) == ["tokens"]


def moved(kind: str, took: int, **more: Any) -> Record:
    """A request whose memory goes to another replica after its prompt."""
    record = Record().arrive("r0", 0, 1000, 3).prefill("r0", "replica-0", 1000, 0, 10)
    if kind == "migrate":
        record.decode("r0", "replica-0", 1, 10, 20)
    record.timeline.span(kind, "replica-0", "r0", "replica-1", 20, 20 + took)
    record.decode("r0", "replica-1", 1 if kind == "migrate" else 2, 20 + took, 50 + took)
    return record.point("finish", "r0", "replica-1", 50 + took)


@pytest.mark.parametrize("kind", ["migrate", "transfer"])
def test_memory_moves_no_faster_than_its_link(kind: str) -> None:
    # 63 blocks of 16 tokens at 128 KiB a token are 132 MB: 132 ms at 1 GB/s.
    for took, rules in ((133, []), (125, ["link"])):
        assert judged(moved(kind, took), link=Link(bandwidth=1.0)) == rules


def test_memory_may_move_on_before_anything_is_decoded() -> None:
    record = Record("replica-0", "replica-1", "replica-2").arrive("r0", 0, 16, 2)
    record.prefill("r0", "replica-0", 16, 0, 10)
    record.timeline.span("transfer", "replica-0", "r0", "replica-1", 10, 30)
    record.timeline.span("migrate", "replica-1", "r0", "replica-2", 30, 60)
    record.decode("r0", "replica-2", 1, 60, 70).point("finish", "r0", "replica-2", 70)
    assert judged(record) == []
    late = Record("replica-0", "replica-1").arrive("r0", 0, 16, 2)
    late.prefill("r0", "replica-0", 16, 0, 10)
    late.timeline.span("transfer", "replica-0", "r0", "replica-1", 10, 61)
    late.decode("r0", "replica-1", 1, 60, 70).point("finish", "r0", "replica-1", 70)
    assert judged(late) == ["lane"]


def test_a_migration_given_up_lets_the_request_go_on_where_it_was() -> None:
    record = Record().arrive("r0", 0, 100, 3).prefill("r0", "replica-0", 100, 0, 10)
    record.timeline.span("aborted", "replica-0", "r0", "replica-1", 5, 25, "no memory")
    record.decode("r0", "replica-0", 2, 25, 50).point("finish", "r0", "replica-0", 50)
    assert judged(record) == []


def test_a_failed_replica_loses_what_it_held() -> None:
    record = Record().arrive("r0", 0, 100, 3).prefill("r0", "replica-0", 100, 0, 10)
    record.decode("r0", "replica-0", 1, 10, 20).prefill("r0", "replica-1", 102, 20, 30)
    record.point("finish", "r0", "replica-1", 30)
    assert judged(record) == ["order"]
    record.timeline.span("down", "replica-0", "", "", 20, 90)
    assert judged(record) == []


@pytest.mark.parametrize("kind", ["down", "start"])
def test_nothing_runs_on_a_replica_that_is_not_up(kind: str) -> None:
    record = served()
    record.timeline.span(kind, "replica-0", "", "", 19, 25)
    assert judged(record) == ["down"]


def full(count: int) -> Record:
    """Requests of 161 tokens that decode together: 11 blocks each."""
    record = Record()
    for i in range(count):
        record.arrive(f"r{i}", 0, 161, 5)
        record.serve(f"r{i}", "replica-0", 0, 10 * (i + 1), 1000, 161, 5)
    return record


def test_requests_that_decode_together_fit_into_memory() -> None:
    assert judged(full(9)) == []
    assert judged(full(10)) == ["memory"]
    assert judged(full(10), kv_blocks=110) == []
    assert judged(full(10), prefix_cache=True) == []  # their prompts may be the same


def test_the_blocks_in_use_are_not_more_than_there_are() -> None:
    record = served()
    record.timeline.gauge("kv", "replica-0", 10, 100)
    assert judged(record) == []
    record.timeline.gauge("kv", "replica-0", 20, 101)
    assert judged(record) == ["memory"]


def test_replicas_for_prefill_do_not_decode() -> None:
    shared: dict[str, Any] = {"kv_blocks": 100, "cost": cluster().pools[0].cost}
    pools = (
        Pool(name="replica", role="prefill", **shared),
        Pool(name="d", role="decode", **shared),
    )
    assert judged(served(), pools=pools) == ["role"]


def test_pipelines_take_all_stages_for_each_token() -> None:
    assert judged(served(), pp=2) == ["speed"]


def test_an_unreadable_arrival() -> None:
    timeline = Timeline("ms", ("replica-0",))
    timeline.point("arrive", "", "r0", "many tokens", 0)
    scenario: Cluster = cluster()
    assert "arrival" in {violation.rule for violation in check(scenario, timeline)}
