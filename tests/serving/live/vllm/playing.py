"""vLLM's real scheduler without a model: iterations one after the other, or two under way.

The engine's answers are made up: a request whose prompt is complete gets a token from every
iteration that it is in. So what `update_from_output` does, and when, is in the tests' hands.
"""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from vllm import SamplingParams
from vllm.utils.hashing import get_hash_fn_by_name
from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request

from hocket.serving.live.vllm.inprocess import Bare, Settings, make_scheduler

TOKEN = 7
SIZE = 4  # tokens per block

POLICIES: dict[str, Any] = {
    "vllm-v1": {"policy": "serving/vllm-v1", "tokens": 16, "seqs": 4},
    "not whole": {"policy": "serving/vllm-v1", "tokens": 16, "seqs": 8, "whole": False},
    "priority": {"policy": "serving/priority", "tokens": 16, "seqs": 4},
    "urgent": {"policy": "serving/priority", "tokens": 16, "seqs": 4, "urgent": True},
    "sarathi": {"policy": "serving/sarathi", "tokens": 16, "seqs": 8, "watermark": 0.1},
    "sarathi, chunks only": {"policy": "serving/sarathi", "tokens": 16, "mixed": False},
    "sarathi, hybrid only": {"policy": "serving/sarathi", "tokens": 16, "chunked": False},
    "past-future": {"policy": "serving/past-future", "first": 8, "window": 10, "every": 2},
    "conservative": {"policy": "serving/conservative", "every": 3},
    "aggressive": {"policy": "serving/aggressive", "batch": 1, "every": 1},
    "sjf": {"policy": "serving/sjf", "tokens": 16, "seqs": 4},
    "vllm-v0": {"policy": "serving/vllm-v0", "tokens": 16, "seqs": 4},
    "orca": {"policy": "serving/orca", "seqs": 4},
    "fastertransformer": {"policy": "serving/fastertransformer", "seqs": 4},
    "urgent-first": {"policy": "serving/urgent-first"},
}


class Ask(NamedTuple):
    """A request: when it comes (counted in turns), its prompt, and the length of its answer."""

    turn: int
    name: str
    prompt: list[int]
    limit: int
    priority: int = 0


class Composition(NamedTuple):
    """An iteration as it was composed.

    `running` and `waiting` are afterwards; `came` are those who did not run before.
    """

    tokens: dict[str, int]
    free: int
    running: list[str]
    waiting: list[str]
    came: list[str]


