"""Every command on sound input: what it prints, writes and returns."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from hocket.cli import main
from tests.cli.samples import FT06, NOISY, PROJECT, SHOP, SINGLE, write


def asked(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    """Run a command with --json; standard output must be one JSON document and nothing else."""
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_run_prints_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, FT06, "ft06")
    found = asked(capsys, "run", path, "--policy", "shop/spt", "--seed", "3")
    assert found["scenario"] == "ft06"
    assert found["policy"] == {"policy": "shop/spt"}
    assert found["seed"] == 3
    assert found["metrics"]["makespan"] == 88
    assert main(["run", path, "--policy", "shop/spt"]) == 0
    assert "88" in capsys.readouterr().out


def test_run_without_a_policy_takes_a_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(capsys, "run", write(tmp_path, SHOP))["policy"] == {"policy": "shop/fifo"}


def test_run_writes_report_trace_and_timeline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, trace, timeline = (tmp_path / n for n in ("r.html", "t.json", "spans.json"))
    arguments = ["run", "shop/ta01", "--policy", "shop/atc", "--set", "k=3"]
    arguments += ["--report", str(report), "--trace", str(trace), "--timeline", str(timeline)]
    assert main(arguments) == 0
    assert "hocket run shop/ta01" not in capsys.readouterr().out
    assert "shop/atc(k=3.0)" in report.read_text()
    events = json.loads(trace.read_text())["traceEvents"]
    assert sum(e["ph"] == "X" for e in events) >= 225
    assert timeline.exists()


def test_settings_reach_the_policy(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "run", "shop/ta01", "--policy", "shop/gt", "--set", "kind=non-delay")
    assert found["policy"] == {"policy": "shop/gt", "rule": "shop/mwkr", "kind": "non-delay"}
    assert found["metrics"]["makespan"] == 1491


@pytest.mark.parametrize(("text", "optimum"), [(FT06, 55), (SHOP, 12), (SINGLE, 141), (PROJECT, 7)])
def test_solve_proves_the_optimum(
    text: str, optimum: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = asked(capsys, "solve", write(tmp_path, text), "--time-limit", "30")
    assert found["status"] == "optimal"
    assert found["objective"] == found["bound"] == optimum
    assert found["metrics"][found["minimised"]] == optimum
    assert found["gap"] == 0
    assert found["feasible"] is True
    assert found["violations"] == []
    first = found["schedule"][0]
    assert set(first) == {"job", "operation", "machine", "start", "end"}


def test_solve_another_objective(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, SINGLE)
    found = asked(capsys, "solve", path, "--objective", "max_lateness", "--time-limit", "20")
    assert (found["minimised"], found["objective"], found["status"]) == (
        "max_lateness",
        62 - 15,
        "optimal",
    )


def test_solve_writes_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "solved.html"
    assert (
        main(["solve", write(tmp_path, SHOP), "--time-limit", "20", "--report", str(report)]) == 0
    )
    assert "optimal" in capsys.readouterr().out
    assert "table.0" in report.read_text()


def test_compare_pairs_policies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["compare", write(tmp_path, NOISY), "--policy", "shop/spt", "--policy", "shop/lpt"]
    found = asked(capsys, *arguments, "--seeds", "6", "--workers", "1")
    assert {row["policy"] for row in found["rows"]} == {"shop/spt", "shop/lpt"}
    assert all(row["n"] == 6 and row["low"] <= row["mean"] <= row["high"] for row in found["rows"])
    means = {r["policy"]: r["mean"] for r in found["rows"] if r["metric"] == "makespan"}
    paired = next(d for d in found["differences"] if d["metric"] == "makespan")
    assert paired["mean"] == pytest.approx(means["shop/lpt"] - means["shop/spt"])
    assert (paired["policy"], paired["versus"]) == ("shop/lpt", "shop/spt")
    assert Path(found["study"]).exists()


def test_compare_gives_the_same_for_any_number_of_workers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "compare",
        write(tmp_path, NOISY),
        "--policy",
        "shop/spt",
        "--policy",
        "shop/random",
    ]
    arguments += ["--seeds", "3", "--no-study"]
    one = asked(capsys, *arguments, "--workers", "1")
    assert one == asked(capsys, *arguments, "--workers", "2")


def test_compare_writes_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "c.html"
    arguments = ["compare", write(tmp_path, NOISY), "--no-study", "--report", str(report)]
    assert main([*arguments, "--workers", "1", "--seeds", "2"]) == 0
    assert "shop/mwkr" in report.read_text()
    assert "shop/mwkr" in capsys.readouterr().out


def test_compare_settings_for_one_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", write(tmp_path, SHOP), "--policy", "shop/atc", "--policy", "shop/spt"]
    arguments += ["--no-study", "--workers", "1"]
    for setting in ("k=5", "shop/atc.k=5"):
        found = asked(capsys, *arguments, "--set", setting)
        assert {row["policy"] for row in found["rows"]} == {"shop/atc(k=5.0)", "shop/spt"}
    assert main([*arguments, "--set", "kk=5"]) == 2
    assert "kk" in capsys.readouterr().err


@pytest.mark.parametrize(
    "kind", ["domains", "policies", "scenarios", "papers", "generators", "formats"]
)
def test_list(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = {entry["name"] for entry in asked(capsys, "list", kind)}
    expected = {
        "domains": "shop",
        "policies": "shop/mdd",
        "scenarios": "shop/dmu80",
        "papers": "eddc-mddc",
        "generators": "shop/taillard",
        "formats": "jsplib",
    }
    assert expected[kind] in names
    assert main(["list", kind]) == 0
    assert expected[kind] in capsys.readouterr().out


def test_generate_then_check_then_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "drawn.yaml")
    arguments = ["generate", "shop/disrupted", "--set", "jobs=5", "--set", "machines=3"]
    assert main([*arguments, "--seed", "7", "-o", path]) == 0
    assert main(["check", path]) == 0
    assert "ok" in capsys.readouterr().out
    found = asked(capsys, "run", path, "--policy", "shop/mdd")
    assert found["metrics"]["makespan"] > 0
    assert main([*arguments, "--seed", "7"]) == 0
    assert capsys.readouterr().out == Path(path).read_text()


def test_a_rule_in_a_file_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = tmp_path / "my_rule.py"
    rule.write_text(
        "from hocket.shop.policies.rules import Rule\n"
        "class Slack(Rule, frozen=True):\n"
        '    """Least slack."""\n'
        "    name = 'shop/slack'\n"
        "    weight: float = 1.0\n"
        "    def priority(self, view, op):\n"
        "        return view.due[op] - view.now - self.weight * view.remaining_work[op]\n"
    )
    arguments = ["compare", write(tmp_path, NOISY), "--policy", "shop/spt", "--policy", str(rule)]
    found = asked(capsys, *arguments, "--seeds", "2", "--workers", "2", "--no-study")
    assert found["failures"] == []
    assert {row["policy"] for row in found["rows"]} == {"shop/spt", "shop/slack"}
    run = asked(capsys, "run", "shop/ta01", "--policy", f"{rule}:Slack", "--set", "weight=2")
    assert run["policy"] == {"policy": "shop/slack", "weight": 2.0}


def test_convert_to_the_formats_of_the_field_and_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path, FT06, "ft06")
    for name in ("a.jsp", "a.fjs", "a.csv", "a.yaml", "a.toml", "a.json"):
        assert main(["convert", source, str(tmp_path / name)]) == 0
        found = asked(capsys, "run", str(tmp_path / name), "--policy", "shop/spt")
        assert found["metrics"]["makespan"] == 88
    assert main(["convert", write(tmp_path, SHOP), str(tmp_path / "b.jsp")]) == 2
    assert "due" in capsys.readouterr().err
    assert main(["convert", source, str(tmp_path / "b.xyz")]) == 2
    assert ".fjs" in capsys.readouterr().err
    assert not (tmp_path / "b.jsp").exists()


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "shop/job-shop"]) == 0
    assert "jobs" in json.dumps(json.loads(capsys.readouterr().out))


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    from hocket import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__
    for command in (
        "run",
        "compare",
        "solve",
        "reproduce",
        "list",
        "check",
        "generate",
        "schema",
        "convert",
    ):
        assert main([command, "--help"]) == 0
        text = capsys.readouterr().out
        assert f"hocket {command}" in text
        assert "Examples" in text


def test_a_solved_schedule_becomes_a_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop, plan = write(tmp_path, FT06, "ft06"), tmp_path / "plan.yaml"
    assert asked(capsys, "solve", shop, "--plan", str(plan))["objective"] == 55
    followed = asked(capsys, "run", shop, "--policy", str(plan))
    assert followed["metrics"]["makespan"] == 55
    assert followed["policy"]["policy"] == "shop/plan"
    project = write(tmp_path, PROJECT)
    assert main(["solve", project, "--plan", str(plan)]) == 2
    assert "shop/project" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["auto", "decomposition", "mip", "cp-sat"])
def test_one_machine_is_proven_by_every_method(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = asked(
        capsys, "solve", write(tmp_path, SINGLE), "--method", method, "--time-limit", "20"
    )
    assert (found["objective"], found["bound"], found["status"]) == (141, 141, "optimal")


def test_methods_that_do_not_apply(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, SINGLE)
    assert main(["solve", path, "--method", "mpi"]) == 2
    assert "'mip'" in capsys.readouterr().err
    assert main(["solve", path, "--method", "mip", "--objective", "makespan"]) == 2
    assert "use auto or cp-sat" in capsys.readouterr().err
    found = asked(capsys, "solve", write(tmp_path, FT06, "ft06"), "--method", "cp-sat")
    assert (found["objective"], found["status"]) == (55, "optimal")


@pytest.mark.parametrize("scenario", ["shop/ta41", "{}/shop.yaml"])
def test_an_interrupted_solve_keeps_the_best_schedule(
    scenario: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C comes with the second improvement, when the search is surely on."""
    crew = "modes: [{{duration: {}, demands: {{crew: {}}}}}]"
    lines = ["problem: shop/project", "resources: [{name: crew, capacity: 5}]", "activities:"]
    lines += [f"  - {{name: a{i}, {crew.format(i % 9 + 3, i % 4 + 1)}}}" for i in range(120)]
    write(tmp_path, "\n".join(lines))
    calls: list[str] = []

    def interrupt(_: object, text: str) -> None:
        calls.append(text)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("hocket.cli.output.Ticker.__call__", interrupt)
    code = main(["solve", scenario.format(tmp_path), "--json", "--time-limit", "120"])
    found = json.loads(capsys.readouterr().out)
    assert found["feasible"] and found["schedule"]
    if found["status"] != "optimal":
        assert code == 130
        assert found["reason"] == "interrupted"


@pytest.mark.parametrize(("policy", "told"), [("shop/spt", True), ("shop/random", False)])
def test_seeds_that_change_nothing_are_told(capsys, policy, told):
    words = ["compare", "shop/ta01", "--policy", policy, "--seeds", "3", "--no-study"]
    assert main([*words, "--workers", "1"]) == 0
    assert ("nothing here is random" in capsys.readouterr().err) is told
