"""What serving runs contribute to a report: that the pictures show what happened."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hocket.report import document, html
from hocket.report.figures import Plot, Relation, Strips
from hocket.serving.cost import Constant
from hocket.serving.figures import figures
from hocket.serving.metrics import metrics, requests_table
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.objectives import METRICS
from tests.serving.metrics.record import Record, busy_day, cluster


def plots(found: tuple[object, ...]) -> dict[str, Plot]:
    return {figure.title: figure for figure in found if isinstance(figure, Plot)}


def test_distributions_show_the_share_of_requests_up_to_each_time() -> None:
    timeline = busy_day(1, 300)
    scenario = cluster(Slo(ttft=100))
    shown = plots(figures(scenario, [("a", timeline), ("b", busy_day(2, 300))]))
    plot = shown["Time to first token"]
    assert [line.label for line in plot.lines] == ["a", "b"]
    assert [mark.at for mark in plot.marks] == [0.1]
    ttft = requests_table(scenario, timeline).ttft
    for x, y in zip(plot.lines[0].x, plot.lines[0].y, strict=True):
        assert (ttft <= x * 1.0001).mean() >= y - 1e-9
        assert (ttft < x * 0.9999).mean() <= y + 1e-9


def test_answers_of_one_token_take_no_part_in_the_time_per_token() -> None:
    record = Record().arrive("r0", 0, 5, 1).arrive("r1", 0, 5, 3)
    record.serve("r0", "replica-0", 0, 10, 10, 5, 1).serve("r1", "replica-1", 0, 10, 50, 5, 3)
    shown = plots(figures(cluster(), [("a", record.timeline)]))["Time per output token"]
    assert set(shown.lines[0].x) == {0.02} and shown.x.log


def test_the_attainment_at_scale_one_is_the_metric() -> None:
    timeline = busy_day(3, 200)
    scenario = cluster(Slo(ttft=60, tpot=10))
    (line,) = plots(figures(scenario, [("a", timeline)]))[
        "Attainment against the scale of the SLO"
    ].lines
    assert line.y[line.x.index(1.0)] == pytest.approx(metrics(scenario, timeline)["attainment"])
    assert list(line.y) == sorted(line.y)
    assert (line.x[0], line.x[-1]) == (0.25, 4.0)


def test_without_an_slo_there_is_no_scale_of_it() -> None:
    found = plots(figures(cluster(), [("a", busy_day(3, 50))]))
    assert "Attainment against the scale of the SLO" not in found
    assert not any(plot.marks for plot in found.values())


def test_latency_over_time_is_that_of_the_requests_that_arrive_then() -> None:
    record = Record()
    for i in range(100):  # the later ones wait four times as long
        at, first = 100 * i, 100 * i + (10 if i < 50 else 40)
        record.arrive(f"r{i}", at, 5, 1).serve(f"r{i}", "replica-0", at, first, first, 5, 1)
    shown = plots(figures(cluster(), [("a", record.timeline)]))["Time to first token, by arrival"]
    median, tail = shown.lines
    assert (median.name, tail.name, tail.dashed) == ("median", "95th percentile", True)
    assert median.y == tail.y == (0.01, 0.01, 0.04, 0.04)
    assert median.x == pytest.approx((1.2375, 3.7125, 6.1875, 8.6625), rel=1e-3)


def test_relations_name_metrics() -> None:
    found = [f for f in figures(cluster(), []) if isinstance(f, Relation)]
    assert len(found) == 2
    assert {name for relation in found for name in relation.metrics} <= METRICS.keys()


def strips_of(record: Record, scenario: Cluster | None = None) -> Strips:
    found = figures(scenario or cluster(gauge_every=100), [("p", record.timeline)])
    (strips,) = [figure for figure in found if isinstance(figure, Strips)]
    return strips


def test_strips_hold_the_highest_reading_of_each_stretch() -> None:
    record = Record().arrive("r0", 0, 10, 1).serve("r0", "replica-0", 0, 1000, 1000, 10, 1)
    for at, value in ((100, 20), (150, 50), (199, 30), (450, 10)):
        record.timeline.gauge("kv", "replica-0", at, value)
    strips = strips_of(record)
    assert (strips.step, strips.end, strips.title) == (100, 1000, "p")
    first, second = strips.lanes
    # 30 stands until 450, and is the highest of the stretch in which it ends.
    assert first.values[0] == (None, 0.5, 0.3, 0.3, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1)
    assert set(second.values[0]) == {None}


def test_strips_never_have_more_stretches_than_they_can_show() -> None:
    record = Record().arrive("r0", 0, 10, 1).serve("r0", "replica-0", 0, 10**6, 10**6, 10, 1)
    for at in range(0, 10**6, 500):
        record.timeline.gauge("batch", "replica-0", at, at // 500 % 97)
    strips = strips_of(record, cluster(gauge_every=1))
    (_, batch, _) = strips.lanes[0].values
    assert len(batch) <= 600
    readings = [gauge.value for gauge in record.timeline.gauges("batch")]
    assert max(value or 0 for value in batch) == max(readings) == strips.levels[1].top


def test_strips_mark_what_happened_to_replicas_and_requests() -> None:
    record = Record().arrive("r0", 0, 10, 1).serve("r0", "replica-0", 0, 1000, 1000, 10, 1)
    record.point("preempt", "r0", "replica-1", 210, "memory for r9")
    for name in ("r1", "r2"):
        record.point("preempt", name, "replica-1", 510)
    record.timeline.span("migrate", "replica-0", "r5", "replica-1", 300, 340, "2 stages")
    record.timeline.span("down", "replica-1", "", "", 600, 700)
    strips = strips_of(record)
    events = [(e.lane, e.at // 100, e.count, e.text) for e in strips.events]
    assert events == [(1, 2, 1, "r0: memory for r9"), (1, 5, 2, "")]
    (arrow,) = strips.arrows
    assert (arrow.source, arrow.target, arrow.start, arrow.end) == (0, 1, 300, 340)
    assert arrow.text == "r5: 2 stages"
    assert [(b.lane, b.start, b.end, b.kind) for b in strips.bands] == [(1, 600, 700, "down")]


def test_runs_in_which_nothing_happened_still_have_a_report() -> None:
    found = figures(cluster(Slo(ttft=10)), [("a", Record().timeline)])
    made = document.from_run(scenario="s", policy="a", timeline=Record().timeline, figures=found)
    assert html.render(made)


def test_a_page_of_ten_thousand_requests_stays_small() -> None:
    timeline = busy_day(5, 10_000, replicas=8, every=20)
    rng = np.random.default_rng(0)
    for at in range(0, timeline.end, 1000):
        for lane in timeline.lanes:
            for name in ("kv", "batch", "waiting", "wasted"):
                timeline.gauge(name, lane, at, int(rng.integers(0, 100)))
    scenario = cluster(Slo(ttft=100), count=8, gauge_every=1000)
    made = document.from_run(
        scenario="s",
        policy="a",
        timeline=timeline,
        metrics=metrics(scenario, timeline),
        figures=figures(scenario, [("a", timeline)]),
        measures=METRICS,
    )
    size = len(html.render(made).encode())
    print(f"\n10,000 requests: {size / 1e6:.2f} MB")
    assert size < 3_000_000


def test_pools_of_different_memory_share_one_scale() -> None:
    shared: dict[str, Any] = {"cost": Constant(), "block_size": 16}
    pools = (Pool(name="s", kv_blocks=10, **shared), Pool(name="l", kv_blocks=100, **shared))
    record = Record("s-0", "l-0").arrive("r0", 0, 10, 1).serve("r0", "s-0", 0, 99, 99, 10, 1)
    for lane in ("s-0", "l-0"):
        record.timeline.gauge("kv", lane, 0, 10)
    strips = strips_of(record, cluster(pools=pools, gauge_every=100))
    assert [lane.values[0] for lane in strips.lanes] == [(1.0,), (0.1,)]
