"""``hocket twin``: what it prints, writes and refuses."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hocket.cli import main
from hocket.core.load import load
from hocket.report import html
from hocket.serving.cost import Linear
from tests.serving.calibrate import logs
from tests.serving.twin.records import POOL, record, save, workload

TRACE = workload(count=80, rate=5.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(record(TRACE), tmp_path_factory.mktemp("runs") / "run.jsonl")


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    half = msgspec.structs.replace(POOL, kv_blocks=200)
    return save(record(TRACE, half), tmp_path_factory.mktemp("runs") / "tried.jsonl")


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Run a command with --json; standard output must be one JSON document and nothing else."""
    assert main(["twin", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that is said instead."""
    assert main(["twin", *arguments]) in (1, 2)
    captured = capsys.readouterr()
    assert captured.out == "" and "Traceback" not in captured.err
    return captured.err


def test_the_error_is_printed_by_one_command(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", str(run)]) == 0
    told = capsys.readouterr().out
    assert "80 requests" in told and "before request 41 of 80" in told
    assert "target 10% on means, P90 and makespan: met" in told
    for word in ("ttft", "tpot", "e2e", "makespan", "mean", "p90", "p99", "95 % interval"):
        assert word in told


def test_missing_the_target_is_said_and_no_failure(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["twin", str(run), "--target", "1e-12"]) == 0
    assert "missed by" in capsys.readouterr().out


def test_json_holds_errors_and_model(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = asked(capsys, str(run))
    assert told["met"] is True and told["requests"] == 80 and told["fitted"] == 40
    assert {row["metric"] for row in told["errors"]} == {"ttft", "tpot", "e2e", "makespan"}
    assert told["calibration"]["cost"]["kind"] == "linear"
    assert "what_if" not in told


def test_what_if_stands_beside_what_was_tried(
    run: Path, tried: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = asked(capsys, str(run), "--what-if", "kv_blocks=0.5x", "--against", str(tried))
    assert told["what_if"]["met"] is True
    assert all(abs(row["error"]) < 1e-3 for row in told["what_if"]["errors"])
    sides = {row["policy"] for row in told["what_if"]["statistics"]}
    assert sides == {"as it ran", "predicted", "really run"}
    assert main(["twin", str(run), "--what-if", "kv_blocks=0.5x", "--against", str(tried)]) == 0
    assert "really run" in capsys.readouterr().out


def test_a_report_holds_all_of_it(run: Path, tried: Path, tmp_path: Path) -> None:
    page = tmp_path / "twin.html"
    change = ["--what-if", "kv_blocks=0.5x", "--against", str(tried)]
    assert main(["twin", str(run), *change, "--report", str(page)]) == 0
    found = html.read(page)
    assert found.comparison is not None
    told = {(row.scenario, row.policy) for row in found.comparison.estimates}
    assert ("requests not seen", "twin") in told and ("kv_blocks=0.5x", "really run") in told
    plots = [figure for figure in found.figures if hasattr(figure, "lines")]
    assert [[line.label for line in plot.lines] for plot in plots] == (
        [["measured", "twin"]] * 3 + [["as it ran", "predicted", "really run"]] * 3
    )
    facts = {fact.label: fact.value for fact in found.facts}
    assert facts["what if"] == "kv_blocks=0.5x" and facts["target"].endswith("met")


def test_the_model_goes_into_scenarios(run: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.yaml"
    assert main(["twin", str(run), "-o", str(model)]) == 0
    scenario = tmp_path / "cluster.yaml"
    scenario.write_text(
        "problem: serving/cluster\n"
        "workload: {kind: trace, arrival: [0], prompt: [3], output: [4]}\n"
        "pools:\n"
        "  - {model: llama-3.1-8b, gpu: H100, cost: {kind: file, path: model.yaml}}\n"
    )
    world = load(scenario)
    assert isinstance(world.pools[0].cost, Linear)  # type: ignore[attr-defined]


def test_a_log_of_requests_needs_to_be_told_the_engine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logs.written(
        logs.served(logs.requests(80, rate=3.0), logs.KNOWN), tmp_path / "requests.csv"
    )
    assert "--model and --gpu" in refused(capsys, str(log))
    assert "cannot be read: No such file" in refused(capsys, str(tmp_path / "none.jsonl"))
    engine = ["--model", "llama-3.1-8b", "--gpu", "A100-80GB", "--set", "tokens=512"]
    told = asked(capsys, str(log), *engine, "--set", "seqs=32", "--no-prefix-cache")
    assert told["met"] is True and told["policy"] == "serving/vllm-v1(tokens=512, seqs=32)"


@pytest.mark.parametrize(
    "more",
    [("--gpu", "H100"), ("--kv-blocks", "7"), ("--policy", "serving/orca"), ("--set", "seqs=3")],
)
def test_a_record_says_itself_what_it_was_served_on(
    more: tuple[str, str], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is a record" in refused(capsys, str(run), *more)


def test_bad_input_is_one_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.jsonl"
    cut.write_text("\n".join(run.read_text().splitlines()[:1]) + "\n")
    assert "nothing was asked" in refused(capsys, str(cut))
    assert "nothing.jsonl" in refused(
        capsys, str(tmp_path / "nothing.jsonl"), "--model", "llama-3.1-8b", "--gpu", "H100"
    )
    assert "no record of a live run" in refused(capsys, str(run), "--against", __file__)
    assert "did you mean 'kv_blocks'" in refused(capsys, str(run), "--what-if", "kv_block=3")
    assert "must be above 0 and below 1" in refused(capsys, str(run), "--split", "1")
    missing = tmp_path / "no" / "such" / "page.html"
    assert "such" in refused(capsys, str(run), "--report", str(missing))
