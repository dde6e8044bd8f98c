"""The command line on the requests of a serving cluster: logs, notes, lists, metrics."""

import json
from pathlib import Path
from typing import Any

import pytest

import hocket
from hocket.cli import main
from hocket.core.registry import domain_names, policies
from tests.cli.samples import write

LOG = "arrival,prompt,output\n0,10,5\n5,200000,4\n3,20,0\n2,8,8\n"
LEFT_OUT = "log: 1 row without tokens of prompt or answer left out (line 4)"
SORTED = "log: 1 row earlier than the row above: sorted by time (line 5)"
SEARCH = """\
problem: serving/cluster
workload: {kind: log, path: log.csv}
slo: {ttft: 1 s}
search: {gpus: [A10], tp: [1], most: 1, policies: [serving/vllm-v1]}
"""


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Run a command with --json; standard output must be one JSON document and nothing else."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("command", ["check", "run", "compare"])
def test_what_was_done_to_a_log_is_said(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--no-study", "--workers", "1"] if command == "compare" else []
    assert main([command, write(tmp_path, LOG, "log.csv"), *more, "--json"]) == 0
    captured = capsys.readouterr()
    json.loads(captured.out)
    assert captured.err.splitlines()[:2] == [f"note: {LEFT_OUT}", f"note: {SORTED}"]


def test_solving_and_converting_say_it_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write(tmp_path, LOG, "log.csv")
    cluster = write(tmp_path, SEARCH, "cluster.yaml")
    main(["solve", cluster, "--time-limit", "20", "--workers", "1"])
    assert LEFT_OUT.partition(": ")[2] in capsys.readouterr().err
    assert main(["convert", log, str(tmp_path / "log.yaml")]) == 0
    assert LEFT_OUT in capsys.readouterr().err


def test_a_report_holds_the_notes(tmp_path: Path) -> None:
    report = tmp_path / "r.html"
    assert main(["run", write(tmp_path, LOG, "log.csv"), "--report", str(report)]) == 0
    assert LEFT_OUT.partition(": ")[2] in report.read_text()


def test_a_sound_log_needs_no_notes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = write(tmp_path, "arrival,prompt,output\n0,10,5\n", "log.csv")
    assert main(["run", log, "--all"]) == 0
    assert capsys.readouterr().err == ""


def test_the_main_metrics_are_shown_and_all_if_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write(tmp_path, "arrival,prompt,output\n0,10,5\n1,8,8\n", "log.csv")
    everything = asked(capsys, "run", log)["metrics"]
    assert main(["run", log]) == 0
    some = capsys.readouterr()
    assert "ttft p99" in some.out and "ttft p999" not in some.out
    told = int(some.err.split()[0])
    assert len(some.out.strip().splitlines()) - 4 == len(everything) - told
    assert main(["run", log, "--all"]) == 0
    captured = capsys.readouterr()
    assert all(name.replace("_", " ") in captured.out for name in everything)


def test_rejected_requests_are_counted_and_the_reason_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, LOG, "log.csv")
    assert main(["run", path]) == 0
    captured = capsys.readouterr()
    assert "rejected                1" in captured.out
    assert "note: 1 of 3 rejected, first r2: a prompt of 200000 tokens leaves no" in captured.err
    found = asked(capsys, "run", path)["metrics"]
    assert (found["requests"], found["finished"], found["rejected"]) == (3, 2, 1)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "yaml", "json", "toml"])
def test_generated_requests_are_written_and_read(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / f"chat-7.{suffix}", tmp_path / "other" / "chat-7.yaml"
    second.parent.mkdir()
    chat = ["generate", "serving/chat", "--set", "requests=20", "--seed", "7", "-o"]
    assert main([*chat, str(first)]) == 0
    assert main(["convert", str(first), str(second)]) == 0
    assert (
        hocket.load(second)
        == hocket.load(first)
        == hocket.generate("serving/chat", requests=20, seed=7)
    )


def test_other_suffixes_are_refused_with_those_of_the_domain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for scenario, suffix, known in (
        ("serving/chat", ".sm", ".csv, .jsonl"),
        ("shop/ta01", ".jsonl", ".csv, .fjs"),
    ):
        assert main(["convert", scenario, str(tmp_path / f"x{suffix}")]) == 2
        told = capsys.readouterr().err
        assert f"no format for suffix '{suffix}'" in told and known in told


def test_the_overview_names_everything_on_little_space(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["list"]) == 0
    captured = capsys.readouterr()
    words = captured.out.replace(",", " ").split()
    assert {name.partition("/")[2] for name in policies()} <= {*words}
    assert "ta01 .. ta80" in captured.out
    assert "policies, dispatch" in captured.out
    assert len(captured.out.splitlines()) < 34 * len(domain_names())
    assert "hocket list policies" in captured.err


def test_one_domain_is_listed_with_what_its_files_may_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = asked(capsys, "list", "serving")
    assert set(found) == {"policies", "generators", "formats", "scenarios", "models", "gpus"}
    assert {entry["name"] for entry in found["policies"]} == set(policies("serving"))
    roles = {entry["name"]: entry["role"] for entry in found["policies"]}
    assert (roles["serving/orca"], roles["serving/llumnix"]) == ("batching", "whole system")
    assert {"A10", "H100"} <= {entry["name"] for entry in found["gpus"]}
    assert set(asked(capsys, "list", "shop")) == {"policies", "generators", "formats", "scenarios"}
    assert main(["list", "serving"]) == 0
    shown = capsys.readouterr().out
    assert "models of serving" in shown and "8.0 B" in shown


def test_lists_are_by_domain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "policies"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("policies of shop") < shown.index("policies of serving")
    assert "shop/job-shop" in shown  # what they are for, where that differs
    assert "serving/cluster" not in shown
    everything = asked(capsys, "list")
    assert everything["policies"] == asked(capsys, "list", "policies")
    assert {row["for"] for row in everything["policies"]} >= {"serving/cluster", "shop/project"}
