"""A scenario compiled: graphs and platform as integers, for the simulator and all policies."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

from hocket.taskgraph.model.scenario import TaskGraphs

NEVER = 2**50
"""Ticks that stand for "cannot": far beyond any time in a scenario, and safe to add."""


@dataclass(frozen=True, slots=True)
class Graph:
    """One job type. Tasks are numbered as they are listed, processors as in the scenario.

    - `durations[t][p]`: mean ticks of task t on processor p, NEVER if p cannot run it
    - `able[t]`: the processors that can, ascending
    - `inputs[t]`, `outputs[t]`: pairs (task, volume) before and after, ascending
    - `order`: the tasks in a topological order, always the lowest number first
    """

    name: str
    tasks: tuple[str, ...]
    durations: tuple[tuple[int, ...], ...]
    able: tuple[tuple[int, ...], ...]
    inputs: tuple[tuple[tuple[int, float], ...], ...]
    outputs: tuple[tuple[tuple[int, float], ...], ...]
    order: tuple[int, ...]

    def mean(self, task: int) -> float:
        """Mean duration over the processors that can run it."""
        times = [self.durations[task][p] for p in self.able[task]]
        return sum(times) / len(times)


@dataclass(frozen=True, slots=True)
class Platform:
    """The processors and what joins them.

    - `capacity[p]`: tasks that p runs at once
    - `bandwidth[a][b]`: units of volume per tick, None where data need not travel
    - `to_memory[p]`: bandwidth between p and memory, None in direct mode
    """

    names: tuple[str, ...]
    capacity: tuple[int, ...]
    bandwidth: tuple[tuple[float | None, ...], ...]
    to_memory: tuple[float, ...] | None

    @property
    def shared(self) -> bool:
        """Whether results go through shared memory."""
        return self.to_memory is not None

    def transfer(self, volume: float, source: int, target: int) -> int:
        """Ticks that `volume` takes from one processor to another, in direct mode."""
        band = self.bandwidth[source][target]
        return 0 if band is None else int(volume / band)

    def through_memory(self, volume: float, processor: int) -> int:
        """Ticks that `volume` takes between a processor and memory; 0 in direct mode."""
        return 0 if self.to_memory is None else int(volume / self.to_memory[processor])

    def delay(self, volume: float, source: int, target: int) -> int:
        """Ticks from the end of a task to when its result can be used, in either mode."""
        if self.to_memory is None:
            return self.transfer(volume, source, target)
        return self.through_memory(volume, source) + self.through_memory(volume, target)

    def mean_delay(self, volume: float) -> float:
        """Mean `delay` over all ordered pairs of different processors; 0 if there is one alone."""
        count = len(self.names)
        pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
        return sum(self.delay(volume, a, b) for a, b in pairs) / len(pairs) if pairs else 0.0


def platform(scenario: TaskGraphs) -> Platform:
    """Compile the processors and the communication of a sound scenario."""
    names = tuple(processor.name for processor in scenario.processors)
    talk = scenario.communication
    bands = {frozenset(link.between): link.bandwidth for link in talk.links}

    def band(a: str, b: str) -> float | None:
        return bands.get(frozenset((a, b)), None if a == b else talk.default)

    memory = None
    if talk.mode == "shared-memory":
        memory = tuple(talk.memory.get(name, talk.default or 0.0) for name in names)
    return Platform(
        names=names,
        capacity=tuple(processor.capacity for processor in scenario.processors),
        bandwidth=tuple(tuple(band(a, b) for b in names) for a in names),
        to_memory=memory,
    )


def graphs(scenario: TaskGraphs) -> tuple[Graph, ...]:
    """Compile the job types of a sound scenario, in order."""
    return tuple(_graph(scenario, i) for i in range(len(scenario.types)))


def _graph(scenario: TaskGraphs, number: int) -> Graph:
    kind = scenario.types[number]
    index = {task.name: t for t, task in enumerate(kind.tasks)}
    inputs: list[list[tuple[int, float]]] = [[] for _ in kind.tasks]
    outputs: list[list[tuple[int, float]]] = [[] for _ in kind.tasks]
    for edge in kind.edges:
        source, target = index[edge.source], index[edge.target]
        inputs[target].append((source, edge.volume))
        outputs[source].append((target, edge.volume))
    durations = tuple(
        tuple(
            p.functions[task.runs].duration if task.runs in p.functions else NEVER
            for p in scenario.processors
        )
        for task in kind.tasks
    )
    return Graph(
        name=kind.name,
        tasks=tuple(task.name for task in kind.tasks),
        durations=durations,
        able=tuple(tuple(p for p, d in enumerate(row) if d != NEVER) for row in durations),
        inputs=tuple(tuple(sorted(pairs)) for pairs in inputs),
        outputs=tuple(tuple(sorted(pairs)) for pairs in outputs),
        order=_topological(inputs, outputs),
    )


def _topological(
    inputs: list[list[tuple[int, float]]], outputs: list[list[tuple[int, float]]]
) -> tuple[int, ...]:
    missing = [len(pairs) for pairs in inputs]
    free = [t for t, count in enumerate(missing) if not count]
    order = []
    while free:
        task = heappop(free)
        order.append(task)
        for following, _ in outputs[task]:
            missing[following] -= 1
            if not missing[following]:
                heappush(free, following)
    return tuple(order)
