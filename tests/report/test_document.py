"""The builders of documents."""

from __future__ import annotations

import math

import msgspec
import pytest

from hocket import __version__
from hocket.core.solution import Solution
from hocket.core.study import Row
from hocket.report import document, html
from tests.report.samples import broken, differences, rows, small, solved


def test_a_run() -> None:
    made = document.from_run(
        scenario="tiny",
        policy="shop/spt",
        timeline=small(),
        metrics={"makespan": 130},
        violations=broken(),
        command="hocket run tiny --policy shop/spt",
        seed=3,
        facts={"Jobs": 2},
    )
    assert made.title == "tiny under shop/spt"
    assert (made.seed, made.version, made.date) == ("3", __version__, "")
    assert made.facts == (document.Fact("Jobs", "2"),)
    assert [chart.label for chart in made.charts] == ["shop/spt"]
    assert made.charts[0].metrics == {"makespan": 130}
    assert made.violations == broken()
    assert made.comparison is None and made.solved is None


def test_names_that_are_no_unicode_can_still_be_written() -> None:
    made = document.from_run(
        scenario="f\udcfc", policy="p", timeline=small(), command="run f\udcfc", facts={"\udcfc": 1}
    )
    assert (made.title, made.command) == ("f? under p", "run f?")
    assert "run f?" in html.render(made)


def test_a_comparison_of_mappings_or_of_a_study() -> None:
    made = document.from_compare(rows=rows(), differences=differences())
    assert made.title == "3 policies on tiny"
    assert made.comparison is not None
    assert made.comparison.estimates[0] == document.Estimate(
        "tiny", "shop/spt", "makespan", 130, 117, 143, 10
    )
    study = [msgspec.convert(row, Row) for row in rows()]
    assert (
        document.from_compare(rows=study).comparison
        == document.from_compare(rows=rows()).comparison
    )


def test_the_interval_of_a_single_run_is_unknown() -> None:
    row = rows()[0] | {"low": -math.inf, "high": math.inf, "n": 1}
    compared = document.comparison_of([row])
    estimate = compared.estimates[0]
    assert (estimate.mean, estimate.low, estimate.high) == (130, None, None)


def test_a_row_that_lacks_a_field_is_refused() -> None:
    row = {key: value for key, value in rows()[0].items() if key != "policy"}
    with pytest.raises(msgspec.ValidationError, match="policy"):
        document.from_compare(rows=[row])


def test_a_solution_beside_a_policy() -> None:
    made = document.from_solution(solved(), timelines=[("shop/spt", small())])
    assert made.title == "tiny: makespan (optimal)"
    assert [chart.label for chart in made.charts] == ["optimal", "shop/spt"]
    assert made.solved is not None
    assert (made.solved.gap, len(made.solved.steps)) == (0.0, 4)
    assert made.violations == ()


def test_a_solution_without_schedule_has_nothing_to_check() -> None:
    found = Solution(
        scenario="tiny", objective="makespan", status="infeasible", reason="due dates clash"
    )
    made = document.from_solution(found)
    assert made.charts == () and made.violations is None
    assert made.solved is not None and made.solved.reason == "due dates clash"
