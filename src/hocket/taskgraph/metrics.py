"""The figures of a run of task graphs: latency, throughput, schedule length, use, energy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hocket.core.timeline import Timeline
from hocket.taskgraph.energy import Meter
from hocket.taskgraph.model.graph import Graph, graphs
from hocket.taskgraph.model.processors import Processor
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.objectives import METRICS, PERCENTILES
from hocket.taskgraph.record import processor_of, seconds_per_tick, type_of


class Done(NamedTuple):
    """A job that was completed: its type, and when it was admitted and done (ticks)."""

    name: str
    type: str
    arrival: int
    finish: int

    @property
    def latency(self) -> int:
        """Ticks in the system."""
        return self.finish - self.arrival


def metrics(scenario: TaskGraphs, timeline: Timeline) -> dict[str, float]:
    """The figures of `METRICS`, all finite.

    Jobs that are done before `scenario.warm_up`, and the energy of tasks that end before it, do not
    count. A run in which no job is completed shows latencies of 0, and `completed` says so. Mean
    latency alone proves little where the system has a capacity: who completes few jobs blocks the
    others.
    """
    jobs = completed(scenario, timeline)
    end = timeline.end if scenario.horizon is None else scenario.horizon
    compiled = {graph.name: graph for graph in graphs(scenario)}
    second = seconds_per_tick(scenario.time_unit)
    latency = np.array([job.latency for job in jobs] or [0], dtype=np.float64)
    window = (end - scenario.warm_up) * second * 1000
    runs = [span.end for span in timeline.spans("run")]
    energy = _energy(scenario, timeline)
    figures = {
        "mean_latency": latency.mean(),
        **{f"latency_p{p}": np.percentile(latency, p) for p in PERCENTILES},
        "completed": len(jobs),
        "throughput": len(jobs) / window if window > 0 else 0,
        "slr": _schedule_length_ratio(jobs, compiled),
        "makespan": max(runs, default=0),
        "injected": sum(1 for _ in timeline.points("arrive")),
        "blocked": sum(1 for _ in timeline.points("blocked")),
        "jobs_mean": _mean_level(timeline, end),
        "utilisation": _utilisation(scenario, timeline, end),
        "volume_moved": _moved(scenario, timeline, compiled),
        "energy": energy,
        "energy_per_job": energy / len(jobs) if jobs else 0,
        "edp": energy * sum(job.latency for job in jobs) * second,
    }
    return {name: float(figures[name]) for name in METRICS}


def completed(scenario: TaskGraphs, timeline: Timeline) -> list[Done]:
    """The jobs that are done from `scenario.warm_up` on, in order of completion."""
    arrived = {point.group: point.time for point in timeline.points("arrive")}
    return [
        Done(point.group, type_of(point.group), arrived[point.group], point.time)
        for point in timeline.points("done")
        if point.time >= scenario.warm_up
    ]


def critical_path(graph: Graph) -> int:
    """Ticks of the longest path, every task on its fastest processor, transfers left out.

    No schedule is shorter: the denominator of the schedule length ratio of Topcuoglu, Hariri and
    Wu, IEEE Transactions on Parallel and Distributed Systems 13, 2002, section 5.1.
    """
    finish = [0] * len(graph.tasks)
    for task in graph.order:
        begin = max((finish[before] for before, _ in graph.inputs[task]), default=0)
        finish[task] = begin + min(graph.durations[task])
    return max(finish)


def _schedule_length_ratio(jobs: list[Done], compiled: dict[str, Graph]) -> float:
    """Mean over the jobs of graphs that take any time at all; 0 if there are none."""
    shortest = {name: critical_path(graph) for name, graph in compiled.items()}
    ratios = [job.latency / shortest[job.type] for job in jobs if shortest[job.type]]
    return sum(ratios) / len(ratios) if ratios else 0.0


def _mean_level(timeline: Timeline, end: int) -> float:
    """The gauge `jobs`, averaged over the time until `end`."""
    readings = [(gauge.time, gauge.value) for gauge in timeline.gauges("jobs")]
    untils = [time for time, _ in readings[1:]] + [end]
    area = sum(
        value * (until - time) for (time, value), until in zip(readings, untils, strict=False)
    )
    return area / end if end else 0.0


def _utilisation(scenario: TaskGraphs, timeline: Timeline, end: int) -> float:
    busy = sum(s.end - s.start for s in timeline.spans() if s.kind in ("run", "cut"))
    slots = sum(processor.capacity for processor in scenario.processors)
    return busy / (slots * end) if end else 0.0


def _moved(scenario: TaskGraphs, timeline: Timeline, compiled: dict[str, Graph]) -> float:
    """The volume of all edges whose ends were run by different processors."""
    where = processor_of(scenario)
    places: dict[str, dict[str, Processor]] = {}
    for span in timeline.spans():
        if span.kind in ("run", "cut"):
            places.setdefault(span.group, {})[span.name] = where[span.lane]
    total = 0.0
    for job, ran in places.items():
        graph = compiled[type_of(job)]
        for target, name in enumerate(graph.tasks):
            if name in ran:
                for source, volume in graph.inputs[target]:
                    if ran[graph.tasks[source]] is not ran[name]:
                        total += volume
    return total


def _energy(scenario: TaskGraphs, timeline: Timeline) -> float:
    """Joules of all tasks that end from `scenario.warm_up` on."""
    where, meter = processor_of(scenario), Meter(scenario, timeline)
    runs = {kind.name: {task.name: task.runs for task in kind.tasks} for kind in scenario.types}
    total = 0.0
    for span in timeline.spans("run"):
        if span.end >= scenario.warm_up:
            processor = where[span.lane]
            function = processor.functions[runs[type_of(span.group)][span.name]]
            total += meter.joules(processor, function, span.start, span.end)
    return total
