"""The kernel beside SimPy on the same models in the same run; the budget is 1.5 times its speed.

    pytest benchmarks/bench_kernel.py -s

Each side is written the way its own library wants it: SimPy with processes and a `Resource`, hocket
with callbacks. Both draw the same numbers, drawn before the clock starts, and both must end with
the same result. The unit of both figures is what the model did (customers served, timer ticks) per
second, so neither side gains by needing more events for it.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
import pytest
import simpy

from hocket.core.kernel import Kernel, Phase

SERVERS = 4
CUSTOMERS = 40_000
TIMERS = 1_000
HORIZON = 20_000
ROUNDS = 5
BUDGET = 1.5


class Station:
    """M/M/c with hocket: a counter of free servers and a queue of waiting customers."""

    def __init__(self, kernel: Kernel, gaps: Sequence[int], works: Sequence[int]) -> None:
        self.kernel, self.gaps, self.works = kernel, iter(gaps), works
        self.free, self.waiting = SERVERS, deque[tuple[int, int]]()
        self.arrived = self.waited = 0
        self.arrive_next()

    def arrive_next(self) -> None:
        gap = next(self.gaps, None)
        if gap is not None:
            self.kernel.after(gap, self.arrive, phase=Phase.ARRIVE)

    def arrive(self) -> None:
        work = self.works[self.arrived]
        self.arrived += 1
        if self.free:
            self.free -= 1
            self.kernel.after(work, self.finish)
        else:
            self.waiting.append((self.kernel.now, work))
        self.arrive_next()

    def finish(self) -> None:
        if self.waiting:
            since, work = self.waiting.popleft()
            self.waited += self.kernel.now - since
            self.kernel.after(work, self.finish)
        else:
            self.free += 1


def queue_hocket(gaps: Sequence[int], works: Sequence[int]) -> int:
    kernel = Kernel()
    station = Station(kernel, gaps, works)
    kernel.run()
    return station.waited


def queue_simpy(gaps: Sequence[int], works: Sequence[int]) -> int:
    env = simpy.Environment()
    servers = simpy.Resource(env, SERVERS)
    waited = 0

    def customer(work: int) -> Generator[Any, Any, None]:
        nonlocal waited
        arrived = env.now
        with servers.request() as request:
            yield request
            waited += int(env.now - arrived)
            yield env.timeout(work)

    def source() -> Generator[Any, Any, None]:
        for gap, work in zip(gaps, works, strict=True):
            yield env.timeout(gap)
            env.process(customer(work))

    env.process(source())
    env.run()
    return waited


def timers_hocket(periods: Sequence[int], horizon: int = HORIZON) -> int:
    kernel = Kernel()
    ticks = 0

    def tick(period: int) -> None:
        nonlocal ticks
        ticks += 1
        kernel.after(period, tick, period)

    for period in periods:
        kernel.after(period, tick, period)
    kernel.run(horizon - 1)
    return ticks


def timers_simpy(periods: Sequence[int], horizon: int = HORIZON) -> int:
    env = simpy.Environment()
    ticks = 0

    def timer(period: int) -> Generator[Any, Any, None]:
        nonlocal ticks
        while True:
            yield env.timeout(period)
            ticks += 1

    for period in periods:
        env.process(timer(period))
    env.run(horizon)
    return ticks


def draw_queue() -> tuple[list[int], list[int]]:
    """Gaps and works, in microseconds, of a station that is busy 90% of the time."""
    rng = np.random.default_rng(1)
    works = rng.exponential(1_000_000, CUSTOMERS)
    gaps = rng.exponential(1_000_000 / (0.9 * SERVERS), CUSTOMERS)
    return np.rint(gaps).astype(int).tolist(), np.rint(works).astype(int).tolist()


def draw_timers() -> list[int]:
    return np.random.default_rng(2).integers(50, 150, TIMERS).tolist()


def compare(
    model: str, ours: Callable[[], int], peer: Callable[[], int], done: Callable[[int], int]
) -> float:
    """Best of several interleaved rounds each; prints both speeds and returns their ratio."""
    best = {"hocket": float("inf"), "simpy": float("inf")}
    results = set()
    for _ in range(ROUNDS):
        for name, run in (("hocket", ours), ("simpy", peer)):
            gc.collect()
            start = time.perf_counter()
            results.add(run())
            best[name] = min(best[name], time.perf_counter() - start)
    assert len(results) == 1, f"the two sides disagree: {results}"
    count = done(results.pop())
    speed = {name: count / seconds for name, seconds in best.items()}
    ratio = speed["hocket"] / speed["simpy"]
    print(
        f"\n{model}: hocket {speed['hocket']:,.0f}/s, simpy {speed['simpy']:,.0f}/s, "
        f"ratio {ratio:.2f}"
    )
    return ratio


def test_queue_of_four_servers() -> None:
    gaps, works = draw_queue()
    ratio = compare(
        f"M/M/{SERVERS}, arrivals and departures",
        lambda: queue_hocket(gaps, works),
        lambda: queue_simpy(gaps, works),
        lambda _: 2 * CUSTOMERS,
    )
    assert ratio >= BUDGET


def test_thousand_periodic_timers() -> None:
    periods = draw_timers()
    ratio = compare(
        f"{TIMERS:,} periodic timers",
        lambda: timers_hocket(periods),
        lambda: timers_simpy(periods),
        lambda ticks: ticks,
    )
    assert ratio >= BUDGET


def test_thousand_timers_that_never_tie() -> None:
    """The kernel's least favourable case, held to be no slower than SimPy: no ties at all.

    Here both sides walk a heap of a thousand entries for each tick of a timer, and the only gain
    left is that of a function call over a generator and two objects.
    """
    scale = 1_000_003
    spread = np.random.default_rng(3).integers(50 * scale, 150 * scale, TIMERS).tolist()
    ratio = compare(
        f"{TIMERS:,} periodic timers, none at the same tick",
        lambda: timers_hocket(spread, HORIZON * scale),
        lambda: timers_simpy(spread, HORIZON * scale),
        lambda ticks: ticks,
    )
    assert ratio >= 1


@pytest.mark.benchmark(group="kernel, M/M/4")
@pytest.mark.parametrize("side", [queue_hocket, queue_simpy])
def test_queue_timed(benchmark: Any, side: Callable[[Sequence[int], Sequence[int]], int]) -> None:
    benchmark(side, *draw_queue())


@pytest.mark.benchmark(group="kernel, timers")
@pytest.mark.parametrize("side", [timers_hocket, timers_simpy])
def test_timers_timed(benchmark: Any, side: Callable[[Sequence[int]], int]) -> None:
    benchmark(side, draw_timers())
