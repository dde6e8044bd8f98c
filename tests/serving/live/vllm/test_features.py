"""What vLLM does besides batching, under a policy; and policies that cannot be followed."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("vllm")

import msgspec
import vllm
from vllm.v1.core.sched.interface import PauseState
from vllm.v1.request import RequestStatus

from hocket.core.errors import IllegalDecision, InputError, RunError, UserError
from hocket.serving.live.record import Asked, Began, Finished, Step, read
from hocket.serving.live.vllm.inprocess import Bare, Settings
from hocket.serving.live.vllm.scheduler import engine_facts
from tests.serving.live.vllm.playing import SIZE, Ask, Play, sized, some

DEPTHS = pytest.mark.parametrize("depth", [1, 2], ids=["one by one", "overlapped"])
ABORTED = RequestStatus.FINISHED_ABORTED


def prompt(tokens: int, of: int = 10) -> list[int]:
    return [of] * tokens


# What vLLM does besides.


@DEPTHS
def test_a_grammar_that_is_not_ready_holds_up_nobody_else(depth: int) -> None:
    play = Play(sized(20, "serving/vllm-v1"), depth)
    waits = play.add(Ask(0, "waits", prompt(4), 3))
    waits.status = RequestStatus.WAITING_FOR_STRUCTURED_OUTPUT_GRAMMAR
    waits.structured_output_request = SimpleNamespace(grammar=None)
    asked: list[str] = []
    ask = play.scheduler._deciding.admits
    play.scheduler._deciding.admits = lambda view, one: (asked.append(one.id), ask(view, one))[1]
    play.add(Ask(0, "goes", prompt(4), 3))
    for _ in range(3):
        play.step()
    assert [composed.tokens for composed in play.composed][:2] == [{"goes": 4}, {"goes": 1}]
    assert asked == ["goes"]
    assert play.composed[-1].waiting == ["waits"]
    waits.structured_output_request.grammar = SimpleNamespace(
        accept_tokens=lambda *_: True, is_terminated=lambda: False
    )
    waits.structured_output_request = None
    waits.status = RequestStatus.WAITING
    play.run([])
    assert asked == ["goes", "waits"]
    assert set(play.finished) == {"goes", "waits"}


@DEPTHS
@pytest.mark.parametrize("policy", ["serving/vllm-v1", "serving/vllm-v0", "serving/sarathi"])
def test_pausing(policy: str, depth: int) -> None:
    play = Play(sized(20, policy), depth)
    play.add(Ask(0, "first", prompt(4), 20))
    play.step()
    play.add(Ask(0, "second", prompt(4), 3))
    play.scheduler.set_pause_state(PauseState.PAUSED_NEW)
    for _ in range(4):
        assert set(play.step()) == {"first"}
    play.scheduler.set_pause_state(PauseState.PAUSED_ALL)
    for _ in range(3):
        assert not play.compose()
        play.end()
    play.scheduler.set_pause_state(PauseState.UNPAUSED)
    play.run([])
    assert {name: len(told) for name, told in play.answers.items()} == {"first": 20, "second": 3}


@DEPTHS
def test_emptying_the_prefix_cache_while_requests_run(depth: int) -> None:
    play = Play(sized(20, "serving/sarathi", prefix_cache=True), depth)
    for k in range(3):
        play.add(Ask(0, f"r{k}", prompt(9), 12))
    for _ in range(4):
        play.step()
    assert play.scheduler.reset_prefix_cache(reset_running_requests=True)
    assert not play.scheduler.running
    assert len(play.scheduler.waiting) == 3
    play.run([])
    assert {len(answer) for answer in play.answers.values()} == {12}
    assert play.leaked == 0


def test_a_session_goes_on_with_its_memory() -> None:
    play = Play(sized(20, "serving/vllm-v1"))
    play.add(Ask(0, "a", prompt(6), 3))
    session = play.scheduler.requests["a"]
    session.resumable = True
    from collections import deque

    session.streaming_queue = deque()
    for _ in range(4):
        play.step()
    assert session.status == RequestStatus.WAITING_FOR_STREAMING_REQ
    play.add(Ask(0, "b", prompt(4), 3))
    play.step()
    assert "b" in play.composed[-1].tokens
    play.scheduler.finish_requests("a", ABORTED)
    play.run([])
    assert play.leaked == 0


def test_throttled_prompts_wait_beside_decodes() -> None:
    play = Play(sized(20, "serving/vllm-v0"))
    play.add(Ask(0, "first", prompt(4), 20))
    play.step()
    play.add(Ask(0, "second", prompt(4), 3))
    own = play.scheduler.schedule
    play.scheduler.schedule = lambda: own(True)
    assert set(play.step()) == {"first"}
    play.scheduler.schedule = own
    assert set(play.step()) == {"second"}


def test_an_iteration_kept_free_for_a_newcomer_that_cannot_come_is_followed_by_decodes() -> None:
    play = Play(sized(20, "serving/vllm-v0"))
    play.add(Ask(0, "first", prompt(4), 8))
    play.step()
    play.add(Ask(0, "second", prompt(4), 3))
    manager = play.scheduler.kv_cache_manager
    own = manager.allocate_slots

    def refuse(request: Any, *others: Any, **named: Any) -> Any:
        return None if request.request_id == "second" else own(request, *others, **named)

    manager.allocate_slots = refuse
    tokens = [play.step() for _ in range(6)]
    assert tokens == [{}, {"first": 1}] * 3
    manager.allocate_slots = own
    play.run([])
    assert set(play.finished) == {"first", "second"}


def test_adapters_beyond_those_loaded_are_passed_over() -> None:
    play = Play(sized(40, "serving/vllm-v1"))
    play.scheduler.lora_config = SimpleNamespace(max_loras=1)
    asked: list[str] = []
    ask = play.scheduler._deciding.admits
    play.scheduler._deciding.admits = lambda view, one: (asked.append(one.id), ask(view, one))[1]
    for k, adapter in enumerate([1, 2, 1, 0]):
        request = play.add(Ask(0, f"r{k}", prompt(4, 10 + k), 4))
        request.lora_request = SimpleNamespace(lora_int_id=adapter) if adapter else None
    play.step()
    assert play.composed[0].running == ["r0", "r2", "r3"] == asked
    assert play.composed[0].waiting == ["r1"]
    play.run([])
    assert set(play.finished) == {"r0", "r1", "r2", "r3"}


def test_two_requests_of_one_name_are_told_apart() -> None:
    play = Play(sized(20, "serving/vllm-v1"))
    play.add(Ask(0, "chat-00000001", prompt(4), 3))
    play.add(Ask(0, "chat-00000002", prompt(4), 3))
    seen = [play.scheduler._state.requests.name(one) for one in play.scheduler.waiting]
    assert seen == ["chat", "chat-00000002"]
    play.run([])
    assert len(play.finished) == 2


# Policies that cannot be followed.

POLICY = """
from typing import ClassVar

