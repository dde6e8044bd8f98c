"""Real runs of vLLM with a tiny model, on the clock on the wall, and what their records say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm")

from hocket.core.errors import UserError
from hocket.core.load import load_policy
from hocket.core.streams import Streams
from hocket.serving.check import check
from hocket.serving.live.recording import Recording, load
from hocket.serving.live.scenario import scenario
from hocket.serving.live.timeline import timeline
from hocket.serving.live.vllm.job import News
from hocket.serving.live.vllm.measure import measure
from hocket.serving.metrics import metrics
from hocket.serving.workload import LogNormal, Random, Rate, Separate, Trace

LENGTHS = Separate(
    prompt=LogNormal(median=60, p90=150, cap=300), output=LogNormal(median=15, p90=40, cap=60)
)
CHAT = Random(count=25, lengths=LENGTHS, arrivals=Rate(rate=2000.0))
TIGHT: dict[str, Any] = {
    "kv_blocks": 24,
    "seqs": 16,
    "tokens": 256,
    "max_context": 640,
    "threads": 1,
}


def sound(record: Path) -> Recording:
    """The record, if the checker finds nothing against it."""
    found = load(record)
    made = scenario(found)
    told = timeline(found, made)
    assert check(made, told) == []
    assert metrics(made, told)["requests"] == len(found.asked)
    return found


def test_answers_are_as_long_as_asked_under_a_policy_and_memory_that_is_tight(
    tmp_path: Path,
) -> None:
    told: list[News] = []
    policy = load_policy("serving/vllm-v1", tokens=256, seqs=16)
    record = measure(
        CHAT, record=tmp_path / "run.jsonl", policy=policy, seed=3, progress=told.append, **TIGHT
    )
    found = sound(record)
    asked = CHAT.draw(Streams(3), "us")
    assert told[-1].over and told[-1].done == 25
    assert [found.asked[f"r{i}"].prompt for i in range(25)] == asked.prompt.tolist()
    assert [found.finished[f"r{i}"].generated for i in range(25)] == asked.output.tolist()
    assert {line.why for line in found.finished.values()} == {"length"}
    assert found.began.blocks == 24 and found.began.policy["policy"] == "serving/vllm-v1"
    assert any(step.preempted for step in found.steps)
    gaps = [found.asked[f"r{i}"].arrival for i in range(25)]
    assert gaps == sorted(gaps)


def test_vllm_s_own_scheduler_is_watched(tmp_path: Path) -> None:
    trace = Trace(
        arrival=(0, 0, 20_000, 30_000),
        prompt=(100, 100, 80, 40),
        output=(30, 20, 200, 10),
        prefix=((1, 2, 3), (1, 2, 4), (), ()),
        prefix_block=32,
        limit=(100, 100, 300, 10),
        tenant=("a", "b", "a", "a"),
        priority=(0, 1, 0, 0),
        cancel=(-1, -1, 100_000, -1),
    )
    record = measure(
        trace, record=tmp_path / "run.jsonl", prefix_cache=True, **TIGHT | {"kv_blocks": 100}
    )
    found = sound(record)
    assert found.began.policy == {} and found.began.prefix_cache
    assert {name: line.why for name, line in found.finished.items()} == {
        "r0": "length",
        "r1": "length",
        "r2": "abort",
        "r3": "length",
    }
    assert found.finished["r2"].generated < 200
    assert [line.tenant for line in found.asked.values()] == ["a", "b", "a", "a"]
    assert [line.priority for line in found.asked.values()] == [0, 1, 0, 0]
    assert [line.limit for line in found.asked.values()] == [100, 100, 300, 10]
    assert found.asked["r0"].prefix[:2] == found.asked["r1"].prefix[:2]
    assert found.asked["r0"].prefix[2] != found.asked["r1"].prefix[2]


def test_a_run_that_is_stopped_keeps_its_record(tmp_path: Path) -> None:
    told: list[News] = []
    record = measure(
        Random(count=500, lengths=LENGTHS, arrivals=Rate(rate=50.0)),
        record=tmp_path / "run.jsonl",
        policy="serving/sarathi",
        progress=told.append,
        stop=lambda: len(told) > 3,
        **TIGHT | {"kv_blocks": 200, "tokens": 2048},
    )
    found = sound(record)
    assert told[-1].over and told[-1].done < 500
    assert len(found.finished) >= 1
    assert len(found.asked) < 500


def test_the_time_limit_ends_it_and_a_rate_is_kept(tmp_path: Path) -> None:
    told: list[News] = []
    record = measure(
        Random(count=500, lengths=LENGTHS, arrivals=Rate(rate=1000.0)),
        record=tmp_path / "run.jsonl",
        rate=20.0,
        time_limit=2.0,
        progress=told.append,
        **TIGHT | {"kv_blocks": 200},
    )
    found = sound(record)
    assert 15 < len(found.asked) < 80
    assert 2.0 <= told[-1].seconds < 4.0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"engine": {"no_such": 1}}, "no_such"),
        ({"max_context": 128}, "vLLM refuses request r0"),
    ],
)
def test_what_vllm_refuses_is_said(tmp_path: Path, options: dict[str, Any], told: str) -> None:
    trace = Trace(arrival=(0,), prompt=(200,), output=(5,))
    with pytest.raises(UserError, match=told):
        measure(trace, record=tmp_path / "run.jsonl", **TIGHT | options)
