"""Kinds of memory and of iterations beyond the plain ones: windows, and drafted tokens."""

from __future__ import annotations

import copy
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm")

import torch
from vllm.config import VllmConfig
from vllm.engine.arg_utils import EngineArgs
from vllm.v1.kv_cache_interface import (
    FullAttentionSpec,
    KVCacheConfig,
    KVCacheGroupSpec,
    SlidingWindowSpec,
)
from vllm.v1.outputs import DraftTokenIds, ModelRunnerOutput

from hocket.serving.live.vllm.inprocess import Settings, make_scheduler
from hocket.serving.live.vllm.tiny import offline, tiny_model
from tests.serving.live.vllm.playing import POLICIES, SIZE, TOKEN, Play, lengths, sized, some

SEEDS = range(8)
CACHE = pytest.mark.parametrize("cache", [False, True], ids=["no cache", "prefix cache"])
WINDOW = 12
DRAFTED = 3


class Windowed(Play):
    """Half of the model's layers look back only so far, and give older blocks back."""

    def __init__(self, settings: Settings, depth: int = 1) -> None:
        super().__init__(settings, depth)
        kind: dict[str, Any] = {
            "block_size": SIZE,
            "num_kv_heads": 1,
            "head_size": 1,
            "dtype": torch.float32,
        }
        groups = [
            KVCacheGroupSpec(["full"], FullAttentionSpec(**kind)),
            KVCacheGroupSpec(["window"], SlidingWindowSpec(**kind, sliding_window=WINDOW)),
        ]
        blocks = KVCacheConfig(
            num_blocks=settings.blocks + 1, kv_cache_tensors=[], kv_cache_groups=groups
        )
        self.scheduler = make_scheduler(self.scheduler.vllm_config, blocks, settings)
        if settings.hocket is not None:
            self.scheduler.clock = self


class Drafting(Play):
    """Some tokens of every answer are guessed; how many hold is drawn at random."""

    def __init__(self, settings: Settings, seed: int) -> None:
        super().__init__(settings)
        blocks = self.scheduler.kv_cache_config
        self.scheduler = make_scheduler(copy.copy(drafting()), blocks, settings)
        if settings.hocket is not None:
            self.scheduler.clock = self
        self._rng = random.Random(seed)

    def end(self) -> None:
        """See Play.end."""
        output, complete = self._under_way.popleft()
        names = list(output.num_scheduled_tokens)
        drafted = output.scheduled_spec_decode_tokens
        sampled = [
            [TOKEN] * (1 + self._rng.randint(0, len(drafted.get(name, ()))))
            if name in complete
            else []
            for name in names
        ]
        result = ModelRunnerOutput(
            req_ids=names,
            req_id_to_index={name: i for i, name in enumerate(names)},
            sampled_token_ids=sampled,
        )
        self.hear(self.scheduler.update_from_output(output, result))
        left = [name for name in names if name in self.scheduler.requests and name in complete]
        guesses = [[TOKEN] * self._rng.randint(0, DRAFTED) for _ in left]
        self.scheduler.update_draft_token_ids(DraftTokenIds(left, guesses))


@cache
def drafting() -> VllmConfig:
    """Of an engine that guesses by what a prompt repeats."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        model = tiny_model(Path(folder), vocab=8192, tokenizer=False)
        guess = {"method": "ngram", "num_speculative_tokens": DRAFTED, "prompt_lookup_max": 3}
        arguments = offline(
            async_scheduling=False, enable_prefix_caching=True, speculative_config=guess
        )
        return EngineArgs(model=str(model), **arguments).create_engine_config()


@CACHE
@pytest.mark.parametrize("depth", [1, 2], ids=["one by one", "overlapped"])
def test_sliding_windows_are_foreseen(cache: bool, depth: int) -> None:
    preempted = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        blocks = rng.randint(14, 30)
        bounds = {"tokens": rng.choice([8, 16, 64]), "seqs": rng.choice([2, 4, 8])}
        asks = some(seed, blocks // 2)
        stock = Windowed(sized(blocks, prefix_cache=cache, **bounds), depth).run(asks)
        ours = Windowed(sized(blocks, "serving/vllm-v1", prefix_cache=cache, **bounds), depth)
        assert ours.run(asks).composed == stock.composed, f"seed {seed}"
        preempted += ours.preempted
    assert preempted


@CACHE
@pytest.mark.parametrize("policy", ["sarathi", "past-future", "vllm-v0", "orca", "urgent"])
def test_policies_run_with_sliding_windows(policy: str, cache: bool) -> None:
    for seed in SEEDS:
        asks = some(seed, 9)
        play = Windowed(sized(20, POLICIES[policy], prefix_cache=cache)).run(asks)
        assert {name: len(answer) for name, answer in play.answers.items()} == lengths(asks)
        assert play.leaked == 0


@CACHE
def test_drafted_tokens_are_foreseen(cache: bool) -> None:
    preempted = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        blocks = rng.randint(8, 20)
        bounds = {"tokens": rng.choice([32, 64]), "seqs": rng.choice([2, 4, 8])}
        asks = some(seed, blocks)
        stock = Drafting(sized(blocks, prefix_cache=cache, **bounds), seed).run(asks)
        ours = Drafting(sized(blocks, "serving/vllm-v1", prefix_cache=cache, **bounds), seed)
        assert ours.run(asks).composed == stock.composed, f"seed {seed}"
        preempted += ours.preempted
    assert preempted


@CACHE
@pytest.mark.parametrize("policy", ["sarathi", "past-future", "vllm-v0", "orca", "urgent"])
def test_policies_run_with_drafted_tokens(policy: str, cache: bool) -> None:
    for seed in SEEDS:
        asks = some(seed, 10)
        play = Drafting(sized(10, POLICIES[policy], prefix_cache=cache), seed).run(asks)
        assert {name: len(answer) for name, answer in play.answers.items()} == lengths(asks)
        assert play.leaked == 0
