"""Requests are sent when due, by a clock that moves only while an engine works or sleeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from hocket.core.streams import Streams
from hocket.serving.live.vllm.contents import FIRST, prompts
from hocket.serving.live.vllm.job import News
from hocket.serving.live.vllm.wallclock import NAP, OFTEN, Run
from hocket.serving.model.requests import requests
from hocket.serving.workload import Trace


class Stand:
    """A clock, and an engine that needs `steps` iterations of `lasting` seconds for a request."""

    def __init__(self, steps: int = 2, lasting: float = 0.1) -> None:
        self.now, self.steps, self.lasting = 100.0, steps, lasting
        self.sent: list[tuple[int, float, float]] = []
        self.gone: list[tuple[int, float]] = []
        self.slept: list[float] = []
        self.left: dict[int, int] = {}

    @property
    def busy(self) -> bool:
        return bool(self.left)

    def send(self, row: int, arrival: float) -> None:
        self.sent.append((row, round(arrival, 6), round(self.now - 100, 6)))
        self.left[row] = self.steps

    def abort(self, row: int) -> None:
        self.gone.append((row, round(self.now - 100, 6)))
        del self.left[row]

    def iterate(self) -> Sequence[int]:
        self.now += self.lasting
        self.left = {row: steps - 1 for row, steps in self.left.items()}
        done = [row for row, steps in self.left.items() if not steps]
        self.left = {row: steps for row, steps in self.left.items() if steps}
        return done

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def run(self, trace: Trace, **options: Any) -> Run:
        asked = trace.draw(Streams(0), "ms")
        run = Run(self, asked, 1e-3, clock=lambda: self.now, sleep=self.sleep, **options)
        run.go()
        return run


def trace(*arrival: int, **columns: Any) -> Trace:
    return Trace(arrival=arrival, prompt=(4,) * len(arrival), output=(2,) * len(arrival), **columns)


def test_requests_arrive_when_they_are_due_and_come_in_between_iterations() -> None:
    stand = Stand()
    run = stand.run(trace(0, 50, 60, 1000))
    assert stand.sent == [(0, 0, 0), (1, 0.05, 0.1), (2, 0.06, 0.1), (3, 1.0, 1.0)]
    assert run.news == News(done=4, count=4, seconds=pytest.approx(1.2))
    assert max(stand.slept) <= NAP, "signals are heard soon"


def test_a_client_that_goes_away_is_gone_at_the_next_boundary() -> None:
    stand = Stand(steps=5)
    run = stand.run(trace(0, 0, 0, cancel=(250, -1, 900)))
    assert stand.gone == [(0, 0.3)], "the last one was answered in time"
    assert run.news.done == 3


def test_a_closed_loop_sends_the_next_when_one_is_done() -> None:
    stand = Stand()
    stand.run(trace(0, 0, 0, 0, clients=2, delay=(0, 0, 30, 30)))
    assert [(row, at) for row, at, _ in stand.sent] == [(0, 0), (1, 0), (2, 0.23), (3, 0.23)]


def test_a_conversation_goes_on_when_its_turn_was_answered() -> None:
    stand = Stand()
    stand.run(trace(0, 0, 0, follows=(-1, 0, 1), delay=(0, 500, 0)))
    assert [(row, at) for row, at, _ in stand.sent] == [(0, 0), (1, 0.7), (2, 0.9)]


def test_it_ends_when_time_is_up_or_when_asked_to() -> None:
    stand = Stand(steps=100)
    assert stand.run(trace(0, 10), limit=0.35).news.done == 0
    assert stand.now == pytest.approx(100.4)
    asked = iter([False, False, True])
    stand = Stand(steps=100)
    stand.run(trace(0), stop=lambda: next(asked))
    assert stand.now == pytest.approx(100.2)


def test_it_tells_how_far_it_is_now_and_then() -> None:
    told: list[News] = []
    Stand().run(trace(0, 1000), tell=told.append)
    assert [news.done for news in told] == sorted(news.done for news in told)
    gaps = np.diff([news.seconds for news in told])
    assert (gaps >= OFTEN).all() and len(told) > 3


def test_prompts_are_equal_where_their_prefix_ids_are_and_nowhere_else() -> None:
    asked = requests(
        [0, 0, 0, 0],
        [40, 44, 33, 12],
        [1] * 4,
        prefix=((1, 2), (1, 2), (1, 3), ()),
        prefix_block=16,
    )
    made = prompts(asked, 512, seed=4)
    tokens = [made(row) for row in range(4)]
    assert [len(one) for one in tokens] == [40, 44, 33, 12]
    assert tokens[0][:32] == tokens[1][:32]
    assert tokens[0][32:] != tokens[1][32:40]
    assert tokens[0][:16] == tokens[2][:16] and tokens[0][16:32] != tokens[2][16:32]
    assert all(FIRST <= token < 512 for one in tokens for token in one)
    assert [prompts(asked, 512, seed=4)(row) for row in range(4)] == tokens
    assert prompts(asked, 512, seed=5)(0) != tokens[0]


def test_a_prompt_may_end_within_its_last_block() -> None:
    asked = requests([0, 0], [16, 10], [1, 1], prefix=((1,), (1,)), prefix_block=16)
    made = prompts(asked, 512, seed=0)
    assert made(1) == made(0)[:10]
