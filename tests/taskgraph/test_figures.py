"""What runs of task graphs contribute to a report: that the pictures show what happened."""

from __future__ import annotations

import numpy as np
import pytest

from hocket.core.load import load_policy
from hocket.core.timeline import Timeline
from hocket.report import document, html
from hocket.report.figures import Plot, Relation, Strips
from hocket.taskgraph.figures import figures
from hocket.taskgraph.generate import named
from hocket.taskgraph.metrics import completed, metrics
from hocket.taskgraph.model.processors import Function, OperatingPoint, Processor, Sampling
from hocket.taskgraph.objectives import METRICS
from hocket.taskgraph.simulate.world import simulate
from tests.taskgraph.deciders import Adapted, EarliestFinish
from tests.taskgraph.records import Pieces, right, small

STREAM = named("top5")


def runs() -> list[tuple[str, Timeline]]:
    """Two policies on a stream."""
    names = ("taskgraph/etf", "taskgraph/met")
    return [(name, simulate(STREAM, load_policy(name), seed=1)) for name in names]


def plots(found: tuple[object, ...]) -> dict[str, Plot]:
    return {figure.title: figure for figure in found if isinstance(figure, Plot)}


def test_policies_share_the_plots_of_a_stream() -> None:
    played = runs()
    shown = plots(figures(STREAM, played))
    assert set(shown) == {"Latency", "Latency over time", "Jobs in the system"}
    assert [line.label for line in shown["Latency"].lines] == ["taskgraph/etf", "taskgraph/met"]
    latency = np.array([job.latency for job in completed(STREAM, played[0][1])]) * 1e-6
    for x, y in zip(shown["Latency"].lines[0].x, shown["Latency"].lines[0].y, strict=True):
        assert (latency <= x * 1.0001).mean() >= y - 1e-9
        assert (latency < x * 0.9999).mean() <= y + 1e-9


def test_the_mean_of_the_jobs_in_the_system_is_the_metric() -> None:
    for label, timeline in runs():
        (line,) = plots(figures(STREAM, [(label, timeline)]))["Jobs in the system"].lines
        expected = metrics(STREAM, timeline)["jobs_mean"]
        assert np.mean(line.y) == pytest.approx(expected, rel=1e-3)
        assert max(line.y) <= 3


def test_latency_over_time_is_that_of_the_jobs_that_are_done_then() -> None:
    pieces = Pieces()
    for i in range(100):  # the later ones take four times as long
        finish = 1000 * (i + 1)
        pieces.point("arrive", f"G#{i}", finish - (10 if i < 50 else 40))
        pieces.point("done", f"G#{i}", finish)
    shown = plots(figures(small(warm_up=500), [("a", pieces.timeline)]))["Latency over time"]
    median, tail = shown.lines
    assert (median.name, tail.name, tail.dashed) == ("median", "95th percentile", True)
    assert median.y == tail.y == pytest.approx((1e-5, 1e-5, 4e-5, 4e-5))
    assert [(mark.at, mark.label) for mark in shown.marks] == [(0.0005, "warm-up ends")]


def test_one_job_has_a_gantt_chart_and_no_more() -> None:
    assert figures(small(), [("a", right().timeline)]) == ()


def test_only_streams_relate_latency_to_throughput() -> None:
    (relation,) = [f for f in figures(STREAM, []) if isinstance(f, Relation)]
    assert set(relation.metrics) <= METRICS.keys()


def test_frequencies_are_drawn_where_a_governor_changes_them() -> None:
    points = (OperatingPoint(frequency=50, voltage=1), OperatingPoint(frequency=100, voltage=1))
    functions = {name: Function(duration=20) for name in "abc"}
    fast = Processor(name="P", functions=functions, points=points, governor="ondemand")
    scenario = small(
        processors=(fast, Processor(name="Q", functions=functions)), sampling=Sampling(period=10)
    )
    timeline = simulate(scenario, Adapted(EarliestFinish(scenario)))  # type: ignore[arg-type]
    (strips,) = [f for f in figures(scenario, [("a", timeline)]) if isinstance(f, Strips)]
    (lane,) = strips.lanes
    assert (lane.name, strips.levels[0].top, strips.end) == ("P", 100, timeline.end)
    steps = [(gauge.time, gauge.value) for gauge in timeline.gauges("frequency")]
    for k, value in enumerate(lane.values[0]):
        assert value == [level for time, level in steps if time <= k * strips.step][-1]


def test_a_report_can_be_written() -> None:
    played = runs()
    made = document.from_run(
        scenario="s",
        policy="a",
        timeline=played[0][1],
        metrics=metrics(STREAM, played[0][1]),
        figures=figures(STREAM, played),
        measures=METRICS,
    )
    assert "Jobs in the system" in html.render(made)
    empty = document.from_run(
        scenario="s",
        policy="a",
        timeline=Timeline("us"),
        figures=figures(STREAM, [("a", Timeline("us"))]),
    )
    assert html.render(empty)
