"""How a run of task graphs is written down: whose lanes and jobs these are, how long a tick is."""

from __future__ import annotations

from hocket.core.scenario import to_ticks
from hocket.taskgraph.model.processors import Processor
from hocket.taskgraph.model.scenario import TaskGraphs


def processor_of(scenario: TaskGraphs) -> dict[str, Processor]:
    """The processor of each lane."""
    return {lane: processor for processor in scenario.processors for lane in processor.lanes}


def type_of(job: str) -> str:
    """The type of a job, which is called ``TYPE#NUMBER``."""
    return job.rpartition("#")[0]


def seconds_per_tick(unit: str) -> float:
    """The length of a tick; abstract ticks count as microseconds, the tick of DS3."""
    return to_ticks("1 us" if unit == "tick" else f"1 {unit}", "ns") / 1e9
