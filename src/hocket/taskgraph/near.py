"""Small changes to a task-graph scenario, and small random ones to begin with.

The moves are those of PISA (Coleman and Krishnamachari 2024): make a processor faster or slower, a
connection, a task, a dependency; add or remove a dependency. Here durations are unrelated, so one
task may also change on one processor alone.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import msgspec
import numpy as np

from hocket.taskgraph.model.jobs import Edge, JobType, Task, find_cycle
from hocket.taskgraph.model.processors import Communication, Function, Link, Processor
from hocket.taskgraph.model.scenario import TaskGraphs

STEP = 0.1
"""A change is at most this share of the largest value of its kind in the scenario."""

LARGEST = 100
"""The largest duration and volume of random scenarios."""

Move = Callable[[TaskGraphs, np.random.Generator], TaskGraphs]
replace = msgspec.structs.replace


def start(rng: np.random.Generator) -> TaskGraphs:
    """A chain of 3 to 8 tasks on 2 to 4 processors, all values uniform."""
    tasks = [f"t{i}" for i in range(rng.integers(3, 9))]
    processors = tuple(
        Processor(
            name=f"p{p}",
            functions={t: Function(duration=int(rng.integers(1, LARGEST + 1))) for t in tasks},
        )
        for p in range(rng.integers(2, 5))
    )
    edges = tuple(
        Edge(source=a, target=b, volume=float(rng.integers(0, LARGEST + 1)))
        for a, b in pairwise(tasks)
    )
    kind = JobType(name="graph", tasks=tuple(Task(name=t) for t in tasks), edges=edges)
    return TaskGraphs(
        name="adversary",
        time_unit="tick",
        processors=processors,
        communication=Communication(default=1.0),
        types=(kind,),
    )


def change(scenario: TaskGraphs, rng: np.random.Generator) -> TaskGraphs:
    """One random move."""
    return MOVES[rng.integers(len(MOVES))](scenario, rng)


def _duration(scenario: TaskGraphs, rng: np.random.Generator) -> TaskGraphs:
    """One function changes on one processor."""
    p = int(rng.integers(len(scenario.processors)))
    functions = scenario.processors[p].functions
    name = sorted(functions)[rng.integers(len(functions))]
    return _with(scenario, p, {name: _moved(scenario, functions[name], rng)})


def _task(scenario: TaskGraphs, rng: np.random.Generator) -> TaskGraphs:
    """One function changes on every processor."""
    names = sorted({name for p in scenario.processors for name in p.functions})
    name = names[rng.integers(len(names))]
    factor = _factor(rng)
    for p, processor in enumerate(scenario.processors):
        if name in processor.functions:
            scaled = _scaled(processor.functions[name], factor)
            scenario = _with(scenario, p, {name: scaled})
    return scenario


def _speed(scenario: TaskGraphs, rng: np.random.Generator) -> TaskGraphs:
    """One processor becomes faster or slower."""
    p, factor = int(rng.integers(len(scenario.processors))), _factor(rng)
    functions = scenario.processors[p].functions
    return _with(scenario, p, {name: _scaled(f, factor) for name, f in functions.items()})


def _bandwidth(scenario: TaskGraphs, rng: np.random.Generator) -> TaskGraphs:
    """One connection becomes faster or slower."""
    talk, count = scenario.communication, len(scenario.processors)
    if talk.mode == "shared-memory":
        name = scenario.processors[rng.integers(count)].name
        band = talk.memory.get(name, talk.default or 1.0) * _factor(rng)
        return replace(scenario, communication=replace(talk, memory={**talk.memory, name: band}))
    if count < 2:
        return scenario
    a, b = rng.choice(count, 2, replace=False).tolist()
    pair = frozenset((scenario.processors[a].name, scenario.processors[b].name))
    bands = {frozenset(link.between): link for link in talk.links}
    old = bands[pair].bandwidth if pair in bands else talk.default or 1.0
    between = (scenario.processors[min(a, b)].name, scenario.processors[max(a, b)].name)
    bands[pair] = Link(between=between, bandwidth=old * _factor(rng))
    return replace(scenario, communication=replace(talk, links=tuple(bands.values())))


def _volume(scenario: TaskGraphs, rng: np.random.Generator) -> TaskGraphs:
    """One dependency carries more or less."""
    k, kind = _some_type(scenario, rng)
    if not kind.edges:
        return scenario
    e = int(rng.integers(len(kind.edges)))
    most = max((edge.volume for edge in kind.edges), default=0.0) or LARGEST
    volume = max(0.0, kind.edges[e].volume + float(rng.uniform(-STEP, STEP)) * most)
    edges = list(kind.edges)
    edges[e] = replace(edges[e], volume=round(volume, 3))
    return _with_edges(scenario, k, edges)


def _add(scenario: TaskGraphs, rng: np.random.Generator) -> TaskGraphs:
    """One more dependency, where it closes no circle."""
    k, kind = _some_type(scenario, rng)
    if len(kind.tasks) < 2:
        return scenario
    a, b = rng.choice(len(kind.tasks), 2, replace=False).tolist()
    source, target = kind.tasks[a].name, kind.tasks[b].name
    pairs = {(edge.source, edge.target) for edge in kind.edges}
    names = [task.name for task in kind.tasks]
    if (source, target) in pairs or find_cycle(names, pairs | {(source, target)}):
        return scenario
    most = max((edge.volume for edge in kind.edges), default=0.0) or LARGEST
    edge = Edge(source=source, target=target, volume=round(float(rng.uniform(0, most)), 3))
    return _with_edges(scenario, k, [*kind.edges, edge])


def _remove(scenario: TaskGraphs, rng: np.random.Generator) -> TaskGraphs:
    """One dependency less."""
    k, kind = _some_type(scenario, rng)
    if not kind.edges:
        return scenario
    gone = int(rng.integers(len(kind.edges)))
    return _with_edges(scenario, k, [e for i, e in enumerate(kind.edges) if i != gone])


MOVES: tuple[Move, ...] = (_duration, _task, _speed, _bandwidth, _volume, _add, _remove)


def _factor(rng: np.random.Generator) -> float:
    return float(1 + rng.uniform(-STEP, STEP))


def _scaled(function: Function, factor: float) -> Function:
    """Scaled by at least one tick, for a tenth of a short duration would round to nothing."""
    step = function.duration * (factor - 1)
    step = max(1, round(step)) if step > 0 else min(-1, round(step))
    return replace(function, duration=max(1, function.duration + step))


def _moved(scenario: TaskGraphs, function: Function, rng: np.random.Generator) -> Function:
    most = max(f.duration for p in scenario.processors for f in p.functions.values())
    step = round(float(rng.uniform(-STEP, STEP)) * most)
    return replace(function, duration=max(1, function.duration + step))


def _with(scenario: TaskGraphs, processor: int, functions: dict[str, Function]) -> TaskGraphs:
    """The scenario with some functions of one processor changed."""
    processors = list(scenario.processors)
    old = processors[processor]
    processors[processor] = replace(old, functions={**old.functions, **functions})
    return replace(scenario, processors=tuple(processors))


def _some_type(scenario: TaskGraphs, rng: np.random.Generator) -> tuple[int, JobType]:
    k = int(rng.integers(len(scenario.types)))
    return k, scenario.types[k]


def _with_edges(scenario: TaskGraphs, k: int, edges: list[Edge]) -> TaskGraphs:
    types = list(scenario.types)
    types[k] = replace(types[k], edges=tuple(edges))
    return replace(scenario, types=tuple(types))
