"""Engines that cannot do as a policy says are refused before they start."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from hocket.core.errors import InputError
from hocket.core.load import load_policy
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.serving.live.vllm import checks
from hocket.serving.roles.batching import Limits
from hocket.serving.roles.facts import Engine

V1 = load_policy("serving/vllm-v1")


def engine(**changes: Any) -> SimpleNamespace:
    config = {
        "policy": "fcfs",
        "long_prefill_token_threshold": 0,
        "watermark": 0.0,
        "scheduler_reserve_full_isl": True,
        "enable_chunked_prefill": True,
    }
    own = {
        "defer_block_free": False,
        "has_mamba_layers": False,
        "is_encoder_decoder": False,
        "max_num_scheduled_tokens": 2048,
        "max_num_active_reqs": 256,
        "max_model_len": 2048,
    }
    config |= {key: changes.pop(key) for key in list(changes) if key in config}
    return SimpleNamespace(scheduler_config=SimpleNamespace(**config), **own | changes)


def told(engine: Any, limits: Limits, policy: Policy = V1) -> str:
    with pytest.raises(InputError) as caught:
        checks.require(engine, policy, limits)
    return str(caught.value)


def test_a_plain_engine_suits() -> None:
    checks.require(engine(), V1, Limits(whole=True))


@pytest.mark.parametrize(
    ("changes", "limits", "words"),
    [
        ({"policy": "priority"}, Limits(), "--scheduling-policy"),
        ({"long_prefill_token_threshold": 64}, Limits(), "--long-prefill-token-threshold"),
        ({"watermark": 0.1}, Limits(), "--watermark"),
        (
            {"scheduler_reserve_full_isl": False},
            Limits(whole=True),
            "--no-scheduler-reserve-full-isl",
        ),
        ({"enable_chunked_prefill": False}, Limits(), "--no-enable-chunked-prefill"),
        ({}, Limits(preemption="swap"), "preemption: recompute"),
        ({"defer_block_free": True}, Limits(), "--no-async-scheduling"),
        ({"has_mamba_layers": True}, Limits(allocate="prompt"), "chunk by chunk"),
        ({"is_encoder_decoder": True}, Limits(allocate="longest"), "chunk by chunk"),
        ({"max_model_len": 4096}, Limits(chunked=False), "--max-num-batched-tokens 2048"),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_what_cannot_be_done_is_told_with_what_to_change(
    changes: dict[str, Any], limits: Limits, words: str
) -> None:
    assert words in told(engine(**changes), limits)


def test_everything_is_told_at_once() -> None:
    found = told(engine(watermark=0.1, policy="priority"), Limits(preemption="swap"))
    assert all(word in found for word in ("--watermark", "--scheduling-policy", "swap"))


def test_bounds_that_the_user_has_set_must_hold() -> None:
    policy = load_policy({"policy": "serving/vllm-v1", "tokens": 4096, "seqs": 512})
    limits = policy.batcher(Engine(), Streams(0)).limits  # type: ignore[attr-defined]
    found = told(engine(), limits, policy)
    assert "tokens: 4096 is more than the engine's --max-num-batched-tokens 2048" in found
    assert "seqs: 512 is more than the engine's --max-num-seqs 256" in found


def test_of_default_bounds_the_tighter_hold_and_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    policy = load_policy("serving/past-future")
    limits = policy.batcher(Engine(), Streams(0)).limits  # type: ignore[attr-defined]
    checks.require(engine(), policy, limits)
    with caplog.at_level(logging.INFO):
        checks.tell_bounds(engine(), policy, limits, logging.getLogger("test"))
    assert "tokens = 2048 by the engine's --max-num-batched-tokens, not 18000" in caplog.text
    assert "seqs = 256 by the engine's --max-num-seqs, not 1000" in caplog.text


def test_bounds_that_suit_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        checks.tell_bounds(engine(), V1, Limits(), logging.getLogger("test"))
    assert not caplog.records
