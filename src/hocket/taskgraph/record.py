"""How a run of task graphs is written down: the names of lanes and jobs, the length of a tick."""

from __future__ import annotations

from hocket.core.scenario import to_ticks
from hocket.taskgraph.model.processors import Processor
from hocket.taskgraph.model.scenario import TaskGraphs


def lanes(processor: Processor) -> tuple[str, ...]:
    """The lanes of a processor: its name, or ``NAME.k`` for slot k of one that has several."""
    if processor.capacity == 1:
        return (processor.name,)
    return tuple(f"{processor.name}.{k}" for k in range(processor.capacity))


def processor_of(scenario: TaskGraphs) -> dict[str, Processor]:
    """The processor of each lane."""
    return {lane: processor for processor in scenario.processors for lane in lanes(processor)}


def type_of(job: str) -> str:
    """The type of a job, which is called ``TYPE#NUMBER``."""
    return job.rpartition("#")[0]


def seconds_per_tick(unit: str) -> float:
    """The length of a tick; abstract ticks count as microseconds, the tick of DS3."""
    return to_ticks("1 us" if unit == "tick" else f"1 {unit}", "ns") / 1e9
