"""How vLLM's requests look to a policy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hocket.serving.live.vllm.clock import Clock
from hocket.serving.live.vllm.view import Requests
from hocket.serving.roles.batching import Request
from hocket.serving.views import Snapshot


class At:
    """A clock that began at second 100."""

    unix = 100.0

    def at(self, unix: float) -> int:
        return round((unix - self.unix) * 1e6)


def requests() -> Requests:
    return Requests(At)  # type: ignore[arg-type]  # all of it that is asked for


def one(name: str, hints: Any = None, **fields: Any) -> SimpleNamespace:
    given: dict[str, Any] = {
        "request_id": name,
        "arrival_time": 100.5,
        "num_prompt_tokens": 10,
        "num_computed_tokens": 0,
        "num_output_tokens": 0,
        "num_output_placeholders": 0,
        "max_tokens": 7,
        "priority": 2,
        "num_preemptions": 0,
        "sampling_params": SimpleNamespace(extra_args=hints),
    }
    return SimpleNamespace(**given | fields)


def test_a_request_as_policies_know_it() -> None:
    known = requests()
    asked = one("chat-1", {"tenant": "ada", "expected_tokens": 5})
    known.enter(asked)
    assert known.seen(asked, 3) == Request(
        "chat-1", 500_000, 10, cached=3, limit=7, priority=2, tenant="ada", expected=5
    )


def test_an_iteration_under_way_counts_as_ended() -> None:
    known = requests()
    asked = one("a", num_computed_tokens=13, num_output_tokens=3, num_output_placeholders=1)
    known.enter(asked)
    seen = known.seen(asked)
    assert (seen.computed, seen.generated) == (13, 4)  # as for any decode: prompt + generated - 1


def test_what_vllm_appends_to_a_name_is_taken_off() -> None:
    known = requests()
    first, second, third = (one(f"a-{end}") for end in ("01234567", "89abcdef", "0123456"))
    assert known.enter(first) == "a"
    assert known.enter(second) == "a-89abcdef"  # two of one name are told apart
    assert known.enter(third) == "a-0123456"  # not what vLLM appends
    assert known.name(first) == "a"
    assert known.leave(first) == "a"
    assert known.enter(one("a-00000000")) == "a"
    assert known.name(second) == "a-89abcdef"


def test_names_stay_whole_where_vllm_appends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_DISABLE_REQUEST_ID_RANDOMIZATION", "1")
    assert requests().enter(one("a-01234567")) == "a-01234567"


@pytest.mark.parametrize(
    ("hints", "tenant", "expected"),
    [
        (None, "", 0),
        ({}, "", 0),
        ({"tenant": 3, "expected_tokens": "many"}, "", 0),
        ({"expected_tokens": -5}, "", 0),
        ({"expected_tokens": True}, "", 0),
        ({"expected_tokens": 12.7}, "", 12),
        ({"expected_tokens": float("nan")}, "", 0),
        ({"expected_tokens": float("inf")}, "", 0),
        ({"tenant": ["x"], "expected_tokens": [3]}, "", 0),
        ({"tenant": "ada", "expected_tokens": 3}, "ada", 3),
    ],
)
def test_hints_that_make_no_sense_are_no_hints(hints: Any, tenant: str, expected: int) -> None:
    known = requests()
    asked = one("a", hints)
    known.enter(asked)
    assert (known.seen(asked).tenant, known.seen(asked).expected) == (tenant, expected)


@pytest.mark.parametrize(
    ("told", "limit"), [(50, 50), (3, 7), (0, 7), (-1, 7), ("50", 7), (True, 7), (None, 7)]
)
def test_a_longer_limit_than_the_engine_keeps_to_may_be_told(told: Any, limit: int) -> None:
    known = requests()
    asked = one("a", {"limit": told})
    known.enter(asked)
    assert known.seen(asked).limit == known.limit(asked) == limit


def test_pooling_requests_have_no_sampling_parameters() -> None:
    known = requests()
    asked = one("a", sampling_params=None)
    known.enter(asked)
    assert known.seen(asked).expected == 0


def test_views_gather_once_and_only_what_is_looked_at() -> None:
    asked: list[str] = []

    def running() -> tuple[Request, ...]:
        asked.append("running")
        return (Request("a", 0, 1),)

    def waiting() -> tuple[Request, ...]:
        asked.append("waiting")
        return ()

    view = Snapshot(5, 3, 16, 100, 40, running, waiting)
    assert (view.now, view.iteration, view.block_size, view.blocks, view.free) == (
        5,
        3,
        16,
        100,
        40,
    )
    assert not asked
    assert view.running[0].id == view.running[-1].id == "a"
    assert asked == ["running"]
    assert not view.waiting
    assert asked == ["running", "waiting"]


def test_the_clock_does_not_run_backwards() -> None:
    clock = Clock()
    times = [clock.now() for _ in range(1000)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert clock.at(clock.unix + 1.5) == 1_500_000
    assert clock.at(clock.unix - 10) == 0  # sent before the engine began
