"""Policies that fail are named, told once, and stop the engine."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from hocket.core.errors import IllegalDecision, RunError, UserError
from hocket.serving.live.vllm.deciding import LOG, Deciding
from hocket.serving.roles.batching import FirstComeFirstServed, Limits, Request

ONE = Request("a", 0, 3)


class View:
    """As much of a view as is asked for."""

    now, iteration, block_size, blocks, free = 7, 0, 16, 10, 10
    running, waiting = (ONE,), ()


class Wrong(FirstComeFirstServed):
    """Does what it is given instead of answering."""

    def __init__(self, does: Any) -> None:
        super().__init__(Limits())
        self.does = does

    def admits(self, view: Any, request: Request) -> str:
        return self.does()  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def heard() -> Any:
    """vLLM's logger may keep its records to itself."""
    parent = logging.getLogger("vllm")
    before, parent.propagate = parent.propagate, True
    yield
    parent.propagate = before


def test_answers_are_passed_on() -> None:
    asked = Deciding(FirstComeFirstServed(Limits(seqs=3)), "mine")
    assert asked.limits.seqs == 3
    assert asked.rank(ONE) == (True, 0)
    assert asked.admits(View(), ONE) == ""
    assert asked.victim(View(), ONE) == "a"


def test_an_exception_names_the_policy_and_the_question(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> str:
        raise ZeroDivisionError("division by zero")

    with caplog.at_level(logging.ERROR, LOG.name), pytest.raises(RunError) as caught:
        Deciding(Wrong(fail), "mine/wrong").admits(View(), ONE)
    assert str(caught.value) == "mine/wrong failed in admits: ZeroDivisionError: division by zero"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert len(caplog.records) == 1
    assert "the engine stops" in caplog.text


def test_errors_on_purpose_stay_what_they_are(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> str:
        raise UserError("nothing is known of this")

    told = pytest.raises(UserError, match="nothing is known of this")
    with caplog.at_level(logging.ERROR, LOG.name), told:
        Deciding(Wrong(fail), "mine/wrong").admits(View(), ONE)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("answer", [None, True, 0])
def test_answers_that_are_no_text_are_illegal(answer: Any) -> None:
    with pytest.raises(IllegalDecision, match="mine/wrong"):
        Deciding(Wrong(lambda: answer), "mine/wrong").admits(View(), ONE)
