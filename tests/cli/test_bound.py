"""``hocket compare --solve``: policies beside a proven bound."""

import io
import json
from pathlib import Path

import pytest

from hocket.cli import main
from hocket.cli.bound import gaps
from hocket.core import study
from hocket.core.load import load, load_policy
from hocket.core.solution import Solution
from hocket.report.html import read
from tests.cli.samples import FT06, NOISY, SHOP, write

SHORT = ["--no-study", "--solve", "30"]


def test_gaps_are_to_the_proven_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, FT06, "ft06")
    arguments = ["compare", path, "--policy", "shop/spt", "--policy", "shop/mwkr"]
    assert main([*arguments, *SHORT, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["policy"] for row in found["rows"]} == {"shop/spt", "shop/mwkr"}
    (solved,) = found["solutions"]
    assert (solved["status"], solved["value"], solved["bound"]) == ("optimal", 55, 55)
    best, *others = solved["gaps"]
    assert best == {"policy": "solver (optimal)", "mean": 55, "gap": 0}
    assert {row["policy"]: row["mean"] for row in others}["shop/spt"] == 88
    for row in others:
        assert row["gap"] == pytest.approx(row["mean"] / 55 - 1)


def test_the_report_shows_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, page = write(tmp_path, SHOP), tmp_path / "report.html"
    assert main(["compare", path, "--policy", "shop/spt", *SHORT, "--report", str(page)]) == 0
    assert "above the bound" in capsys.readouterr().out
    report = read(page)
    assert [chart.label for chart in report.charts] == ["optimal", "shop/spt"]
    assert report.comparison is not None
    assert report.solved is not None and report.solved.value == 12
    assert report.violations == ()


def test_nothing_is_proven_about_random_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, NOISY)
    assert main(["compare", path, "--policy", "shop/spt", "--seeds", "2", *SHORT, "--json"]) == 0
    (solved,) = json.loads(capsys.readouterr().out)["solutions"]
    assert all(row["gap"] is None for row in solved["gaps"])
    assert "disturbances" in solved["reason"]


def test_scenarios_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    worlds = [load(write(first, FT06, "shop")), load(write(second, SHOP, "shop.yaml"))]
    compared = study.compare(worlds, [load_policy("shop/spt")], workers=1)
    named = list(dict.fromkeys(row.scenario for row in compared.rows))
    assert study.labels(worlds) == named == ["shop", "shop #2"]
    solved = Solution(scenario="shop", objective="makespan", status="unknown")
    means = [
        gaps(name, world, solved, compared)[0].mean
        for name, world in zip(named, worlds, strict=True)
    ]
    assert means == [88, 12]


def test_no_gap_without_a_bound() -> None:
    nothing = study.Comparison(
        rows=(), differences=(), failures=(), seeds=1, complete=True, study=""
    )
    world = load("shop/ta01")
    unknown = Solution(scenario="ta01", objective="makespan", status="unknown")
    assert gaps("ta01", world, unknown, nothing) == []
    zero = Solution(scenario="ta01", objective="makespan", status="optimal", value=0, bound=0.0)
    (row,) = gaps("ta01", world, zero, nothing)
    assert row.gap is None


def test_a_report_leaves_out_what_failed_also_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, report = tmp_path / "broken.py", tmp_path / "c.html"
    rule.write_text(
        "from hocket.shop.policies.rules import Rule\n"
        "class Broken(Rule, frozen=True):\n"
        "    name = 'shop/broken'\n"
        "    def priority(self, view, op):\n"
        "        raise ZeroDivisionError('oops')\n"
    )
    text = SHOP.replace("{machine: drill, duration: 3}", "{machine: saw, duration: 3}")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    policies = ["--policy", "shop/spt", "--policy", str(rule)]
    options = ["--no-study", "--workers", "1", "--report", str(report)]
    assert main(["compare", *policies, *options, "--", "-"]) == 1
    assert [chart.label for chart in read(report).charts] == ["shop/spt"]


def test_a_task_graph_beside_its_least_makespan(capsys: pytest.CaptureFixture[str]) -> None:
    graph = ["compare", "taskgraph/canonical", "--policy", "taskgraph/heft", *SHORT]
    assert main([*graph, "--json"]) == 0
    (solved,) = json.loads(capsys.readouterr().out)["solutions"]
    assert (solved["objective"], solved["status"]) == ("makespan", "optimal")
    best, heft = solved["gaps"]
    assert best["mean"] == solved["bound"] and heft["mean"] == 80
    assert heft["gap"] == pytest.approx(80 / solved["bound"] - 1)
    assert main(["compare", "taskgraph/top", "--policy", "taskgraph/etf", *SHORT]) == 2
    assert "arrive at random" in capsys.readouterr().err
