"""What of an engine's configuration a policy cannot be followed with: told before it starts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import msgspec

from hocket.core.errors import InputError
from hocket.core.policy import Policy
from hocket.serving.roles.batching import Limits

_BOUNDS = {"tokens": "--max-num-batched-tokens", "seqs": "--max-num-seqs"}


def require(scheduler: Any, policy: Policy, limits: Limits) -> None:
    """Raise InputError with everything that keeps the engine from doing as the policy says."""
    problems = [
        *_of_engine(scheduler, limits),
        *_of_memory(scheduler, limits),
        *_of_bounds(scheduler, policy, limits),
    ]
    if problems:
        raise InputError(f"{policy.name} cannot run in this engine", problems)


def tell_bounds(scheduler: Any, policy: Policy, limits: Limits, log: logging.Logger) -> None:
    """Say in the log where the engine's own bounds are tighter than the policy's."""
    for name, (own, wanted) in _bounds(scheduler, limits).items():
        if wanted is None or wanted > own:
            asked = "no bound" if wanted is None else str(wanted)
            flag = _BOUNDS[name]
            log.info("%s: %s = %d by the engine's %s, not %s", policy.name, name, own, flag, asked)


def _bounds(scheduler: Any, limits: Limits) -> dict[str, tuple[int, int | None]]:
    """The engine's own bounds of an iteration beside those of the policy."""
    return {
        "tokens": (scheduler.max_num_scheduled_tokens, limits.tokens),
        "seqs": (scheduler.max_num_active_reqs, limits.seqs),
    }


def _of_engine(scheduler: Any, limits: Limits) -> Iterator[str]:
    """Settings of vLLM's own scheduling that would interfere."""
    config = scheduler.scheduler_config
    if config.policy != "fcfs":
        yield (
            f"--scheduling-policy {config.policy}: the order of the queue is the policy's; leave "
            "it out (serving/priority does what vLLM's priority scheduling does)"
        )
    if config.long_prefill_token_threshold > 0:
        yield (
            "--long-prefill-token-threshold: chunks are cut by the policy's budget alone; leave "
            "it out"
        )
    if config.watermark > 0:
        yield (
            "--watermark: what admissions leave free is the policy's to say; leave it out, and set "
            "the policy's watermark where it has one"
        )
    if limits.whole and not config.scheduler_reserve_full_isl:
        yield (
            "--no-scheduler-reserve-full-isl: the policy admits only what fits as a whole; leave "
            "it out, or set whole: false where the policy has it"
        )
    if limits.chunked and not config.enable_chunked_prefill:
        yield (
            "--no-enable-chunked-prefill: the policy cuts prompts to its budget; leave it out, or "
            "set chunked: false where the policy has it"
        )


def _of_memory(scheduler: Any, limits: Limits) -> Iterator[str]:
    """What vLLM's key-value memory cannot do."""
    if limits.preemption == "swap":
        yield (
            "preemption: swap: this engine cannot move key-value memory to the host; set "
            "preemption: recompute"
        )
    if scheduler.defer_block_free:
        yield (
            "--kv-transfer-config: this connector holds back freed memory while iterations "
            "overlap, so that giving way frees nothing; add --no-async-scheduling"
        )
    if limits.allocate != "chunk" and (scheduler.has_mamba_layers or scheduler.is_encoder_decoder):
        yield (
            f"allocate: {limits.allocate}: this model keeps other state than keys and values per "
            "token, which cannot be taken ahead; use a policy that takes memory chunk by chunk"
        )


def _of_bounds(scheduler: Any, policy: Policy, limits: Limits) -> Iterator[str]:
    """Bounds of the engine that are tighter than what the policy needs, or was told."""
    most, longest = scheduler.max_num_scheduled_tokens, scheduler.max_model_len
    if not limits.chunked and most < longest:
        yield (
            f"--max-num-batched-tokens {most}: the policy never cuts a prompt, and prompts may "
            f"have {longest} tokens (--max-model-len); make it at least as large"
        )
    for name, (own, wanted) in _bounds(scheduler, limits).items():
        if wanted is not None and wanted > own and _was_told(policy, name):
            yield (
                f"{name}: {wanted} is more than the engine's {_BOUNDS[name]} {own}; raise that, "
                f"or lower {name}"
            )


def _was_told(policy: Policy, name: str) -> bool:
    """Whether a field has another value than the policy's default."""
    for field in msgspec.structs.fields(type(policy)):
        if field.name == name:
            return bool(getattr(policy, name) != field.default)
    return False
