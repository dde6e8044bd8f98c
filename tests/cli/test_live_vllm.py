"""``hocket live vllm`` as it is typed; the engine itself is in tests/serving/live/vllm."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hocket.cli import main
from hocket.serving.live.vllm import measure as module
from hocket.serving.live.vllm.job import Job, News

LOG = "arrival,prompt,output\n0,10,5\n1,20,4\n2,8,8\n"
POOL = """\
problem: serving/cluster
workload: {kind: trace, arrival: [0], prompt: [5], output: [5]}
pools: [{kv_blocks: 33, block_size: 32, prefix_cache: true, max_context: 500}]
"""


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return str(path)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that an engine would be given; it says that two of three requests were done."""
    found: list[Job] = []

    def take(job: Job, threads: Any, progress: Any, stop: Any) -> None:
        found.append(job)
        progress(News(done=2, count=len(job.trace.prompt), seconds=1.5, over=True))

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(module, "_carry_out", take)
    return found


def test_options_reach_the_engine_and_the_policy(
    log: str, jobs: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = str(tmp_path / "run.jsonl")
    options = ["--policy", "serving/sarathi", "--set", "tokens=99", "--kv-blocks", "12"]
    options += ["--seqs", "4", "--tokens", "128", "--prefix-cache", "--seed", "7"]
    options += ["--engine", "max_num_partial_prefills=2", "--time-limit", "9", "-o", record]
    assert main(["live", "vllm", log, *options]) == 0
    (job,) = jobs
    assert isinstance(job.policy, dict)
    assert (job.policy["policy"], job.policy["tokens"]) == ("serving/sarathi", 99)
    assert job.engine == {
        "num_gpu_blocks_override": 13,
        "max_num_seqs": 4,
        "max_num_batched_tokens": 128,
        "enable_prefix_caching": True,
        "async_scheduling": False,
        "max_num_partial_prefills": 2,
    }
    assert (job.seed, job.time_limit, job.record, job.model) == (7, 9.0, record, "tiny")
    assert job.trace.prompt == (10, 20, 8)
    told = capsys.readouterr().err
    assert "2 of 3 requests" in told and f"hocket report {record}" in told


def test_a_pool_that_tells_its_memory_sets_the_engine_s(jobs: list[Job], tmp_path: Path) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(POOL)
    record = ["-o", str(tmp_path / "run.jsonl")]
    assert main(["live", "vllm", str(path), *record]) == 0
    assert main(["live", "vllm", str(path), "--no-prefix-cache", "--kv-blocks", "9", *record]) == 0
    told, asked = (job.engine for job in jobs)
    assert (told["num_gpu_blocks_override"], told["enable_prefix_caching"]) == (34, True)
    assert (told["block_size"], told["max_model_len"]) == (32, 500)
    assert (asked["num_gpu_blocks_override"], asked["enable_prefix_caching"]) == (10, False)


def test_stock_leaves_the_policy_out(
    log: str, jobs: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = ["-o", str(tmp_path / "run.jsonl")]
    assert main(["live", "vllm", log, "--stock", "--json", *record]) == 0
    assert jobs[0].policy == ""
    told = json.loads(capsys.readouterr().out)
    assert (told["policy"], told["done"], told["requests"]) == (None, 2, 3)


def test_ctrl_c_ends_the_run_and_keeps_the_record(
    log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(job: Job, threads: Any, progress: Any, stop: Any) -> None:
        assert not stop()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        progress(News(done=1, count=3, seconds=2.0, over=True))

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(module, "_carry_out", interrupted)
    before = signal.getsignal(signal.SIGINT)
    assert main(["live", "vllm", log, "-o", str(tmp_path / "run.jsonl")]) == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert "1 of 3 requests" in capsys.readouterr().err


def test_a_record_is_no_scenario_but_can_be_made_one(
    tmp_path: Path, jobs: list[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text('{"kind":"began"}\n')
    assert main(["live", "vllm", str(path), "-o", str(tmp_path / "new.jsonl")]) == 2
    assert f"hocket report {path} --scenario" in capsys.readouterr().err
    assert jobs == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--policy", "serving/least-outstanding"], "composes no iterations"),
        (["--stock", "--set", "tokens=5"], "no policy to --set"),
        (["--engine", "what"], "write name=value"),
        (["--policy", "serving/nobody"], "unknown policy"),
        (["--set", "no_such=5"], "no_such"),
        (["--kv-blocks", "0"], "kv_blocks is 0"),
        (["--seqs", "-3"], "seqs is -3"),
        (["--threads", "0"], "threads is 0"),
        (["--time-limit", "nan"], "cannot last nan"),
        (["--requests", "0"], "measures nothing"),
        (["--rate", "-1"], "positive"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    log: str,
    jobs: list[Job],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    told: str,
) -> None:
    assert main(["live", "vllm", log, *options, "-o", str(tmp_path / "run.jsonl")]) == 2
    assert told in capsys.readouterr().err
    assert jobs == []


def test_another_domain_has_no_requests(
    jobs: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", "vllm", "shop/ta01", "-o", str(tmp_path / "run.jsonl")]) == 2
    assert "no requests for a language model" in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is here")
def test_without_vllm_a_sentence_says_how_to_get_it(
    log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", "vllm", log, "-o", str(tmp_path / "run.jsonl")]) == 2
    assert "pip install 'hocket[llm]'" in capsys.readouterr().err
