"""Another vLLM than the tested one is refused, and told apart."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from hocket.core.errors import UserError
from hocket.serving.live.vllm import versions

LOG = logging.getLogger("test")


@pytest.mark.parametrize("version", ["0.32.0", "0.32.7", "0.32.1+cpu", "0.32.0.post1", "0.32"])
def test_the_tested_version_is_taken(version: str) -> None:
    versions.require(version, unverified=False, log=LOG)


@pytest.mark.parametrize("version", ["0.31.9", "0.33.0", "0.320.0", "1.0.0", "dev", ""])
def test_others_are_refused_in_one_sentence(version: str) -> None:
    with pytest.raises(UserError) as caught:
        versions.require(version, unverified=False, log=LOG)
    told = str(caught.value)
    assert f"vLLM {version} is installed" in told
    assert versions.TESTED in told
    assert "unverified" in told


def test_who_insists_is_warned(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        versions.require("0.33.0", unverified=True, log=LOG)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "0.33.0" in caplog.text


def test_missing_seams_are_named() -> None:
    def get_num_blocks_to_allocate(request_id: str) -> int:
        return 0

    coordinator = SimpleNamespace(get_num_blocks_to_allocate=get_num_blocks_to_allocate)
    scheduler = SimpleNamespace(
        kv_cache_manager=SimpleNamespace(coordinator=coordinator), running=[]
    )
    with pytest.raises(UserError) as caught:
        versions.require_seams(scheduler, "0.32.9")
    told = str(caught.value)
    assert "_preempt_request" in told
    assert "allocate_new_blocks" in told
    assert "get_num_blocks_to_allocate(prefill_end)" in told
    assert "running" not in told