from hocket.serving.roles.batching import FirstComeFirstServed, Limits
from hocket.serving.roles.policy import BatchingPolicy


class Batcher(FirstComeFirstServed):
    def {question}:
        {answer}


class Mine(BatchingPolicy, frozen=True):
    name: ClassVar[str] = "mine/{number}"

    def batcher(self, engine, streams):
        return Batcher(Limits())
"""


def failing(folder: Path, question: str, answer: str) -> str:
    """A policy file whose batcher answers one question in its own way."""
    number = len(list(folder.iterdir()))
    file = folder / f"mine{number}.py"
    file.write_text(POLICY.format(question=question, answer=answer, number=number))
    return str(file)


def short_of_memory(policy: str) -> Play:
    play = Play(sized(6, policy))
    for k in range(3):
        play.add(Ask(0, f"r{k}", prompt(6, 10 + k), 12))
    return play


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("return 'nobody-here'", "'nobody-here' gives way to r"),
        ("return ''", "nobody gives way to r"),
        ("return needy", "gives way to r"),
    ],
)
def test_a_victim_that_does_not_run_is_illegal(tmp_path: Path, answer: str, words: str) -> None:
    play = short_of_memory(failing(tmp_path, "victim(self, view, needy)", answer))
    with pytest.raises(IllegalDecision, match="mine/0") as caught:
        play.run([])
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "question", ["rank(self, request)", "admits(self, view, request)", "finished(self, request)"]
)
def test_a_policy_that_raises_stops_the_engine_with_its_name(tmp_path: Path, question: str) -> None:
    policy = failing(tmp_path, question, "raise KeyError('lost')")
    with pytest.raises(RunError, match=r"mine/0 failed in \w+: KeyError: 'lost'"):
        short_of_memory(policy).run([])


def test_a_policy_file_of_ones_own_runs(tmp_path: Path) -> None:
    policy = failing(tmp_path, "rank(self, request)", "return -request.arrival")
    play = Play(sized(20, policy, seqs=1))
    for k in range(4):
        play.add(Ask(k, f"r{k}", prompt(4, 10 + k), 2))
    play.run([])
    assert list(play.finished) == ["r3", "r2", "r1", "r0"]


# At the start.


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("serving/clairvoyant", "no real engine reveals"),
        ({"policy": "serving/sarathi", "preemption": "swap"}, "preemption: recompute"),
        ({"policy": "serving/vllm-v1", "tokens": 512}, "--max-num-batched-tokens 256"),
        ("serving/round-robin", "does not compose iterations"),
        ({"policy": "serving/sarathi", "tokens": "auto"}, "tokens: auto needs"),
    ],
)
def test_what_cannot_be_done_is_refused_at_the_start(policy: Any, words: str) -> None:
    with pytest.raises(UserError) as caught:
        Play(sized(20, policy))
    assert words in str(caught.value)


def test_uncut_prompts_need_a_budget_for_the_longest() -> None:
    with pytest.raises(InputError, match="--max-num-batched-tokens 64"):
        Play(sized(20, "serving/orca", tokens=64))
    Play(sized(20, "serving/orca", tokens=80))


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "__version__", "0.40.1")
    with pytest.raises(UserError, match=r"vLLM 0\.40\.1 is installed"):
        Play(sized(20, "serving/vllm-v1"))
    Bare(Settings(blocks=20, block_size=SIZE, hocket={"unverified": True}))


def test_a_missing_seam_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.v1.core.kv_cache_coordinator import KVCacheCoordinator

    monkeypatch.delattr(KVCacheCoordinator, "remove_skipped_blocks")
    with pytest.raises(UserError, match="without remove_skipped_blocks"):
        Play(sized(20, "serving/vllm-v1"))


# The record.


@DEPTHS
def test_the_record_tells_the_run(tmp_path: Path, depth: int) -> None:
    policy = {"policy": "serving/vllm-v1", "seqs": 4}
    told = {"policy": policy, "record": str(tmp_path / "run.jsonl"), "seed": 3}
    settings = Settings(
        blocks=8, block_size=SIZE, max_context=32, tokens=64, prefix_cache=True, hocket=told
    )
    asks = some(5, 8)
    play = Play(settings, depth).run(asks)
    play.scheduler.shutdown()
    began, *lines = read(tmp_path / "run.jsonl")
    assert isinstance(began, Began)
    assert began.policy == {"policy": "serving/vllm-v1", "tokens": 2048, "seqs": 4, "whole": True}
    assert (began.blocks, began.block_size, began.max_context) == (8, SIZE, 32)
    assert (began.tokens, began.overlapped, began.seed) == (64, depth == 2, 3)
    asked = {line.id: line for line in lines if isinstance(line, Asked)}
    assert {name: line.prompt for name, line in asked.items()} == {
        ask.name: len(ask.prompt) for ask in asks
    }
    assert all(len(line.prefix) == line.prompt // SIZE for line in asked.values())
    steps = [line for line in lines if isinstance(line, Step)]
    assert [step.n for step in steps] == list(range(len(steps)))
    assert [step.tokens for step in steps] == [c.tokens for c in play.composed if c.tokens]
    real = [c for c in play.composed if c.tokens]
    assert [(s.free, s.running, s.waiting) for s in steps] == [
        (c.free, len(c.running), len(c.waiting)) for c in real
    ]
    assert all(step.at + depth - 1 <= step.end + 1 for step in steps)
    victims = [name for step in steps for name in step.preempted]
    assert victims
    reasons = {why for step in steps for why in step.reasons.values()}
    assert "no memory" in reasons
    assert any(why.startswith("memory for r") for why in reasons)
    finished = {line.id: line for line in lines if isinstance(line, Finished)}
    assert {name: line.generated for name, line in finished.items()} == {
        ask.name: ask.limit for ask in asks
    }
    assert {line.why for line in finished.values()} == {"length"}


@DEPTHS
def test_the_record_tells_of_those_whom_vllm_itself_has_give_way(
    tmp_path: Path, depth: int
) -> None:
    told = {"policy": "serving/vllm-v1", "record": str(tmp_path / "run.jsonl")}
    play = Play(msgspec.structs.replace(sized(20), hocket=told), depth)
    for k in range(3):
        play.add(Ask(0, f"r{k}", prompt(9), 12))
    for _ in range(4):
        play.step()
    play.scheduler.reset_prefix_cache(reset_running_requests=True)
    play.run([])
    play.scheduler.shutdown()
    steps = [line for line in read(tmp_path / "run.jsonl") if isinstance(line, Step)]
    assert [step.preempted for step in steps if step.preempted] == [("r2", "r1", "r0")]


def test_the_record_says_what_the_policy_says(tmp_path: Path) -> None:
    told = {"policy": "serving/conservative", "record": str(tmp_path / "run.jsonl")}
    settings = Settings(blocks=8, block_size=SIZE, max_context=32, tokens=64, hocket=told)
    play = Play(settings)
    play.add(Ask(0, "a", prompt(4), 20))
    for _ in range(12):
        play.add(Ask(0, f"b{play.turn}", prompt(4, 11), 20))
        play.step()
    play.scheduler.finish_requests("a", ABORTED)
    play.scheduler.shutdown()
    lines = [json.loads(text) for text in (tmp_path / "run.jsonl").read_text().splitlines()]
    reasons = {why for line in lines for why in line.get("reasons", {}).values()}
    assert any("blocks for the longest answers" in why for why in reasons)
    assert [line["why"] for line in lines if line["kind"] == "finished"] == ["abort"]


def test_engines_that_share_a_name_are_told_apart() -> None:
    scheduler = Play(sized(20, "serving/vllm-v1")).scheduler
    assert engine_facts(scheduler, "").name == "replica-0"
    assert engine_facts(scheduler, "west").name == "west"
    parallel = SimpleNamespace(data_parallel_index=3, data_parallel_size=4)
    scheduler.parallel_config = copy.copy(scheduler.parallel_config)
    scheduler.parallel_config.__dict__.update(vars(parallel))
    assert engine_facts(scheduler, "west").name == "west-3"
