"""How fast streams of task graphs are simulated: 100 ms of WiFi and radar traffic on one core.

    pytest benchmarks/bench_taskgraph.py -s -p no:xdist

Seconds are of processor time, so that neighbours on the machine do not count. The peer plays the
same rules tick by tick, a microsecond at a time, as DS3 does, and must give the same timeline; DS3
itself takes one to eight minutes for these 100 ms on cores of the same kind.
"""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from tests.taskgraph.deciders import EarliestTask
from tests.taskgraph.oracle import TickByTick

from hocket.core.load import load_policy
from hocket.core.timeline import Timeline
from hocket.taskgraph.generate import named
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.simulate.world import simulate

BUDGET = 2.0  # seconds for 100 ms
RATIO = 5.0  # times as fast as tick by tick
POLICIES = ("taskgraph/met", "taskgraph/eft", "taskgraph/etf", "taskgraph/heft-rt")


def timed(scenario: TaskGraphs, policy: str) -> tuple[float, Timeline]:
    """Seconds of processor time of a run, and what happened."""
    decider = load_policy(policy)
    begun = time.process_time()
    timeline = simulate(scenario, decider)
    return time.process_time() - begun, timeline


@pytest.mark.parametrize("policy", POLICIES)
def test_a_hundred_milliseconds_of_wifi_traffic(policy: str) -> None:
    scenario = named("wifi")
    assert scenario.horizon == 100_000
    seconds, timeline = timed(scenario, policy)
    tasks = sum(1 for _ in timeline.spans("run"))
    print(
        f"\n{policy}: {tasks:,} tasks in {seconds:.2f} s: {tasks / seconds:,.0f} tasks/s, "
        f"{seconds / 0.1:.1f} x the time that it simulates"
    )
    assert seconds < BUDGET


def test_beside_tick_by_tick() -> None:
    scenario = msgspec.structs.replace(named("wifi"), horizon=20_000)
    quick, fast = timed(scenario, "taskgraph/etf")
    begun = time.process_time()
    plain = TickByTick(scenario, EarliestTask(scenario), 0).play()
    slow = time.process_time() - begun
    assert [span._replace(reason="") for span in fast.spans()] == [*plain.spans()]
    assert [*fast.points()] == [*plain.points()]
    print(f"\ntick by tick {slow:.2f} s, event by event {quick:.2f} s: {slow / quick:.1f} x")
    assert slow / quick > RATIO


@pytest.mark.benchmark(group="task graphs, 10 ms of WiFi")
@pytest.mark.parametrize("policy", POLICIES)
def test_wifi_timed(benchmark: Any, policy: str) -> None:
    scenario = msgspec.structs.replace(named("wifi"), horizon=10_000)
    benchmark(simulate, scenario, load_policy(policy))
