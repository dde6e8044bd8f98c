"""The kernel that keeps step with a wall clock."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hocket.core.errors import UserError
from hocket.core.kernel import Kernel, Phase, RealTimeKernel
from tests.core.test_kernel import recorder


class Wall:
    """A wall clock that moves only when slept on, or when an action takes its time."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def kernel(self, tick: float, **options: Any) -> RealTimeKernel:
        return RealTimeKernel(tick, clock=self.clock, sleep=self.sleep, **options)


def test_real_time_runs_each_event_when_the_wall_clock_says_so() -> None:
    wall = Wall()
    kernel = wall.kernel(0.5)
    seen: list[tuple[int, float]] = []
    for time in (0, 2, 2, 6):
        kernel.at(time, lambda: seen.append((kernel.now, wall.time)))
    assert kernel.run(8) == 8
    assert seen == [(0, 1000.0), (2, 1001.0), (2, 1001.0), (6, 1003.0)]
    assert wall.slept == [1.0, 2.0, 1.0]


def test_real_time_catches_up_after_a_slow_action_without_drifting() -> None:
    wall = Wall()
    kernel = wall.kernel(1.0)
    seen: list[tuple[int, float]] = []

    def slow() -> None:
        wall.time += 2.5

    kernel.at(1, slow)
    for time in (2, 3, 4):
        kernel.at(time, lambda: seen.append((kernel.now, wall.time)))
    kernel.run()
    assert seen == [(2, 1003.5), (3, 1003.5), (4, 1004.0)]


def test_real_time_sleeps_again_when_sleep_returns_early() -> None:
    wall = Wall()
    kernel = RealTimeKernel(1.0, clock=wall.clock, sleep=lambda seconds: wall.sleep(seconds / 2))
    kernel.at(1, int)
    kernel.run()
    assert wall.time == pytest.approx(1001.0)
    assert len(wall.slept) > 3


def test_real_time_gives_the_same_events_as_simulated_time() -> None:
    def trace(kernel: Kernel) -> list[tuple[int, int]]:
        seen = []
        rng = np.random.default_rng(5)

        def act(i: int) -> None:
            seen.append((kernel.now, i))
            if i < 200:
                kernel.after(int(rng.integers(0, 4)), act, i + 1)

        kernel.at(3, act, 0)
        kernel.run()
        return seen

    assert trace(Wall().kernel(0.01)) == trace(Kernel())


@pytest.mark.parametrize("together", [1, 2, 5])
def test_interrupted_sleep_loses_no_event(together: int) -> None:
    wall = Wall()

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    kernel = RealTimeKernel(1.0, clock=wall.clock, sleep=interrupted)
    seen, see = recorder()
    for i in range(together):
        kernel.at(3, see, i, phase=Phase.WAKE)
    kernel.at(9, see, "last")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            kernel.run()
        assert (len(kernel), kernel.peek(), kernel.now) == (together + 1, 3, 0)
    wall.time += 20
    assert kernel.run() == 9
    assert seen == [*range(together), "last"]


@pytest.mark.parametrize("tick", [0, -1.0, float("nan"), float("inf")])
def test_length_of_a_tick_is_positive(tick: float) -> None:
    with pytest.raises(UserError, match="positive number of seconds"):
        RealTimeKernel(tick)
