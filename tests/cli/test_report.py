"""``hocket report``: a recorded run shown as a simulated one is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

import hocket
from hocket.cli import main
from hocket.core.timeline import Timeline
from hocket.serving.cost import Linear
from hocket.serving.live.record import Began, Finished, Line
from hocket.serving.metrics import metrics
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.workload import LogNormal, Random, Rate, Separate
from tests.serving.live.records import record
from tests.serving.live.test_recording import save

LENGTHS = Separate(
    prompt=LogNormal(median=100, p90=300), output=LogNormal(median=20, p90=60, cap=100)
)
WORLD = Cluster(
    workload=Random(count=30, lengths=LENGTHS, arrivals=Rate(rate=30.0)),
    pools=(Pool(kv_blocks=60, cost=Linear(base=0.01, per_token=1e-5, per_decode=1e-4)),),
)


@pytest.fixture(scope="module")
def run() -> tuple[list[Line], Timeline]:
    return record(WORLD, "serving/vllm-v1", seed=3)


@pytest.fixture
def path(run: tuple[list[Line], Timeline], tmp_path: Path) -> Path:
    return save(run[0], tmp_path / "run.jsonl")


def test_the_figures_are_those_of_the_run(
    path: Path, run: tuple[list[Line], Timeline], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    simulated = metrics(WORLD, run[1])
    sampled = {"kv_utilisation", "waste", "fragmentation"}  # read at other times than simulated
    slo = {name for name in simulated if "attainment" in name or "goodput" in name}
    for name in simulated.keys() - sampled - slo:
        assert told["metrics"][name] == simulated[name], name
    assert told["policy"] == {"policy": "serving/vllm-v1"}
    assert (told["seed"], told["cut_off"], told["violations"]) == (3, 0, [])
    assert 0 < told["metrics"]["kv_utilisation"] <= 1


def test_a_table_is_shown_and_files_are_written(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        name: tmp_path / name
        for name in ("live.html", "live.perfetto.json", "live.parquet", "live.yaml")
    }
    options = ("--report", "--trace", "--timeline", "--scenario")
    pairs = zip(options, map(str, files.values()), strict=True)
    assert main(["report", str(path), *(word for pair in pairs for word in pair)]) == 0
    told = capsys.readouterr()
    assert "run: the simulator, serving/vllm-v1" in told.out
    assert "time to first token" in told.out.lower() or "ttft" in told.out
    for file in files.values():
        assert f"wrote {file}" in told.err
        assert file.stat().st_size > 0
    page = files["live.html"].read_text()
    assert "preempted" in page and "key-value memory" in page
    assert json.loads(files["live.perfetto.json"].read_text())
    again = hocket.load(files["live.yaml"])
    assert isinstance(again, Cluster)
    assert len(again.workload.draw(None, "us")) == 30  # type: ignore[arg-type]


def test_who_was_cut_off_is_counted(
    run: tuple[list[Line], Timeline], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = [line for line in run[0] if isinstance(line, Finished)]
    cut = [line for line in run[0] if line not in ends[-2:]]
    assert main(["report", str(save(cut, tmp_path / "cut.jsonl")), "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["cut_off"] == 2
    assert "2 requests were under way when the record ended" in told.err


def test_a_record_that_cannot_be_true_is_said_to_be_wrong(
    run: tuple[list[Line], Timeline], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [replace(line, blocks=20) if isinstance(line, Began) else line for line in run[0]]
    assert main(["report", str(save(small, tmp_path / "small.jsonl"))]) == 1
    assert "check: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("policy", "told"),
    [({}, "its own scheduler"), ({"policy": "mine.py"}, "the record's policy cannot be loaded")],
)
def test_an_engine_of_its_own_mind_and_a_policy_that_is_not_here(
    run: tuple[list[Line], Timeline],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    policy: dict[str, str],
    told: str,
) -> None:
    lines = [replace(line, policy=policy) if isinstance(line, Began) else line for line in run[0]]
    assert main(["report", str(save(lines, tmp_path / "run.jsonl"))]) == 0
    captured = capsys.readouterr()
    assert told in captured.out + captured.err


def test_what_is_no_record_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.csv"
    log.write_text("arrival,prompt,output\n0,1,1\n")
    assert main(["report", str(log)]) == 2
    told = capsys.readouterr().err
    assert "log.csv" in told and "Traceback" not in told
    assert main(["report", str(tmp_path / "none.jsonl")]) == 2
    assert "cannot be read" in capsys.readouterr().err
