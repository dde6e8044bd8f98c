"""Graphs whose tasks have one time each: what STG, DOT and WfCommons files hold.

Such a file knows no processors. It becomes a scenario with equal ones, or, where a YAML scenario
names it, with those that stand there::

    problem: taskgraph/dag
    processors: {speeds: [1, 1, 2]}
    types: [{path: graph.stg}, {path: other.dot, weight: 3}]
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hocket.core.errors import InputError, Problem
from hocket.core.scenario import LONGEST, TimeUnit
from hocket.taskgraph.formats.words import Words
from hocket.taskgraph.model.jobs import Edge, JobType, Task, find_cycle
from hocket.taskgraph.model.processors import Communication, Function, Processor
from hocket.taskgraph.model.scenario import TaskGraphs

EQUAL = 4
"""So many processors a graph gets if its file names none."""


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """A graph with a time per task, in ticks of `unit`.

    `machines` are names and capacities, if the file has any; `bandwidth` is in units of volume per
    tick. `notes` say what the reader left out or changed.
    """

    type: JobType
    times: tuple[int, ...]
    unit: TimeUnit = "tick"
    machines: tuple[tuple[str, int], ...] = ()
    bandwidth: float = 1.0
    notes: tuple[str, ...] = ()


def graph_of(
    name: str,
    tasks: Sequence[str],
    arcs: Sequence[tuple[int, int, float]],
    lines: Sequence[int],
    findings: Words,
) -> JobType:
    """A job type of named tasks and arcs (from, to, volume); `lines[t]` is where task t stands.

    Raises InputError if it goes round in a circle, or for anything found before.
    """
    edges = tuple(Edge(source=tasks[a], target=tasks[b], volume=volume) for a, b, volume in arcs)
    circle = find_cycle(list(tasks), {(edge.source, edge.target) for edge in edges})
    if circle:
        told = f"tasks go round in a circle: {' -> '.join([*circle[:20], circle[0]])}"
        findings.add(told, lines[tasks.index(circle[0])])
    findings.stop_if_any()
    return JobType(name=name, tasks=tuple(Task(name=task) for task in tasks), edges=edges)


def scenario_of(drawn: Drawn, name: str) -> TaskGraphs:
    """The graph on the machines of its file, or on `EQUAL` equal processors, at time 0."""
    notes = list(drawn.notes)
    machines = drawn.machines or tuple((f"p{i}", 1) for i in range(EQUAL))
    if not drawn.machines:
        other = "name it in a YAML file with processors of your own for others"
        notes.append(f"the file knows no processors: {EQUAL} equal ones; {other}")
    functions = {
        task.name: Function(duration=time)
        for task, time in zip(drawn.type.tasks, drawn.times, strict=True)
    }
    scenario = TaskGraphs(
        name=name,
        time_unit=drawn.unit,
        processors=tuple(
            Processor(name=machine, capacity=capacity, functions=functions)
            for machine, capacity in machines
        ),
        communication=Communication(default=drawn.bandwidth),
        types=(drawn.type,),
        remarks=tuple(notes),
    )
    if problems := list(scenario.problems()):
        raise InputError(name, problems)
    return scenario


def equal(drawn: Sequence[Drawn], speeds: Sequence[float]) -> tuple[list[Processor], list[JobType]]:
    """Processors of these speeds, and the graphs with functions of their own on them.

    A task takes its time over the speed, rounded, and at least one tick if it takes any.
    Raises InputError, without a source, for times beyond what a scenario can hold.
    """
    alone = len(drawn) == 1
    times: dict[str, int] = {}
    types = []
    for one in drawn:
        names = [task.name if alone else f"{one.type.name}/{task.name}" for task in one.type.tasks]
        times |= dict(zip(names, one.times, strict=True))
        tasks = tuple(
            Task(name=task.name, function="" if name == task.name else name)
            for task, name in zip(one.type.tasks, names, strict=True)
        )
        types.append(msgspec.structs.replace(one.type, tasks=tasks))
    if max(times.values(), default=0) / min(speeds) > LONGEST:
        raise InputError("", [Problem("speeds", "so slow that times have no end")])
    processors = [
        Processor(
            name=f"p{i}",
            functions={
                name: Function(duration=max(1, round(time / speed)) if time else 0)
                for name, time in times.items()
            },
        )
        for i, speed in enumerate(speeds)
    ]
    return processors, types
