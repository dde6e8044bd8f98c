"""A real engine, briefly: that the whole way works. How well is the benchmark's business."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("vllm")

from hocket.cli import main
from hocket.serving.cost import Linear
from hocket.serving.live.recording import load
from hocket.serving.live.vllm.measure import measure
from hocket.serving.twin import from_record, twin, what_if
from hocket.serving.workload import Trace

COUNT = 60
ENGINE = {"block_size": 32, "seqs": 8, "tokens": 512, "max_context": 512, "threads": 1}


def stream() -> Trace:
    rng = np.random.default_rng(0)
    return Trace(
        arrival=tuple(np.rint(np.cumsum(rng.exponential(3e4, COUNT))).astype(int).tolist()),
        prompt=tuple(rng.integers(20, 250, COUNT).tolist()),
        output=tuple(rng.integers(2, 40, COUNT).tolist()),
        limit=(40,) * COUNT,
        names=tuple(f"ask-{i}" for i in range(COUNT)),
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The stream as vLLM serves it by itself, and under Past-Future with a third of the memory."""
    folder = tmp_path_factory.mktemp("runs")
    ran, tried = folder / "ran.jsonl", folder / "tried.jsonl"
    measure(stream(), record=ran, kv_blocks=60, clock="processor", **ENGINE)  # type: ignore[arg-type]
    measure(
        stream(),
        record=tried,
        policy={"policy": "serving/past-future", "first": 20},
        kv_blocks=20,
        clock="processor",
        **ENGINE,  # type: ignore[arg-type]
    )
    return ran, tried


def test_a_real_engine_has_a_twin(runs: tuple[Path, Path]) -> None:
    found = twin(runs[0])
    assert isinstance(found.calibration.cost, Linear)
    assert len(found.served) == COUNT and found.cut == COUNT // 2
    told = {(row.metric, row.statistic): row for row in found.errors}
    assert len(told) == 13
    assert all(math.isfinite(row.error) and row.measured > 0 for row in told.values())
    # By the engine's own processor time not even a busy machine is off by a factor of two.
    assert abs(told["e2e", "mean"].error) < 0.5
    assert abs(told["makespan", "max"].error) < 0.2


def test_a_real_engine_computes_what_the_simulator_does(runs: tuple[Path, Path]) -> None:
    """All requests, answered in full: as many tokens in both, and nobody lost."""
    for path in runs:
        served = from_record(path)
        assert served.requests.output.tolist() == list(stream().output)
        assert not np.isnan(served.times.e2e).any()
        found = load(path)
        computed = sum(sum(step.tokens.values()) for step in found.steps)
        needed = sum(stream().prompt) + sum(stream().output) - COUNT
        preempted = any(step.preempted for step in found.steps)
        assert computed == needed or (preempted and computed > needed)


def test_what_was_tried_stands_beside_what_was_predicted(runs: tuple[Path, Path]) -> None:
    prospect = what_if(
        twin(runs[0]),
        ["policy=serving/past-future", "policy.first=20", "kv_blocks=20"],
        against=from_record(runs[1]),
    )
    assert prospect.notes == ()
    assert all(math.isfinite(row.error) for row in prospect.errors)
    told = {(row.metric, row.statistic): row for row in prospect.errors}
    before = twin(runs[0]).served.times.ttft.mean()
    assert told["ttft", "mean"].measured > before  # a third of the memory makes requests wait
    assert told["ttft", "mean"].predicted > before


def test_one_command_prints_it(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "twin.html"
    change = ["--against", str(runs[1]), "--report", str(page)]
    assert main(["twin", str(runs[0]), *change, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["errors"]) == len(told["what_if"]["errors"]) == 13
    assert page.stat().st_size > 50_000
