"""Figures of a domain: relations drawn from estimates, charts thinned where strips show more."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hocket.core.domain import Measure
from hocket.core.timeline import Timeline
from hocket.report import document, html
from hocket.report.chart import encode
from hocket.report.figures import (
    Axis,
    Figure,
    Lane,
    Level,
    Line,
    Mark,
    Plot,
    Relation,
    Strips,
    drawn,
)
from tests.report.samples import HOSTILE, small


def plot(**fields: object) -> Plot:
    """Two lines that cross."""
    line = Line(label="shop/spt", x=(0.001, 0.01, 0.1), y=(0.0, 0.5, 1.0))
    made = Plot(
        group="Latency",
        title="Waiting",
        caption="Share of jobs.",
        x=Axis(label="wait", kind="seconds", log=True),
        y=Axis(label="share", kind="share", low=0, high=1),
        lines=(line, msgspec.structs.replace(line, label="shop/mwr", y=(0.2, 0.4, 0.9))),
        marks=(Mark(at=0.02, label="SLO"),),
    )
    return msgspec.structs.replace(made, **fields)


def strips(label: str = "p", lanes: int = 3) -> Strips:
    """Lanes with an area and a line, ten readings each."""
    rows = [tuple(float((i + n) % 5) for i in range(10)) for n in range(lanes)]
    return Strips(
        group="Machines",
        title=label,
        unit="s",
        end=100,
        step=10,
        levels=(Level(name="used", top=5, style="area"), Level(name="waiting", top=5)),
        lanes=tuple(Lane(name=f"m{n}", values=(row, row[::-1])) for n, row in enumerate(rows)),
    )


def estimate(policy: str, scenario: str, metric: str, mean: float) -> document.Estimate:
    return document.Estimate(scenario, policy, metric, mean, mean - 0.1, mean + 0.1, 3)


def relation(joined: bool) -> Relation:
    axis = Axis(label="x")
    return Relation(
        group="g", title="t", x=axis, y=axis, metrics=("rate", "attainment"), joined=joined
    )


def estimates() -> list[document.Estimate]:
    """Two policies at two rates; attainment is higher for `a` and falls with the rate."""
    return [
        estimate(policy, scenario, metric, mean)
        for policy, worse in (("a", 0.0), ("b", 0.2))
        for scenario, rate in (("fast", 8.0), ("slow", 2.0))
        for metric, mean in (("rate", rate), ("attainment", 1 - worse - rate / 100))
    ]


def test_a_relation_becomes_a_line_for_each_policy_in_order() -> None:
    (found,) = drawn([relation(joined=True)], estimates())
    assert isinstance(found, Plot) and found.style == "line"
    assert [(line.label, line.x) for line in found.lines] == [("a", (2, 8)), ("b", (2, 8))]
    first = found.lines[0]
    assert first.y == pytest.approx((0.98, 0.92))
    assert first.low == pytest.approx((0.88, 0.82))
    assert first.notes == ("slow", "fast")


def test_a_relation_of_one_rate_is_no_curve_but_has_dots() -> None:
    rows = [row for row in estimates() if row.scenario == "slow"]
    assert drawn([relation(joined=True)], rows) == ()
    (found,) = drawn([relation(joined=False)], rows)
    assert isinstance(found, Plot) and found.style == "dots"
    assert [line.y for line in found.lines] == [pytest.approx((0.98,)), pytest.approx((0.78,))]


def test_relations_need_what_they_relate() -> None:
    rows = [row for row in estimates() if row.metric == "rate"]
    assert drawn([relation(joined=False), relation(joined=True)], rows) == ()
    assert drawn([relation(joined=False)], ()) == ()
    single = [row for row in estimates() if (row.policy, row.scenario) == ("a", "slow")]
    assert drawn([relation(joined=False)], single) == ()


def test_intervals_that_are_not_known_are_left_out() -> None:
    rows = [msgspec.structs.replace(row, low=None) for row in estimates()]
    (found,) = drawn([relation(joined=False)], rows)
    assert isinstance(found, Plot)
    assert all(line.low == line.high == () for line in found.lines)


def crowded(count: int) -> Timeline:
    """Many runs, few breakdowns."""
    timeline = Timeline("s", ("m0", "m1"))
    for i in range(count):
        timeline.span("run", f"m{i % 2}", f"j{i}", "", 10 * i, 10 * i + 9)
        timeline.point("finish", f"m{i % 2}", f"j{i}", "", 10 * i + 9)
        timeline.gauge("queue", "m0", 10 * i, i % 7)
    timeline.span("down", "m1", "", "", 5, 9)
    return timeline


def test_kinds_that_are_too_many_are_left_out_and_counted() -> None:
    timeline = crowded(50)
    chart = encode("p", timeline, most=40, levels=False)
    assert chart.left_out == {"run": 50, "finish": 50}
    assert [chart.kinds[k] for k in chart.bars.kind] == ["down"]
    assert chart.levels == () and chart.marks.lane == ()
    whole = encode("p", timeline)
    assert (chart.end, chart.lanes, chart.busy) == (whole.end, whole.lanes, whole.busy)
    assert whole.left_out == {} and encode("p", timeline, most=50).left_out == {}


def test_charts_are_thinned_only_beside_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MOST_BARS", 100)
    runs = [("p", crowded(60)), ("q", crowded(40))]
    plain = document.from_compare(rows=(), timelines=runs, figures=[plot()])
    assert [chart.left_out for chart in plain.charts] == [{}, {}]
    assert all(chart.levels for chart in plain.charts)
    made = document.from_compare(rows=(), timelines=runs, figures=[strips("p"), strips("q")])
    assert [chart.left_out for chart in made.charts] == [{"run": 60, "finish": 60}, {}]
    assert not any(chart.levels for chart in made.charts)


def figured() -> document.Document:
    """A run with figures and meanings."""
    figures: list[Figure] = [plot(), strips("shop/spt")]
    return document.from_run(
        scenario="tiny",
        policy="shop/spt",
        timeline=small(),
        metrics={"wait": 0.0042, "made": 3, "share": 0.5},
        figures=figures,
        measures={
            "wait": Measure("s", "lower", "time that a job waits", shown=True),
            "share": Measure("share", "higher", HOSTILE),
        },
    )


def test_figures_and_meanings_come_back_out_of_the_page(tmp_path: Path) -> None:
    made = figured()
    assert made.figures == (plot(), strips("shop/spt"))
    assert made.meanings["wait"] == document.Meaning("s", "time that a job waits", True)
    assert html.read(html.write(made, tmp_path / "report.html")) == made
    assert "onerror=" not in html.render(made).split("<script>")[-1]
