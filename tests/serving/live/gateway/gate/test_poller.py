"""When backends are polled, in virtual time."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.live.gateway.scrape import Gauges, Poller, Turns
from tests.serving.live.gateway.gate.asks import SECOND, VirtualLoop, run

PAGE = "vllm:num_requests_running 1\n"
Told = list[tuple[str, int]]


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 6), st.integers(0, 10**8))
def test_turns_lie_on_a_grid(period: int, start: int, failures: int, later: int) -> None:
    turns = Turns(period, start)
    for _ in range(failures):
        turns.ended(False)
    now = start + later
    due = turns.next(now)
    every = period * min(32, 2**failures)
    assert now < due <= now + every
    assert (due - start) % every == 0
    turns.ended(True)
    assert turns.next(now) <= now + period


def polled(
    answer: dict[str, float | str], seconds: float, period: float = 1.0
) -> tuple[Told, list[tuple[str, float]]]:
    """What is told, and when each was asked; an `answer` is the seconds it takes, or a page."""
    loop = VirtualLoop()
    told: Told = []
    asked: list[tuple[str, float]] = []

    async def fetch(name: str) -> str:
        asked.append((name, loop.time()))
        wanted = answer[name]
        if isinstance(wanted, str):
            if wanted == "dead":
                raise ConnectionRefusedError
            return wanted
        await asyncio.sleep(wanted)
        return PAGE

    def tell(name: str, gauges: Gauges, at: int) -> None:
        told.append((name, at))

    async def main() -> None:
        poller = Poller(fetch, tell, loop.ticks, period=period, timeout=2.0)
        for name in answer:
            poller.watch(name)
            poller.watch(name)  # once is enough
        await asyncio.sleep(seconds)
        await poller.close()
        count = len(asked)
        await asyncio.sleep(10)
        assert len(asked) == count

    run(loop, main())
    return told, asked


def test_every_period_to_the_tick() -> None:
    told, _ = polled({"a": 0.25}, 5.5)
    assert told == [("a", second * SECOND) for second in range(6)]


def test_one_that_hangs_holds_nobody_up_and_is_asked_ever_less() -> None:
    told, asked = polled({"a": 0.0, "slow": 60.0}, 40.5)
    assert [at for name, at in told if name == "a"] == [second * SECOND for second in range(41)]
    # Tries end after the timeout of 2 s, then wait for the next multiple of 2, 4, 8, 16, ... s.
    assert [at for name, at in asked if name == "slow"] == [0, 4, 8, 16, 32]


def test_slow_answers_skip_turns_and_stay_on_the_grid() -> None:
    told, _ = polled({"a": 1.5}, 7.0)
    assert told == [("a", second * SECOND) for second in (0, 2, 4)]


def test_the_dead_and_those_who_publish_nothing_are_left_in_peace() -> None:
    told, asked = polled({"gone": "dead", "other": "<html>"}, 100.0)
    assert not told
    assert [at for name, at in asked if name == "gone"] == [0, 2, 4, 8, 16, 32, 64, 96]
    assert [at for name, at in asked if name == "other"] == [0, 2, 4, 8, 16, 32, 64, 96]


def test_who_is_forgotten_is_asked_no_more() -> None:
    loop = VirtualLoop()
    asked: list[float] = []

    async def fetch(name: str) -> str:
        asked.append(loop.time())
        return PAGE

    async def main() -> None:
        poller = Poller(fetch, lambda *told: None, loop.ticks, period=1.0)
        poller.watch("a")
        await asyncio.sleep(2.5)
        poller.forget("a")
        poller.forget("a")
        await asyncio.sleep(5)
        poller.watch("a")
        await asyncio.sleep(1.5)
        await poller.close()

    run(loop, main())
    assert asked == [0, 1, 2, 7.5, 8.5]
