import json
from pathlib import Path

import pytest
import yaml

from hocket.cli import main
from tests.serving.calibrate.logs import KNOWN, requests, served, written
from tests.serving.cost.test_profile import written as profile

SERVED = ["--model", "llama-3.1-8b", "--gpu", "A100-80GB", "--no-prefix-cache"]
SERVED += ["--set", "tokens=512", "--set", "seqs=32"]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(
        written(served(requests(60, 2.0), KNOWN), tmp_path_factory.mktemp("logs") / "log.csv")
    )


def test_a_log_becomes_a_model(
    log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "model.yaml"
    assert main(["calibrate", log, *SERVED, "-o", str(output), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    data = yaml.safe_load(output.read_text())
    assert data["cost"]["kind"] == "linear"
    assert data["cost"]["base"] == pytest.approx(found["cost"]["base"])
    told = {"policy": "serving/vllm-v1", "tokens": 512, "seqs": 32}
    assert data["meta"]["policy"].items() >= told.items()
    assert {row["metric"] for row in found["errors"]} == {"ttft", "tpot", "e2e", "makespan"}


def test_errors_are_shown(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", log, *SERVED]) == 0
    said = capsys.readouterr().out
    assert "Errors on requests not seen" in said and "95 % interval" in said
    assert "requests ran at once in the log" in said and "Nothing written" in said


def test_operator_times_become_a_model(
    log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, output = str(profile(tmp_path)), tmp_path / "model.yaml"
    assert main(["calibrate", place, "-o", str(output)]) == 0
    assert "Nothing to check against" in capsys.readouterr().out
    assert yaml.safe_load(output.read_text())["cost"]["kind"] == "table"
    assert main(["calibrate", place, "--log", log, "--gpu", "A100-80GB"]) == 0
    assert "Errors on requests not seen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say with --model and --gpu"),
        (("--model", "llama-3.1-8b"), "say with --gpu what it is about"),
        (("--model", "llama-9", "--gpu", "H100"), "unknown model 'llama-9'"),
        (("--model", "llama-2-70b", "--gpu", "A10"), "GiB too much"),
        (("--model", "llama-2-7b", "--gpu", "A10", "--tp", "0"), "no such replica"),
        ((*SERVED, "--train", "0.2"), "12 requests to fit to are too few"),
        ((*SERVED, "--train", "1.5"), "above 0 and at most 1"),
        ((*SERVED, "--policy", "serving/round-robin"), "round-robin"),
        ((*SERVED, "-o", "/nowhere/model.yaml"), "does not exist"),
    ],
)
def test_what_is_wrong_is_told(
    log: str, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", log, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_log_without_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.csv"
    path.write_text("arrival,prompt,output\n0,10,10\n1,20,5\n")
    assert main(["calibrate", str(path), *SERVED]) == 2
    assert "no column says when the first token came" in capsys.readouterr().err
