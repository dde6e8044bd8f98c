"""The requests of a log, served again by the simulator."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from hocket.core.errors import InputError
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.serving.formats.measured import Measured
from hocket.serving.metrics import requests_table
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.model.requests import Requests
from hocket.serving.simulate.cluster import simulate
from hocket.serving.workload import Trace

_TICKS = 1e6  # microseconds


Seconds = npt.NDArray[np.floating[Any]]


class Times(NamedTuple):
    """Seconds of every request, each of shape (n,); NaN for what did not happen.

    - `ttft`: to the first token; `tpot`: per further token, NaN for answers of one; `e2e`: to the
      last token; all since the arrival
    - `finish`: from the first arrival of all to the last token
    """

    ttft: Seconds
    tpot: Seconds
    e2e: Seconds
    finish: Seconds


def measured_times(measured: Measured) -> Times:
    """What the log says."""
    return Times(measured.ttft, measured.tpot, measured.e2e, measured.last_token)


def cluster(measured: Measured, pool: Pool) -> Cluster:
    """A cluster of `pool` that the requests of the log arrive at.

    With a prefix cache a request is spared what it computed before a preemption, as in engines, but
    prompts have nothing in common: a log without hashes says nothing of that. Raises InputError
    with the pool's problems.
    """
    trace = Trace(
        arrival=tuple(np.rint(measured.arrival * _TICKS).astype(np.int64).tolist()),
        prompt=tuple(measured.prompt.tolist()),
        output=tuple(measured.output.tolist()),
    )
    found = Cluster(name="replay", time_unit="us", workload=trace, pools=(pool,), gauge_every=0)
    if problems := list(found.problems()):
        raise InputError("calibration", problems)
    return found


def replay(measured: Measured, pool: Pool, policy: Policy) -> Times:
    """The times of the log's requests under the cost model of `pool`. Raises InputError."""
    return replayed(cluster(measured, pool), pool, policy)


def replayed(scenario: Cluster, pool: Pool, policy: Policy) -> Times:
    """The same for a cluster made before, with another pool in it."""
    scenario = msgspec.structs.replace(scenario, pools=(pool,))
    return times(scenario, simulate(scenario, policy))


def times(scenario: Cluster, told: Timeline) -> Times:
    """The times of every request, in the rows of the workload; NaN for what did not happen."""
    table = requests_table(scenario, told)
    asked = drawn(scenario)
    row = {name: i for i, name in enumerate(table.id)}
    order = np.array([row[asked.name(i)] for i in range(len(asked))])
    several = np.where(table.output > 1, 1.0, np.nan)
    return Times(
        table.ttft[order],
        (table.tpot * several)[order],
        table.e2e[order],
        table.finish[order] - table.arrival.min(),
    )


def drawn(scenario: Cluster) -> Requests:
    """The requests of a log's scenario, which are the same in every run."""
    return scenario.workload.draw(Streams(0), scenario.time_unit)
