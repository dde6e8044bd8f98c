"""From a scenario to the arrays that the agent plans on, and from its schedule to a plan."""

from __future__ import annotations

import numpy as np

from hocket.shop.model.arrays import arrays
from hocket.shop.model.jobshop import JobShop
from hocket.shop.model.single import SingleMachine
from hocket.shop.search.instance import Ints, Shop, order_of, sequences_of


def refusal(scenario: JobShop | SingleMachine) -> str:
    """Why the constraint model cannot express a shop; empty if it can."""
    if isinstance(scenario, SingleMachine) or scenario.classic:
        return ""
    return (
        "its constraint model knows the classic job shop only: each operation on one machine, with "
        "buffers, and without setups, calendars or arrivals at random times"
    )


def compiled(scenario: JobShop | SingleMachine) -> Shop:
    """The arrays of a shop that is not refused, with its nominal durations."""
    shop = scenario if isinstance(scenario, JobShop) else scenario.as_job_shop()
    data = arrays(shop)
    return Shop(
        job_start=np.array(data.first, np.int32),
        machine=np.array([choices[0][0] for choices in data.choices], np.int32),
        duration=data.shortest,
        machines=len(data.machines),
        release=np.array([job.release for job in shop.jobs], np.int64),
    )


def lines(shop: Shop, start: Ints) -> list[list[int]]:
    """The order of operations on each machine in a schedule, start times int64 (N,)."""
    return [line.tolist() for line in sequences_of(shop, order_of(shop, start))]
