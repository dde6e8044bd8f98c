"""Queues simulated on the kernel against the closed forms of queueing theory.

Mean waits in the queue, from independent replications with a warm-up cut off, have to include the
exact value in a 99.9% t interval that is also narrow (within 5% of it), so that a wrong simulator
cannot hide in noise. Formulas: Gross, Shortle, Thompson, Harris, Fundamentals of Queueing Theory,
4th edition, sections 2.2 (M/M/1), 2.3 (M/M/c, Erlang C) and 5.1 (M/G/1, Pollaczek-Khinchine).
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats as scipy_stats

from hocket.core.kernel import Kernel, Phase
from hocket.core.streams import Streams

TICKS = 1_000_000  # one mean service time, so that rounding to ticks does not show
CUSTOMERS = 27_000
WARM_UP = 2_000
REPLICATIONS = 40


def waits(gaps: npt.NDArray[np.float64], works: npt.NDArray[np.float64], servers: int) -> list[int]:
    """The wait in ticks of each customer of a first-come-first-served station, in order."""
    kernel = Kernel()
    arrivals = np.rint(np.cumsum(gaps)).astype(int).tolist()
    work = np.rint(works).astype(int).tolist()
    queue: deque[int] = deque()
    result: list[int] = []
    free = servers

    def arrive(customer: int) -> None:
        queue.append(customer)
        serve()
        if customer + 1 < len(arrivals):
            kernel.at(arrivals[customer + 1], arrive, customer + 1, phase=Phase.ARRIVE)

    def serve() -> None:
        nonlocal free
        while free and queue:
            customer = queue.popleft()
            free -= 1
            result.append(kernel.now - arrivals[customer])
            kernel.after(work[customer], finish)

    def finish() -> None:
        nonlocal free
        free += 1
        serve()

    kernel.at(arrivals[0], arrive, 0, phase=Phase.ARRIVE)
    kernel.run()
    assert len(result) == len(arrivals)
    return result


def interval(servers: int, load: float, deterministic: bool) -> tuple[float, float]:
    """The 99.9% interval of the mean wait, in service times."""
    means = []
    for replication in range(REPLICATIONS):
        streams = Streams(replication)
        gaps = streams["gaps"].exponential(TICKS / (load * servers), CUSTOMERS)
        works = streams["works"].exponential(TICKS, CUSTOMERS)
        if deterministic:
            works = np.full(CUSTOMERS, float(TICKS))
        means.append(np.mean(waits(gaps, works, servers)[WARM_UP:]) / TICKS)
    mean, error = np.mean(means), scipy_stats.sem(means)
    reach = scipy_stats.t.ppf(0.9995, REPLICATIONS - 1) * error
    return float(mean - reach), float(mean + reach)


def erlang_c(servers: int, load: float) -> float:
    """The probability that a customer of an M/M/c queue has to wait."""
    offered = servers * load
    top = offered**servers / math.factorial(servers) / (1 - load)
    return top / (sum(offered**k / math.factorial(k) for k in range(servers)) + top)


@pytest.mark.parametrize(
    ("servers", "load", "deterministic", "exact"),
    [
        pytest.param(1, 0.7, False, 0.7 / 0.3, id="M/M/1"),
        pytest.param(4, 0.8, False, erlang_c(4, 0.8) / (4 * 0.2), id="M/M/4"),
        pytest.param(1, 0.7, True, 0.7 / (2 * 0.3), id="M/D/1"),
    ],
)
def test_mean_wait(servers: int, load: float, deterministic: bool, exact: float) -> None:
    low, high = interval(servers, load, deterministic)
    assert low < exact < high
    assert high - low < 0.1 * exact


def test_erlang_c_of_a_textbook_case() -> None:
    """Two servers at 75% load: C = 9/14 by hand; one server: C = load."""
    assert erlang_c(2, 0.75) == pytest.approx(9 / 14)
    assert erlang_c(1, 0.3) == pytest.approx(0.3)
