"""Policies in vLLM's real scheduler, one iteration after the other and with two under way."""

from __future__ import annotations

import random
from typing import Any

import pytest

pytest.importorskip("vllm")

from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler as VllmScheduler

from hocket.serving.live.vllm import Scheduler
from hocket.serving.live.vllm.scheduler import Overlapped
from tests.serving.live.vllm.playing import POLICIES, Ask, Play, lengths, sized, some

SEEDS = range(12)
DEPTHS = pytest.mark.parametrize("depth", [1, 2], ids=["one by one", "overlapped"])
CACHE = pytest.mark.parametrize("cache", [False, True], ids=["no cache", "prefix cache"])


def test_the_class_suits_the_engine() -> None:
    alone, both = Play(sized(8, "serving/vllm-v1")), Play(sized(8, "serving/vllm-v1"), 2)
    assert type(alone.scheduler) is Scheduler
    assert not isinstance(alone.scheduler, AsyncScheduler)
    assert type(both.scheduler) is Overlapped
    assert isinstance(both.scheduler, AsyncScheduler)
    assert issubclass(Scheduler, VllmScheduler)


@DEPTHS
@CACHE
def test_vllm_v1_composes_exactly_what_vllm_composes(depth: int, cache: bool) -> None:
    preempted = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        blocks = rng.randint(6, 20)
        bounds = {"tokens": rng.choice([8, 16, 64]), "seqs": rng.choice([2, 4, 8])}
        asks = some(seed, blocks)
        stock = Play(sized(blocks, prefix_cache=cache, **bounds), depth).run(asks)
        ours = Play(sized(blocks, "serving/vllm-v1", prefix_cache=cache, **bounds), depth).run(asks)
        assert ours.composed == stock.composed, f"seed {seed}"
        assert ours.answers == stock.answers
        preempted += ours.preempted
    assert preempted > 5, "memory was never short: the test says little"


@DEPTHS
@CACHE
@pytest.mark.parametrize("policy", POLICIES)
def test_every_request_is_served_by_every_policy(policy: str, depth: int, cache: bool) -> None:
    for seed in SEEDS:
        blocks = random.Random(seed).randint(6, 20)
        asks = some(seed, blocks)
        play = Play(sized(blocks, POLICIES[policy], prefix_cache=cache), depth).run(asks)
        assert {name: len(answer) for name, answer in play.answers.items()} == lengths(asks)
        assert play.leaked == 0
        limits = play.scheduler.hocket.batcher.limits
        for composed in play.composed:
            assert len(composed.running) <= limits.seqs
            assert composed.free >= 0


def test_requests_come_in_the_order_of_the_policy() -> None:
    play = Play(sized(20, {"policy": "serving/priority", "seqs": 1}))
    for k, priority in enumerate([0, 3, -2, 1]):
        play.add(Ask(0, f"r{k}", [10] * 5, 2, priority))
    play.run([])
    assert list(play.finished) == ["r2", "r0", "r3", "r1"]


@DEPTHS
def test_nobody_gives_way_where_the_longest_answers_are_reserved(depth: int) -> None:
    for seed in SEEDS:
        blocks = random.Random(seed).randint(6, 20)
        play = Play(sized(blocks, POLICIES["orca"]), depth).run(some(seed, blocks))
        seen: set[str] = set()
        for composed in play.composed:
            assert not seen & set(composed.waiting)
            seen |= set(composed.running)


@pytest.mark.parametrize("policy", ["vllm-v0", "past-future", "conservative"])
def test_prompts_run_by_themselves(policy: str) -> None:
    for seed in SEEDS:
        blocks = random.Random(seed).randint(6, 20)
        asks = some(seed, blocks)
        play = Play(sized(blocks, POLICIES[policy])).run(asks)
        for composed in play.composed:
            assert set(composed.came) in (set(), set(composed.tokens))


@DEPTHS
def test_the_policy_hears_of_the_complete_only_and_in_order_of_admission(depth: int) -> None:
    play = Play(sized(40, "serving/vllm-v1"), depth)
    heard: list[tuple[str, int, int]] = []
    play.scheduler._deciding.finished = lambda one: heard.append(
        (one.id, one.computed, one.generated)
    )
    for k, limit in enumerate([3, 50, 3, 4]):
        play.add(Ask(0, f"r{k}", [10 + k] * 4, limit))
    for _ in range(3):
        play.step()
    play.scheduler.finish_requests("r1", _aborted())
    play.run([])
    assert heard == [("r0", 0, 3), ("r2", 0, 3), ("r3", 0, 4)]
    assert play.leaked == 0
    assert not play.scheduler.requests


def _aborted() -> Any:
    from vllm.v1.request import RequestStatus

    return RequestStatus.FINISHED_ABORTED


@DEPTHS
@pytest.mark.parametrize("policy", ["vllm-v1", "past-future", "sarathi", "orca"])
def test_aborts_at_any_time_leave_nothing_behind(policy: str, depth: int) -> None:
    for seed in SEEDS:
        rng = random.Random(seed)
        blocks = rng.randint(6, 20)
        play = Play(sized(blocks, POLICIES[policy], prefix_cache=bool(seed % 2)), depth)
        asks = some(seed, blocks)
        for ask in asks:
            play.add(ask)
        gone: set[str] = set()
        while play.scheduler.requests:
            play.step()
            if rng.random() < 0.1 and play.scheduler.requests:
                name = rng.choice(sorted(play.scheduler.requests))
                play.scheduler.finish_requests(name, _aborted())
                gone.add(name)
            assert play.turn < 5000
        play.run([])
        assert play.leaked == 0
        whole = {name: n for name, n in lengths(asks).items() if name not in gone}
        assert {k: len(v) for k, v in play.answers.items() if k in whole} == whole
        assert not play.scheduler._state.requests._names


def test_views_show_an_iteration_under_way_as_ended() -> None:
    often = {"policy": "serving/past-future", "every": 1, "first": 10}
    for policy in ("serving/vllm-v1", often):
        seen: list[list[tuple[str, int, int]]] = []
        for depth in (1, 2):
            play = Play(sized(40, policy), depth)
            told: list[tuple[str, int, int]] = []
            ask = play.scheduler._deciding.admits

            def admits(view: Any, request: Any, told: Any = told, ask: Any = ask) -> Any:
                told.extend((one.id, one.computed, one.generated) for one in view.running)
                return ask(view, request)

            play.scheduler._deciding.admits = admits
            for turn in range(0, 30, 3):
                play.add(Ask(turn, f"r{turn:02d}", [10 + turn] * 6, 200))
                for _ in range(3):
                    play.step()
            seen.append(told)
        assert seen[0] == seen[1]
        assert len(seen[0]) > 10
