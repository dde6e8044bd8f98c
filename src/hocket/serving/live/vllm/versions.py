"""Which vLLM this works with: the seams of its scheduler are not public and change.

They are those of vLLM 0.32, with which the tests of ``make test-live`` run. Any other version is
refused, for a scheduler that composes by other rules than those asked for would not show it.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from typing import Any

from hocket.core.errors import UserError

TESTED = "0.32"
"""The minor version that the tests run with."""

_METHODS = (
    "_free_request",
    "_free_request_blocks",
    "_handle_blocked_waiting_request",
    "_is_blocked_waiting_status",
    "_preempt_request",
    "add_request",
    "finish_requests",
    "schedule",
    "shutdown",
    "update_from_output",
)
_ATTRIBUTES = (
    "_inflight_prefills",
    "_pause_state",
    "current_step",
    "defer_block_free",
    "has_mamba_layers",
    "hash_block_size",
    "kv_cache_manager",
    "kv_holding_waiting",
    "lora_config",
    "max_model_len",
    "max_num_active_reqs",
    "max_num_scheduled_tokens",
    "num_lookahead_tokens",
    "num_sampled_tokens_per_step",
    "num_spec_tokens",
    "num_waiting_for_streaming_input",
    "prefill_capacity_bound",
    "prev_step_scheduled_req_ids",
    "requires_kv_delivery",
    "running",
    "scheduler_reserve_full_isl",
    "waiting",
)
_POOL = ("_maybe_evict_cached_block", "enable_caching", "free_block_queue")
_MEMORY = {
    "allocate_new_blocks": ("request_id", "num_tokens", "num_tokens_main_model"),
    "find_longest_cache_hit": (),
    "get_num_blocks_to_allocate": (
        "request_id",
        "num_tokens",
        "new_computed_blocks",
        "num_encoder_tokens",
        "total_computed_tokens",
        "num_local_computed_tokens",
        "num_tokens_main_model",
        "apply_admission_cap",
        "prefill_end",
    ),
    "remove_skipped_blocks": ("num_prompt_tokens",),
}


def require(version: str, *, unverified: bool, log: logging.Logger) -> None:
    """Raise UserError for a version that was not tested, unless the user insists."""
    if version == TESTED or version.startswith(TESTED + "."):
        return
    told = f"vLLM {version} is installed; hocket's scheduler was tested with vLLM {TESTED}"
    if not unverified:
        raise UserError(
            f"{told}: install vllm~={TESTED}.0, or try it with the setting unverified: true"
        )
    log.warning("%s, and runs in it because of unverified: true", told)


def require_seams(scheduler: Any, version: str) -> None:
    """Raise UserError if the scheduler lacks anything that this relies on."""
    if missing := list(_missing(scheduler)):
        raise UserError(
            f"vLLM {version} has another scheduler than the one that hocket knows, without "
            f"{', '.join(missing)}; hocket was tested with vLLM {TESTED}"
        )


def _missing(scheduler: Any) -> Iterator[str]:
    names = (*_METHODS, *_ATTRIBUTES)
    yield from (name for name in names if not hasattr(scheduler, name))
    manager = getattr(scheduler, "kv_cache_manager", None)
    pool = getattr(manager, "block_pool", None)
    yield from (f"block_pool.{name}" for name in _POOL if not hasattr(pool, name))
    coordinator = getattr(manager, "coordinator", None)
    for name, parameters in _MEMORY.items():
        method = getattr(coordinator, name, None)
        if method is None:
            yield name
        else:
            known = inspect.signature(method).parameters
            yield from (f"{name}({one})" for one in parameters if one not in known)