def some(seed: int, blocks: int) -> list[Ask]:
    """A random handful of requests, each of which could run alone."""
    rng, longest = random.Random(seed), blocks * SIZE
    asks, turn = [], 0
    for k in range(rng.randint(2, 14)):
        turn += rng.randint(0, 6)
        prompt = rng.randint(1, longest // 3)
        limit = rng.randint(1, min(longest // 2, longest - prompt))
        asks.append(Ask(turn, f"r{k:02d}", [10 + k % 3] * prompt, limit, rng.randint(-1, 1)))
    return asks


def sized(blocks: int, policy: Any = None, **others: Any) -> Settings:
    """An engine of so many blocks, with a policy or vLLM's own rules."""
    given: dict[str, Any] = {"tokens": 256, "seqs": 64, "max_context": blocks * SIZE} | others
    hocket = None if policy is None else {"policy": policy}
    return Settings(blocks=blocks, block_size=SIZE, hocket=hocket, **given)


class Play:
    """One run. `depth` iterations are under way at a time: 2 as with asynchronous scheduling."""

    def __init__(self, settings: Settings, depth: int = 1) -> None:
        own = Bare(settings).scheduler
        if depth > 1:
            config = copy.copy(own.vllm_config)
            config.scheduler_config = copy.copy(config.scheduler_config)
            config.scheduler_config.async_scheduling = True
            own = make_scheduler(config, own.kv_cache_config, settings)
        self.scheduler: Any = own
        self.settings, self.depth, self.turn = settings, depth, 0
        self.answers: dict[str, list[int]] = {}
        self.finished: dict[str, str] = {}
        self.composed: list[Composition] = []
        self._under_way: deque[tuple[Any, set[str]]] = deque()
        self._hasher = None
        if settings.prefix_cache:
            digest = get_hash_fn_by_name("sha256")
            init_none_hash(digest)
            self._hasher = get_request_block_hasher(SIZE, digest)
        if settings.hocket is not None:
            own.clock = self

    unix = 0.0

    def now(self) -> int:
        """The turn: this is the scheduler's clock."""
        return self.turn

    def at(self, unix: float) -> int:
        """See vllm.clock.Clock."""
        return round(unix)

    def add(self, ask: Ask, **params: Any) -> Any:
        """A request comes; the scheduler's own object of it."""
        given: dict[str, Any] = {"ignore_eos": True, "detokenize": False} | params
        request = Request(
            request_id=ask.name,
            prompt_token_ids=list(ask.prompt),
            sampling_params=SamplingParams(temperature=0.0, max_tokens=ask.limit, **given),
            pooling_params=None,
            arrival_time=float(ask.turn),
            priority=ask.priority,
            block_hasher=self._hasher,
        )
        self.scheduler.add_request(request)
        return request

    def step(self) -> dict[str, int]:
        """One turn of the engine: compose an iteration, and end the oldest if it is time."""
        self.turn += 1
        tokens: dict[str, int] = {}
        if self.scheduler.has_requests():
            tokens = self.compose()
        if self._under_way and (len(self._under_way) >= self.depth or not tokens):
            self.end()
        return tokens

    def compose(self) -> dict[str, int]:
        """Compose an iteration, which is then under way."""
        own = self.scheduler
        before = set(own.running)
        output = own.schedule()
        tokens = dict(output.num_scheduled_tokens)
        complete = {name for name in tokens if not own.requests[name].is_prefill_chunk}
        self._under_way.append((output, complete))
        free = own.kv_cache_manager.block_pool.get_num_free_blocks()
        running = [request.request_id for request in own.running]
        waiting = [request.request_id for request in own.waiting]
        came = [request.request_id for request in own.running if request not in before]
        self.composed.append(Composition(tokens, free, running, waiting, came))
        return tokens

    def end(self) -> None:
        """End the oldest iteration under way."""
        output, complete = self._under_way.popleft()
        names = list(output.num_scheduled_tokens)
        result = ModelRunnerOutput(
            req_ids=names,
            req_id_to_index={name: i for i, name in enumerate(names)},
            sampled_token_ids=[[TOKEN] if name in complete else [] for name in names],
        )
        self.hear(self.scheduler.update_from_output(output, result))

    def hear(self, outputs: dict[int, Any]) -> None:
        """What the engine tells its clients."""
        for told in outputs.values():
            for one in told.outputs:
                self.answers.setdefault(one.request_id, []).extend(one.new_token_ids)
                if one.finish_reason is not None:
                    self.finished[one.request_id] = str(one.finish_reason)

    def run(self, asks: Sequence[Ask], most: int = 5000) -> Play:
        """Until all requests are done and no iteration is under way."""
        coming = deque(asks)
        while coming or self.scheduler.get_num_unfinished_requests() or self._under_way:
            while coming and coming[0].turn <= self.turn:
                self.add(coming.popleft())
            self.step()
            assert self.turn < most, "the engine does not get on"
        return self

    @property
    def preempted(self) -> int:
        """How often somebody who ran waited afterwards."""
        return sum(
            len(set(before.running) & set(now.waiting)) for before, now in pairwise(self.composed)
        )

    @property
    def leaked(self) -> int:
        """Blocks that are in use though nobody runs."""
        pool = self.scheduler.kv_cache_manager.block_pool
        return int(self.settings.blocks - pool.get_num_free_blocks())


def lengths(asks: Sequence[Ask]) -> dict[str, int]:
    """How long every answer must be."""
    return {ask.name: ask.limit for ask in asks}
