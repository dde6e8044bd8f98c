"""The highest rate of requests, where it is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.errors import UserError
from hocket.serving.capacity.rate import at_rate, highest, max_rate, own_rate
from hocket.serving.model.cluster import Cluster
from hocket.serving.model.search import policy_of
from hocket.serving.workload import ClosedLoop, Fixed, Separate, Trace
from tests.serving.capacity.cases import ONE_AT_A_TIME, SERVICE, line, policy


@given(st.floats(1e-2, 1e2), st.floats(0.1, 10), st.sampled_from([0.2, 0.025, 0.001]))
def test_bracket_holds_the_threshold(limit: float, start: float, tolerance: float) -> None:
    found = highest(lambda value: value <= limit, start=start, tolerance=tolerance)
    assert found.passed <= limit < found.failed
    assert found.failed - found.passed <= tolerance * found.passed


def test_nothing_or_everything_passes() -> None:
    tried: list[float] = []

    def never(value: float) -> bool:
        tried.append(value)
        return False

    assert highest(never, doublings=3) == (0.0, 0.125)
    assert tried == [1.0, 0.5, 0.25, 0.125]
    assert highest(lambda value: True, doublings=3) == (8.0, float("inf"))


@pytest.mark.parametrize("replicas", [1, 3])
def test_capacity_of_servers_of_fixed_time(replicas: int) -> None:
    """c servers of 0.1 s take 10 c evenly spaced requests a second, and no more."""
    world = line(4.0, replicas=replicas, count=400)
    found = max_rate(world, policy_of(ONE_AT_A_TIME), lambda m: m["attainment"] >= 0.99)
    known = replicas / SERVICE
    assert found.rate <= known * 1.005  # 400 requests do not see a queue that grows very slowly
    assert found.failed >= known
    assert found.rate == pytest.approx(known, rel=0.026)
    assert found.metrics["rate"] == pytest.approx(found.rate, rel=1e-3)
    assert found.factor == pytest.approx(found.rate / 4.0, rel=1e-3)


def test_own_rate_is_that_of_the_metric() -> None:
    world = line(8.0)
    assert own_rate(world) == pytest.approx(8.0, rel=1e-4)
    assert own_rate(at_rate(world, 2.0)) == pytest.approx(16.0, rel=1e-4)
    together = Cluster(workload=Trace(arrival=(0, 0), prompt=(1, 1), output=(1, 1)))
    assert own_rate(together) == 0.0


def test_a_closed_loop_has_no_rate() -> None:
    lengths = Separate(prompt=Fixed(tokens=10), output=Fixed(tokens=2))
    world = Cluster(workload=ClosedLoop(count=5, clients=2, lengths=lengths))
    with pytest.raises(UserError, match="number of clients"):
        max_rate(world, policy("serving/vllm-v1"), lambda m: True)
