"""``hocket solve`` on a cluster: fleets, rates, evidence, plans."""

import json
from pathlib import Path
from typing import Any

import pytest

from hocket.cli import main
from tests.cli.samples import FT06, write

CLUSTER = """\
problem: serving/cluster
workload:
  kind: random
  count: 60
  arrivals: {kind: rate, rate: 20.0}
  lengths:
    kind: separate
    prompt: {kind: lognormal, median: 800, p90: 3000, cap: 6000}
    output: {kind: lognormal, median: 60, p90: 200, cap: 400}
slo: {ttft: 500 ms, tpot: 30 ms}
search: {most: 4, tokens: [512, 2048], price: {A100-80GB: 2.5}}
"""


def asked(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    """Run a command with --json; standard output must be one JSON document and nothing else."""
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_the_cheapest_fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "solve", write(tmp_path, CLUSTER))
    assert (found["status"], found["minimised"]) == ("optimal", "price")
    assert found["objective"] == found["bound"] == 2.5 * found["pools"][0]["count"]
    assert found["feasible"] is True
    assert found["metrics"]["attainment"] >= 0.9
    assert found["policy"]["policy"].startswith("serving/")
    assert found["advice"]
    best = found["evidence"][0]
    assert best["price"] == found["objective"]
    assert best["attainment"] == found["metrics"]["attainment"]
    assert "schedule" not in found


def test_a_table_and_a_plan_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, plan = write(tmp_path, CLUSTER), tmp_path / "fleet.yaml"
    assert main(["solve", path, "--plan", str(plan)]) == 0
    told = capsys.readouterr()
    for part in ("optimal", "evidence: ", "meets the SLO", "vllm serve", "check: no violation"):
        assert part in told.out
    policy = tmp_path / "fleet-policy.yaml"
    assert str(plan) in told.err and str(policy) in told.err
    found = asked(capsys, "solve", path)
    again = asked(capsys, "run", str(plan), "--policy", str(policy))
    assert again["metrics"] == found["metrics"]
    assert again["policy"] == found["policy"]


def test_the_highest_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, CLUSTER)
    found = asked(capsys, "solve", path, "--maximise", "goodput")
    assert (found["status"], found["maximised"]) == ("feasible", "goodput")
    assert found["objective"] < found["bound"] <= found["objective"] * 1.0251
    assert found["metrics"]["rate"] == pytest.approx(found["objective"], rel=1e-3)
    assert found == asked(capsys, "solve", path, "--objective", "goodput") | {
        "seconds": found["seconds"],
        "log": found["log"],
    }


def test_no_fleet_is_good_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, plan = write(tmp_path, CLUSTER.replace("30 ms", "1 ms")), tmp_path / "fleet.yaml"
    found = asked(capsys, "solve", path, "--plan", str(plan), code=1)
    assert (found["status"], found["objective"], found["feasible"]) == ("infeasible", None, False)
    assert "miss tpot" in found["reason"]
    assert found["evidence"]
    assert not plan.exists()
    assert main(["solve", path]) == 1
    assert "misses tpot" in capsys.readouterr().out


def test_a_report_shows_cost_against_attainment(tmp_path: Path) -> None:
    report = tmp_path / "r.html"
    path = write(tmp_path, CLUSTER)
    assert main(["solve", path, "--report", str(report)]) == 0
    page = report.read_text()
    assert "Attainment against price of the fleet" in page
    assert "share asked for" in page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--maximise", "goodpt"], "goodput"),
        (["--maximise", "price"], "goodput"),
        (["--maximise", "goodput", "--objective", "price"], "not both"),
        (["--objective", "makespan"], "price, goodput"),
        (["--method", "cp-sat"], "auto"),
    ],
)
def test_mistakes(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["solve", write(tmp_path, CLUSTER), *arguments]) == 2
    assert told in capsys.readouterr().err


def test_what_other_problems_do_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = write(tmp_path, FT06, "ft06")
    assert main(["solve", shop, "--maximise", "goodput"]) == 2
    assert "Nothing is maximised for job-shop" in capsys.readouterr().err
    assert main(["solve", shop, "--on", "ray"]) == 2
    assert "on this machine only" in capsys.readouterr().err
    cluster = write(tmp_path, CLUSTER)
    assert main(["compare", cluster, "--no-study", "--solve", "5"]) == 2
    assert "no bound for policies" in capsys.readouterr().err


def test_a_cluster_without_a_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = CLUSTER.replace("slo: {ttft: 500 ms, tpot: 30 ms}\n", "")
    assert main(["solve", write(tmp_path, text)]) == 2
    assert "slo: asks for nothing" in capsys.readouterr().err
