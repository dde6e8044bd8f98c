"""What can be said of a run before an engine is started."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hocket.core.errors import MissingExtra, RunError, UserError
from hocket.core.load import load_policy
from hocket.serving.live.vllm import measure as module
from hocket.serving.live.vllm.job import Job
from hocket.serving.live.vllm.measure import measure
from hocket.serving.workload import ClosedLoop, Fixed, Random, Rate, Separate, Trace

LENGTHS = Separate(prompt=Fixed(tokens=8), output=Fixed(tokens=4))
CHAT = Random(count=50, lengths=LENGTHS, arrivals=Rate(rate=10.0))


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that would be carried out, as a process would read them."""
    found: list[Job] = []

    def take(job: Job, *others: Any) -> None:
        found.append(msgspec.json.decode(msgspec.json.encode(job), type=Job))

    monkeypatch.setattr(module, "_carry_out", take)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    return found


def test_without_vllm_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'hocket\[llm\]'"):
        measure(CHAT, record=tmp_path / "run.jsonl")


def test_a_job_holds_all_that_a_process_needs(jobs: list[Job], tmp_path: Path) -> None:
    policy = load_policy("serving/sarathi", tokens=512)
    record = measure(
        CHAT,
        record=tmp_path / "run.jsonl",
        policy=policy,
        kv_blocks=7,
        seqs=3,
        prefix_cache=True,
        engine={"enforce_eager": False},
        seed=5,
    )
    (job,) = jobs
    assert record == tmp_path / "run.jsonl" == Path(job.record)
    assert load_policy(job.policy) == policy
    assert job.engine == {
        "num_gpu_blocks_override": 8,  # one is a placeholder of vLLM's own
        "max_num_seqs": 3,
        "enable_prefix_caching": True,
        "async_scheduling": False,
        "enforce_eager": False,
    }
    assert job.seed == 5
    assert job.trace.names == tuple(f"r{i}" for i in range(50))


def test_a_policy_from_a_loose_file_is_found_again(jobs: list[Job], tmp_path: Path) -> None:
    policy = load_policy(Path("examples/own_batching.py"))
    measure(CHAT, record=tmp_path / "run.jsonl", policy=policy)
    assert isinstance(jobs[0].policy, dict)
    assert jobs[0].policy["policy"].endswith("examples/own_batching.py:" + type(policy).__name__)
    assert load_policy(jobs[0].policy) == policy


def test_some_of_the_requests_at_another_rate(jobs: list[Job], tmp_path: Path) -> None:
    measure(CHAT, record=tmp_path / "run.jsonl", requests=20, rate=40.0)
    (job,) = jobs
    arrival = job.trace.arrival
    assert len(arrival) == len(job.trace.names) == 20
    assert (arrival[-1] - arrival[0]) / 1e6 == pytest.approx(19 / 40, rel=1e-3)
    assert job.policy == ""


def test_a_closed_loop_keeps_its_clients(jobs: list[Job], tmp_path: Path) -> None:
    loop = ClosedLoop(count=10, clients=3, lengths=LENGTHS, think=5)
    measure(loop, record=tmp_path / "run.jsonl", requests=5)
    assert jobs[0].trace.clients == 3
    assert list(jobs[0].trace.problems("trace")) == []
    with pytest.raises(UserError, match="no rate to change"):
        measure(loop, record=tmp_path / "run.jsonl", rate=3.0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"requests": 0}, "one at least"),
        ({"rate": -1.0}, "positive"),
        ({"workload": Trace(arrival=(0, 0), prompt=(1, 1), output=(1, 1)), "rate": 1.0}, "at once"),
    ],
)
def test_what_makes_no_run_is_refused(
    jobs: list[Job], tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        measure(options.pop("workload", CHAT), record=tmp_path / "run.jsonl", **options)
    assert jobs == []


def test_a_place_that_cannot_be_written_is_told_before_anything_starts(
    jobs: list[Job], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="does not exist"):
        measure(CHAT, record=tmp_path / "none" / "run.jsonl")
    assert jobs == []


def test_a_process_that_dies_is_an_error_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\ncat > /dev/null\necho it hurts\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(module.sys, "executable", str(broken))
    with pytest.raises(RunError, match=r"(?s)before its first iteration.*it hurts"):
        measure(CHAT, record=tmp_path / "run.jsonl")


def test_a_process_that_is_stopped_before_it_began_is_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\ncat > /dev/null\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(module.sys, "executable", str(slow))
    with pytest.raises(KeyboardInterrupt):
        measure(CHAT, record=tmp_path / "run.jsonl", stop=lambda: True)


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_process_is_asked_to_stop_once_and_what_it_refuses_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stubborn: bool
) -> None:
    last = '{"over":true,"done":1}' if not stubborn else '{"refused":"no such model"}'
    broken = tmp_path / "python"
    broken.write_text(
        "#!/bin/bash\ncat > /dev/null\nfd=${!#}\n"
        f"trap 'echo '\"'\"'{last}'\"'\"' >&$fd; exit 0' INT\n"
        "echo '{\"done\":0}' >&$fd\nwhile true; do sleep 0.05; done\n"
    )
    broken.chmod(0o755)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(module.sys, "executable", str(broken))
    told: list[Any] = []
    asked = {"progress": told.append, "stop": lambda: bool(told)}
    if stubborn:
        with pytest.raises(UserError, match="no such model"):
            measure(CHAT, record=tmp_path / "run.jsonl", **asked)
    else:
        measure(CHAT, record=tmp_path / "run.jsonl", **asked)
        assert told[-1].over
