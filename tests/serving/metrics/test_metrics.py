"""The metrics of runs whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.timeline import Timeline
from hocket.serving.metrics import metrics, requests_table
from hocket.serving.metrics.figures import tally_percentile
from hocket.serving.metrics.read import pool_of
from hocket.serving.model.cluster import Pool, Slo
from hocket.serving.objectives import METRICS, OBJECTIVES
from tests.report.samples import patient
from tests.serving.metrics.record import Record, busy_day, cluster


def two() -> Record:
    """r0 waits 100 ms, speaks at 300 and needs 50 ms for each of 4 more tokens; r1 is one token."""
    record = Record()
    record.arrive("r0", 1000, 30, 5).arrive("r1", 1000, 40, 1)
    record.serve("r0", "replica-0", 1100, 1300, 1500, 30, 5)
    record.serve("r1", "replica-1", 1000, 1200, 1200, 40, 1)
    timeline = record.timeline
    timeline.tally("gap", "replica-0", 40, 2)
    timeline.tally("gap", "replica-0", 60, 2)
    timeline.tally("longest gap", "r0", 60)
    timeline.tally("busy", "replica-0", 400)
    timeline.tally("busy", "replica-1", 200)
    return record


def test_by_hand() -> None:
    found = metrics(cluster(Slo(ttft=250, gap=60), tp=2), two().timeline)
    expected = {
        "ttft_mean": 0.25,
        "ttft_p50": 0.25,
        "ttft_p90": 0.29,
        "tpot_mean": 0.05,  # of r0 alone: r1 has no further token
        "tpot_p50": 0.05,
        "tbt_mean": 0.05,
        "tbt_p50": 0.04,
        "tbt_p90": 0.06,
        "e2e_mean": 0.35,
        "queueing_mean": 0.05,
        "normalised_latency_mean": (0.5 / 5 + 0.2) / 2,
        "throughput": 4,
        "output_throughput": 12,
        "token_throughput": 152,
        "goodput": 2,
        "token_goodput": 82,
        "attainment": 0.5,
        "attainment_ttft": 0.5,
        "attainment_tpot": 1,
        "attainment_gap": 1,
        "gpu_seconds": 2,
        "cost": 2 * 1000 / 6,
        "batch_mean": 1,
        "fairness_jain": 1,
        "rate": 0,
        "requests": 2,
        "finished": 2,
        "makespan": 0.5,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_one_row_for_each_request() -> None:
    table = requests_table(cluster(Slo(ttft=250)), two().timeline)
    assert table.id == ("r0", "r1") and table.replicas == ("replica-0", "replica-1")
    columns = {
        "arrival": [1, 1],
        "scheduled": [1.1, 1],
        "first": [1.3, 1.2],
        "finish": [1.5, 1.2],
        "tpot": [0.05, 0],
        "gap": [0.06, 0],
        "output": [5, 1],
        "replica": [0, 1],
        "met": [False, True],
    }
    for name, expected in columns.items():
        assert getattr(table, name).tolist() == pytest.approx(expected), name


def test_a_preempted_prompt_speaks_when_it_is_complete() -> None:
    record = Record().arrive("r0", 0, 100, 6)
    record.prefill("r0", "replica-0", 64, 0, 10).point("preempt", "r0", "replica-0", 10)
    record.prefill("r0", "replica-0", 100, 20, 30).decode("r0", "replica-0", 2, 30, 50)
    record.point("preempt", "r0", "replica-0", 50)
    record.prefill("r0", "replica-0", 103, 60, 70).point("preempt", "r0", "replica-0", 70)
    record.prefill("r0", "replica-1", 104, 80, 90).decode("r0", "replica-1", 1, 90, 100)
    record.point("finish", "r0", "replica-1", 100)
    record.timeline.tally("loss", "r0", 10)
    record.timeline.tally("loss", "r0", 20)
    table = requests_table(cluster(), record.timeline)
    assert table.first.tolist() == [0.03]
    assert table.output.tolist() == [6]
    assert table.preemptions.tolist() == [3]
    assert table.tpot.tolist() == pytest.approx([0.07 / 5])
    found = metrics(cluster(), record.timeline)
    assert found["preemptions"] == 3 and found["preemption_rate"] == 1
    assert found["preemption_loss_mean"] == pytest.approx(0.03)


@pytest.mark.parametrize(("told", "tokens"), [("1", 1), ("0", 0)])
def test_what_was_cached_may_make_a_complete_prompt_short(told: str, tokens: int) -> None:
    """The tokens at its preemption tell whether a prefill of 36 of 100 tokens was complete."""
    record = Record().arrive("r0", 0, 100, 1)
    record.prefill("r0", "replica-0", 36, 0, 10)
    record.point("preempt", "r0", "replica-0", 10, told=f"recompute {told}")
    record.prefill("r0", "replica-0", 5, 20, 30)
    record.point("lost", "r0", "replica-0", 25, told="0")  # of the prefill that follows
    record.prefill("r0", "replica-1", 100, 40, 50).point("finish", "r0", "replica-1", 50)
    table = requests_table(cluster(), record.timeline)
    assert table.output.tolist() == [tokens + 1]
    assert table.first.tolist() == [0.01 if tokens else 0.05]


def test_cancelled_requests_count_apart() -> None:
    record = Record().arrive("r0", 0, 100, 9).arrive("r1", 0, 100, 9).arrive("r2", 0, 100, 9)
    record.arrive("r3", 0, 100, 3).serve("r3", "replica-1", 0, 10, 30, 100, 3)
    record.prefill("r0", "replica-0", 100, 0, 10).decode("r0", "replica-0", 3, 10, 40)
    record.point("cancel", "r0", "replica-0", 40, told="4")
    record.prefill("r1", "replica-0", 20, 0, 10).point("cancel", "r1", "replica-0", 10, told="1")
    record.point("cancel", "r2", "", 15, told="0")
    table = requests_table(cluster(), record.timeline)
    assert table.cancelled.tolist() == [True, True, True, False]
    assert table.output.tolist() == [4, 1, 0, 3]
    assert table.first.tolist()[:2] == [0.01, 0.01]
    found = metrics(cluster(), record.timeline)
    counted = {name: found[name] for name in ("finished", "cancelled", "rejected", "unfinished")}
    assert counted == {"finished": 1, "cancelled": 3, "rejected": 0, "unfinished": 0}
    assert found["attainment"] == 0.25


def test_refused_and_unfinished_requests_miss_the_slo() -> None:
    record = two().arrive("r2", 1100, 10**6, 5).point("reject", "r2", "", 1100, "too long")
    record.arrive("r3", 1200, 10, 5).prefill("r3", "replica-1", 10, 1300, 1400)
    record.decode("r3", "replica-1", 2, 1400, 1600)
    found = metrics(cluster(Slo(ttft=200)), record.timeline)
    assert (found["requests"], found["finished"]) == (4, 2)
    assert (found["rejected"], found["unfinished"]) == (1, 1)
    assert found["attainment"] == 0.25
    assert found["attainment_ttft"] == 0.5  # the unfinished one spoke in time
    assert found["makespan"] == pytest.approx(0.6)


@pytest.mark.parametrize("arrivals", [0, 3])
def test_a_run_in_which_nothing_happened_has_the_same_finite_figures(arrivals: int) -> None:
    record = Record()
    for i in range(arrivals):
        record.arrive(f"r{i}", i, 5, 5)
    found = metrics(cluster(), record.timeline)
    assert list(found) == list(METRICS)
    assert all(math.isfinite(value) for value in found.values())
    assert found["unfinished"] == arrivals and found["attainment"] == 0


def test_names_agree() -> None:
    assert METRICS.keys() >= {*OBJECTIVES}
    assert {METRICS[name].better for name in OBJECTIVES} == {"lower"}


@patient
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30)), min_size=1, max_size=30),
    st.sampled_from([0.0, 50.0, 90.0, 99.0, 99.9, 100.0]),
)
def test_percentiles_of_tallies_are_those_of_all_values(
    rows: list[tuple[int, int]], percent: float
) -> None:
    values, counts = (np.array(column) for column in zip(*rows, strict=True))
    every = np.repeat(values, counts)
    expected = np.percentile(every, percent, method="inverted_cdf")
    assert tally_percentile(values, counts, percent) == expected


@patient
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 3000), st.integers(0, 40))
def test_what_must_hold_of_any_run(seed: int, count: int, ttft: int, tpot: int) -> None:
    timeline = busy_day(seed, count)
    tight, loose = Slo(ttft=ttft, tpot=tpot), Slo(ttft=ttft + 5, tpot=tpot + 1)
    found, easier = metrics(cluster(tight), timeline), metrics(cluster(loose), timeline)
    assert found["goodput"] <= found["throughput"]
    assert found["token_goodput"] <= found["token_throughput"]
    for part in ("attainment", "attainment_ttft", "attainment_tpot"):
        assert found[part] <= easier[part]
    assert found["attainment"] <= min(found["attainment_ttft"], found["attainment_tpot"])
    assert found["ttft_p50"] <= found["ttft_p90"] <= found["ttft_p99"] <= found["ttft_p999"]
    assert found["queueing_mean"] <= found["ttft_mean"] <= found["e2e_mean"]
    table = requests_table(cluster(tight), timeline)
    bounds = {"ttft": ttft / 1000, "tpot": tpot / 1000}
    shares = [table.within(scale, bounds).mean() for scale in (0.5, 1, 2)]
    assert shares == sorted(shares)
    assert shares[1] == found["attainment"]
    assert np.percentile(table.e2e, 99) == pytest.approx(found["e2e_p99"])


def test_replicas_belong_to_the_pool_of_their_name() -> None:
    one, other = Pool(name="p-1", tp=2), Pool(name="p", count=2)
    for pools in ((one, other), (other, one)):
        world = cluster(pools=pools)
        lanes = ("p-0", "p-1", "p-1-0", "p-1-12", "p", "p-1-", "r0", "")
        found = [pool_of(world, lane) for lane in lanes]
        assert found == [other, other, one, one, None, None, None, None]


def test_gpus_are_paid_from_the_order_to_the_end_of_draining() -> None:
    record = Record("replica-0").arrive("r0", 0, 10, 2)
    record.serve("r0", "replica-0", 0, 100, 1000, 10, 2)
    record.timeline.span("start", "replica-1", "", "", 200, 300)
    record.timeline.span("drain", "replica-1", "", "", 500, 700)
    found = metrics(cluster(tp=2, pp=2), record.timeline)
    assert found["gpu_seconds"] == pytest.approx(4 * (1.0 + 0.5))


def test_memory_over_time() -> None:
    record = Record().arrive("r0", 0, 10, 2).serve("r0", "replica-0", 0, 100, 1000, 10, 2)
    for name, lane, at, value in (
        ("kv", "replica-0", 0, 80),
        ("kv", "replica-0", 500, 100),
        ("kv", "replica-1", 0, 90),
        ("wasted", "replica-1", 0, 160),
    ):
        record.timeline.gauge(name, lane, at, value)
    found = metrics(cluster(), record.timeline)
    assert found["kv_utilisation"] == pytest.approx((170 + 190) / 2 / 200)
    assert found["waste"] == pytest.approx(160 / 3200)
    assert found["fragmentation"] == 0


def test_fragmentation_is_memory_that_heads_of_queues_could_use_elsewhere() -> None:
    record = Record().arrive("r0", 0, 10, 2).serve("r0", "replica-0", 0, 100, 1000, 10, 2)
    # Of 25 blocks needed, 20 are free where it waits and 10 elsewhere, until 600.
    record.arrive("r1", 0, 25 * 16, 1).serve("r1", "replica-0", 0, 700, 700, 400, 1)
    # Behind it waits one that would fit: it is no head.
    record.arrive("r2", 0, 16, 1).dispatch("r2", "replica-0", 0)
    # This one fits where it waits: something else keeps it out.
    record.arrive("r3", 0, 160, 1).dispatch("r3", "replica-1", 0)
    timeline = record.timeline
    moved = Timeline(timeline.unit, timeline.lanes)
    for span in timeline.spans():
        moved.span(*(span._replace(start=600) if span.group == "r1" else span))
    for point in timeline.points():
        moved.point(*point)
    for lane, value in (("replica-0", 80), ("replica-1", 90)):
        for at in (0, 600):
            moved.gauge("kv", lane, at, value)
    assert metrics(cluster(), moved)["fragmentation"] == pytest.approx(25 / 200 * 0.6)


def test_pools_of_other_sizes_are_told_apart() -> None:
    pools = (Pool(name="small", kv_blocks=10, tp=1), Pool(name="large-2", kv_blocks=90, tp=4))
    record = Record("small-0", "large-2-0").arrive("r0", 0, 10, 1)
    record.serve("r0", "small-0", 0, 1000, 1000, 10, 1)
    record.timeline.gauge("kv", "large-2-0", 0, 90)
    found = metrics(cluster(pools=pools), record.timeline)
    assert found["gpu_seconds"] == pytest.approx(5)
    assert found["kv_utilisation"] == pytest.approx(0.9)


def test_an_empty_timeline() -> None:
    assert metrics(cluster(), Timeline("us"))["requests"] == 0
