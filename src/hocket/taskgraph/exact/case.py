"""A static scenario as one big graph: every task of every job, with durations as they will be."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from hocket.core.errors import NotApplicable
from hocket.taskgraph.model.graph import NEVER, Platform, graphs, platform
from hocket.taskgraph.model.jobs import Listed
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.simulate.frequency import speed


@dataclass(frozen=True, slots=True)
class Case:
    """Tasks are numbered through all jobs, in order of arrival.

    - `names[i]`: (job, task) as the simulator calls them
    - `release[i]`: when its job arrives
    - `durations[i][p]`: ticks on processor p, NEVER if p cannot run it
    - `edges`: (source, target, volume)
    - `lanes[p]`: what timelines call the slots of processor p
    """

    platform: Platform
    names: tuple[tuple[str, str], ...]
    release: tuple[int, ...]
    durations: tuple[tuple[int, ...], ...]
    edges: tuple[tuple[int, int, float], ...]
    lanes: tuple[tuple[str, ...], ...]

    def able(self, task: int) -> tuple[int, ...]:
        """The processors that can run a task."""
        return tuple(p for p, d in enumerate(self.durations[task]) if d != NEVER)


def case(scenario: TaskGraphs) -> Case:
    """Compile a scenario; raises NotApplicable where something in it is left to chance."""
    if why := refusal(scenario):
        raise NotApplicable(f"an exact makespan needs known work: {why}")
    compiled = graphs(scenario)
    index = {graph.name: k for k, graph in enumerate(compiled)}
    assert isinstance(scenario.arrivals, Listed)
    jobs = [(index[r.type], r.time) for r in scenario.arrivals.jobs]
    jobs = jobs or [(k, 0) for k in range(len(compiled))]
    jobs.sort(key=lambda job: job[1])  # stable: as the simulator admits them
    speeds = [speed(p) for p in scenario.processors]
    names: list[tuple[str, str]] = []
    release: list[int] = []
    durations: list[tuple[int, ...]] = []
    edges: list[tuple[int, int, float]] = []
    for number, (k, time) in enumerate(jobs):
        graph, first = compiled[k], len(names)
        for task, row in zip(graph.tasks, graph.durations, strict=True):
            names.append((f"{graph.name}#{number}", task))
            release.append(time)
            durations.append(
                tuple(d if d == NEVER else ceil(d / s) for d, s in zip(row, speeds, strict=True))
            )
        for target, pairs in enumerate(graph.inputs):
            edges += [(first + source, first + target, volume) for source, volume in pairs]
    return Case(
        platform=platform(scenario),
        names=tuple(names),
        release=tuple(release),
        durations=tuple(durations),
        edges=tuple(edges),
        lanes=tuple(processor.lanes for processor in scenario.processors),
    )


def refusal(scenario: TaskGraphs) -> str:
    """Why a scenario has no exact makespan; empty if it has."""
    if not isinstance(scenario.arrivals, Listed):
        return "its jobs arrive at random (arrivals: stream)"
    if scenario.noise:
        return f"its durations are random (noise {scenario.noise:g})"
    if scenario.horizon is not None:
        return "it ends at a horizon, whether the jobs are done or not"
    for processor in scenario.processors:
        if processor.governor == "ondemand":
            return f"the speed of {processor.name!r} depends on the run (governor ondemand)"
    return ""
