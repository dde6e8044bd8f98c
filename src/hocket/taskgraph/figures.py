"""What a run of task graphs contributes to a report: latencies, jobs in the system, frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hocket.core.timeline import Timeline
from hocket.report.figures import Axis, Given, Lane, Level, Line, Mark, Plot, Relation, Strips
from hocket.report.lines import distribution, over_time, short
from hocket.taskgraph.metrics import completed
from hocket.taskgraph.model.jobs import Stream
from hocket.taskgraph.model.processors import Processor
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.record import seconds_per_tick

LATENCY, JOBS, FREQUENCY = "Latency", "Jobs", "Frequency"
STRETCHES = 100
"""Into how many the time is divided for means of a level."""
READINGS = 400
"""Stretches of time that a strip is divided into, at most."""

Runs = Sequence[tuple[str, Timeline]]
Floats = npt.NDArray[np.float64]


def figures(scenario: TaskGraphs, runs: Runs) -> tuple[Given, ...]:
    """The pictures of `runs`, pairs of a label (a policy) and the timeline it gave.

    Policies share the plots; each has strips of its own where governors change frequencies. Of a
    single job there is nothing to show that the Gantt chart does not.
    """
    found: list[Given] = [
        plot
        for plot in (_distribution(scenario, runs), _over_time(scenario, runs), _inside(runs))
        if plot is not None
    ]
    if isinstance(scenario.arrivals, Stream):
        found.append(_relation())
    governed = [p for p in scenario.processors if p.governor == "ondemand" and len(p.points) > 1]
    if governed:
        found += [_strips(governed, label, timeline) for label, timeline in runs]
    return tuple(found)


def _distribution(scenario: TaskGraphs, runs: Runs) -> Plot | None:
    """The share of completed jobs up to each latency."""
    lines = []
    for label, timeline in runs:
        latency = [job.latency for job in completed(scenario, timeline)]
        if len(latency) > 1:
            second = seconds_per_tick(timeline.unit)
            lines.append(distribution(label, np.array(latency) * second))
    if not lines:
        return None
    return Plot(
        group=LATENCY,
        title="Latency",
        caption="Of all completed jobs, the share that spent at most so long in the system.",
        x=Axis(label="latency", kind="seconds", log=all(min(line.x) > 0 for line in lines)),
        y=Axis(label="share of jobs", kind="share", low=0, high=1),
        style="steps",
        lines=tuple(lines),
    )


def _over_time(scenario: TaskGraphs, runs: Runs) -> Plot | None:
    """Median and 95th percentile of the jobs that are completed in each stretch of the run."""
    lines: list[Line] = []
    for label, timeline in runs:
        jobs = completed(scenario, timeline)
        second = seconds_per_tick(timeline.unit)
        finish = np.array([job.finish * second for job in jobs])
        lines += over_time(label, finish, np.array([job.latency * second for job in jobs]))
    if not lines:
        return None
    warm = scenario.warm_up * seconds_per_tick(scenario.time_unit)
    return Plot(
        group=LATENCY,
        title="Latency over time",
        caption="Median (solid) and 95th percentile (dashed) of the jobs that are completed in "
        "each stretch of the run.",
        x=Axis(label="time", kind="seconds"),
        y=Axis(label="latency", kind="seconds", low=0),
        lines=tuple(lines),
        marks=(Mark(at=warm, label="warm-up ends"),) if warm else (),
    )


def _inside(runs: Runs) -> Plot | None:
    """How many jobs are in the system, mean over each stretch of the run."""
    lines = []
    for label, timeline in runs:
        readings = [(gauge.time, gauge.value) for gauge in timeline.gauges("jobs")]
        if len(readings) > 2:
            x, y = _means(readings, timeline.end)
            second = seconds_per_tick(timeline.unit)
            lines.append(Line(label=label, x=short(x * second), y=short(y)))
    if not lines:
        return None
    return Plot(
        group=JOBS,
        title="Jobs in the system",
        caption="Admitted and not yet completed, mean over each stretch of the run.",
        x=Axis(label="time", kind="seconds"),
        y=Axis(label="jobs", low=0),
        lines=tuple(lines),
    )


def _means(readings: list[tuple[int, float]], end: int) -> tuple[Floats, Floats]:
    """The middle of each stretch of time, and the mean of a gauge over it."""
    edges = np.linspace(0, max(1, end), min(STRETCHES, max(1, end)) + 1)
    steps = [*readings, (end, 0.0)]
    areas = np.cumsum([0.0, *(value * (b - a) for (a, value), (b, _) in pairwise(steps))])
    until = np.interp(edges, [time for time, _ in steps], areas)
    return (edges[1:] + edges[:-1]) / 2, np.diff(until) / np.diff(edges)


def _relation() -> Relation:
    return Relation(
        group=JOBS,
        title="Latency against throughput",
        caption="Down and to the right is better. Where the system has a capacity, a policy can "
        "look fast because it refuses jobs: then its throughput is low.",
        x=Axis(label="jobs completed per millisecond"),
        y=Axis(label="mean latency (ticks)"),
        metrics=("throughput", "mean_latency"),
    )


def _strips(governed: list[Processor], label: str, timeline: Timeline) -> Strips:
    """The frequencies that governors chose."""
    end = max(1, timeline.end)
    step = -(-end // READINGS)
    edges = np.arange(0, end, step)
    steps: dict[str, list[tuple[int, float]]] = {processor.name: [] for processor in governed}
    for gauge in timeline.gauges("frequency"):
        if gauge.lane in steps:
            steps[gauge.lane].append((gauge.time, gauge.value))
    lanes = []
    for name, changes in steps.items():
        at = np.searchsorted([time for time, _ in changes], edges, side="right") - 1
        lanes.append(Lane(name=name, values=(tuple(changes[i][1] for i in at.tolist()),)))
    top = max(point.frequency for processor in governed for point in processor.points)
    return Strips(
        group=FREQUENCY,
        title=label,
        caption="What the governor of each processor chose, at the begin of each stretch of time.",
        unit=timeline.unit,
        end=end,
        step=step,
        levels=(Level(name="frequency (MHz)", top=top, style="area"),),
        lanes=tuple(lanes),
    )
