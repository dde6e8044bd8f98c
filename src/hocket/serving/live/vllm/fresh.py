"""Schedulers and engines of vLLM for single runs, in this process, and how they come by answers."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import torch
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.engine.arg_utils import EngineArgs
from vllm.utils.hashing import get_hash_fn_by_name
from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
from vllm.v1.engine.llm_engine import LLMEngine
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
from vllm.v1.sample.logits_processor import AdapterLogitsProcessor
from vllm.v1.structured_output import StructuredOutputManager

from hocket.serving.live.vllm.prompts import STOP
from hocket.serving.live.vllm.tiny import offline, tiny_model


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What vLLM is started with for a run; blocks do not count its own placeholder.

    `hocket`: settings of hocket's scheduler class, None for vLLM's own, which then follows
    `scheduling`. `second`: ticks per second of the virtual clock.
    """

    blocks: int
    block_size: int = 32
    max_context: int = 1024
    tokens: int = 2048
    seqs: int = 256
    prefix_cache: bool = False
    whole: bool = True
    watermark: float = 0.0
    scheduling: str = "fcfs"
    hocket: dict[str, Any] | None = None
    second: float = 1e6


class Answers(AdapterLogitsProcessor):  # type: ignore[misc]  # vllm may be absent
    """Lets a request say its own answer: ``extra_args: {"answer": [token, how many]}``."""

    def is_argmax_invariant(self) -> bool:
        """See LogitsProcessor."""
        return False

    def new_req_logits_processor(self, params: SamplingParams) -> Any:
        """See AdapterLogitsProcessor."""
        given = (params.extra_args or {}).get("answer")
        if given is None:
            return None
        token, output = given

        def say(generated: Sequence[int], logits: torch.Tensor) -> torch.Tensor:
            ends = len(generated) + 1 == output and output < (params.max_tokens or output)
            logits.fill_(float("-inf"))
            logits[STOP if ends else token] = 0.0
            return logits

        return say


def started(model: Path | None = None, *, blocks: int = 256, tokens: int = 8192) -> LLMEngine:
    """An engine for `Modelled`, in this process: with the model in a folder, or a tiny one.

    `blocks` of 32 tokens and iterations of up to `tokens` are the most that a run may have.
    """
    arguments = offline(
        num_gpu_blocks_override=blocks + 1,
        max_model_len=min(blocks * 32, 4096),
        max_num_batched_tokens=tokens,
        max_num_seqs=256,
        enable_prefix_caching=True,
        async_scheduling=False,
        logits_processors=[Answers],
    )
    return LLMEngine.from_engine_args(EngineArgs(model=str(model or _folder()), **arguments))


@cache
def running(model: Path | None) -> LLMEngine:
    """An engine that stays for the life of the process, see `started`."""
    return started(model)


def make_scheduler(config: VllmConfig, blocks: KVCacheConfig, settings: Settings) -> Any:
    """A scheduler of the class and with the bounds that `settings` ask for."""
    own = copy.copy(config)
    own.cache_config = copy.copy(config.cache_config)
    own.model_config = copy.copy(config.model_config)
    own.scheduler_config = plan = copy.copy(config.scheduler_config)
    own.cache_config.num_gpu_blocks = settings.blocks + 1
    own.cache_config.block_size = settings.block_size
    own.cache_config.enable_prefix_caching = settings.prefix_cache
    own.model_config.max_model_len = settings.max_context
    plan.max_num_batched_tokens, plan.max_num_seqs = settings.tokens, settings.seqs
    plan.policy, plan.watermark = settings.scheduling, settings.watermark
    plan.scheduler_reserve_full_isl = settings.whole
    if settings.hocket is not None:
        plan.scheduler_cls = "hocket.serving.live.vllm.Scheduler"
        own.additional_config = {"hocket": settings.hocket}
    return plan.get_scheduler_cls()(
        vllm_config=own,
        kv_cache_config=blocks,
        structured_output_manager=StructuredOutputManager(own),
        block_size=settings.block_size,
        hash_block_size=settings.block_size,
        log_stats=False,
    )


def bare_blocks(settings: Settings) -> KVCacheConfig:
    """Without a model: the memory of a model with one layer of one number per token."""
    layer = FullAttentionSpec(
        block_size=settings.block_size, num_kv_heads=1, head_size=1, dtype=torch.float32
    )
    groups = [KVCacheGroupSpec(["layer"], layer)]
    return KVCacheConfig(
        num_blocks=settings.blocks + 1, kv_cache_tensors=[], kv_cache_groups=groups
    )


@cache
def configuration() -> VllmConfig:
    """Of an engine with the tiny model, whatever its numbers."""
    arguments = offline(async_scheduling=False, enable_prefix_caching=True)
    return EngineArgs(model=str(_folder()), **arguments).create_engine_config()


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="hocket-tiny-")


def _folder() -> Path:
    """The tiny model, made once for this process and removed at its end."""
    return tiny_model(_temporary().name, vocab=8192, tokenizer=False)


@cache
def hasher(block_size: int) -> Any:
    """What tells whether blocks have equal contents, as the engine makes it."""
    digest = get_hash_fn_by_name("sha256")
    init_none_hash(digest)
    return get_request_block_hasher(block_size, digest)
