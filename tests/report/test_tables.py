"""Tables for the command line: plain, complete, and legible at any width."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import RenderableType

from hocket.core.paper import Claim
from hocket.core.solution import Solution, Violation
from hocket.report import tables
from tests.report.samples import broken, differences, rows, solved


def shown(part: RenderableType, width: int | None = None) -> str:
    file = io.StringIO()
    tables.show(part, file=file, width=width)
    return file.getvalue()


CLAIMS = [
    Claim(name="EDDC gap", published=12.83, measured=12.8312, fidelity="exact", holds=True),
    Claim(
        name="order",
        published="MDD < EDD",
        measured="EDD < MDD",
        fidelity="shape",
        holds=False,
        note="table 6",
    ),
]


def everything() -> list[RenderableType]:
    failures = [{"scenario": "tiny", "policy": "shop/[red]x", "seed": 4, "error": "Deadlock: B"}]
    return [
        tables.metrics({"makespan": 130, "total_tardiness": 12345.678}, "tiny"),
        tables.comparison(rows(), differences(), failures=failures, better={"makespan": "lower"}),
        tables.solution(solved()),
        tables.claims(CLAIMS),
    ]


def test_units_stand_beside_what_has_them() -> None:
    text = shown(tables.metrics({"wait": 0.25, "made": 3}, "tiny", units={"wait": "s"}))
    assert [line.split() for line in text.splitlines() if line][-2:] == [
        ["wait", "0.2500", "s"],
        ["made", "3"],
    ]
    units = {"makespan": "min", "throughput": "share"}
    text = shown(tables.comparison(rows(), units=units))
    assert "makespan (min)" in text and "throughput (" not in text


def test_metrics() -> None:
    text = shown(tables.metrics({"makespan": 130, "total_tardiness": 12345.678}, "tiny"))
    assert text.splitlines() == [
        "tiny",
        "",
        " metric             value",
        " ────────────────────────",
        " makespan             130",
        " total tardiness   12,346",
        "",
    ]


def test_the_best_is_marked_only_where_the_direction_is_known() -> None:
    text = shown(tables.comparison(rows(), better={"makespan": "lower"}))
    assert [line.split()[0] for line in text.splitlines() if "*" in line] == ["shop/spt"]
    higher = shown(tables.comparison(rows(), better={"throughput": "higher", "makespan": "higher"}))
    assert "155 ± 16 *" in higher and "0.510 ± 0.051 *" in higher
    assert "*" not in shown(tables.comparison(rows()))


def test_differences_that_may_be_nothing_are_marked() -> None:
    def row(policy: str, line: str) -> bool:
        return line.split()[1:3] == [f"shop/{policy}", "shop/spt"]

    lines = shown(tables.comparison(rows(), differences())).splitlines()
    assert next(line for line in lines if row("mwr", line)).endswith("~")
    assert not next(line for line in lines if row("fifo", line)).endswith("~")


def test_a_single_run_has_no_interval() -> None:
    row = rows()[0] | {"low": -math.inf, "high": math.inf, "n": 1}
    text = shown(tables.comparison([row]))
    assert "tiny (1 run)\n" in text and " shop/spt        130\n" in text


@pytest.mark.parametrize("width", [30, 45, 60, 80, 160])
def test_no_line_is_too_long_and_no_figure_is_cut(width: int) -> None:
    for part in everything():
        text = shown(part, width)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
    text = " ".join(shown(part, width) for part in everything())
    for figure in ("12,346", "142 ± 14", "-2", "26", "0.510 ± 0.051", "12.83", "optimal", "exact"):
        assert figure in text
    assert "[red]x" in text.replace("\n", "").replace(" ", "")


def test_no_escape_codes_outside_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert "\x1b" not in "".join(map(shown, everything()))


def test_a_terminal_gets_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = Terminal()
    tables.show(tables.solution(solved()), file=file)
    assert "\x1b[" in file.getvalue()


def test_columns_of_the_environment_are_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, shown(tables.claims(CLAIMS)).splitlines())) <= 40


def test_listing() -> None:
    rows = [{"name": "shop/spt", "summary": "[b]Shortest"}, {"name": "shop/lpt", "summary": ""}]
    lines = shown(tables.listing(rows, title="policies")).splitlines()
    assert (lines[0], lines[2].split(), lines[4].split()) == (
        "policies",
        ["name", "summary"],
        ["shop/spt", "[b]Shortest"],
    )
    assert shown(tables.listing([], title="papers")).splitlines()[0] == "papers"


def test_solution_with_violations_and_without_schedule() -> None:
    assert "check: no violation" in shown(tables.solution(solved()))
    assert "overlap: Mill does two things" in shown(tables.violations(broken()))
    many = [Violation("late", str(i)) for i in range(25)]
    assert shown(tables.violations(many)).endswith("  ... and 5 more\n")
    empty = Solution(scenario="s", objective="makespan", status="unknown", reason="time is up")
    text = shown(tables.solution(empty))
    assert "check" not in text and "time is up" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (130, "130"),
        (130.0, "130"),
        (-1234567, "-1,234,567"),
        (0.73125, "0.7312"),
        (1204.26, "1,204"),
        (12.8312, "12.83"),
        (1.2e-7, "1.2e-07"),
        (3e20, "3e+20"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "-"),
        (None, "-"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert tables.number(value) == text


def test_spreads_ask_for_more_digits() -> None:
    write = tables.alike([967.18, 1204.0], [0.43])
    assert (write(967.18), write(0.43)) == ("967.18", "0.43")
