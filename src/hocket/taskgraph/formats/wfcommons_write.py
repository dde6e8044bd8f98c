"""Scenarios as WfCommons documents of version 1.5: one graph on machines that are equally fast."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from hocket.core.errors import InputError, NotApplicable, Problem
from hocket.taskgraph.model.scenario import TaskGraphs

_PER_SECOND = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
    "day": Fraction(86400),
}


def write(scenario: Any) -> str:
    """The document. Bandwidths, power and frequencies have no place in it and are left out.

    Raises InputError naming what would make another problem of it: several graphs, processors that
    differ, arrivals, noise, volumes that are no whole bytes, a unit without seconds.
    """
    if not isinstance(scenario, TaskGraphs):
        raise NotApplicable(f"WfCommons holds workflows, and this is a {type(scenario).__name__}")
    if problems := list(_problems(scenario)):
        raise InputError(f"{scenario.name or 'this scenario'} as WfCommons", problems)
    document = {
        "name": scenario.name or "workflow",
        "description": "written by hocket; it holds no run, makespanInSeconds is not measured",
        "schemaVersion": "1.5",
        "workflow": {
            "specification": _specification(scenario),
            "execution": _execution(scenario),
        },
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _problems(scenario: TaskGraphs) -> Iterator[Problem]:
    if len(scenario.types) != 1:
        yield Problem("types", f"{len(scenario.types)} graphs; a workflow is one")
    if scenario.time_unit not in _PER_SECOND:
        yield Problem("time_unit", "is tick; runtimes are seconds, so set a unit")
    if not scenario.static:
        yield Problem("arrivals", "and noise have no place in it; the job has to be there at 0")
    first = scenario.processors[0]
    for i, processor in enumerate(scenario.processors):
        for kind in scenario.types:
            for task in kind.tasks:
                own, other = (p.functions.get(task.runs) for p in (processor, first))
                if own is None or other is None or own.duration != other.duration:
                    where = f"processors[{i}].functions"
                    yield Problem(where, f"{task.runs!r}: machines have to be equally fast")
                    break
    for g, kind in enumerate(scenario.types):
        for e, edge in enumerate(kind.edges):
            if edge.volume != int(edge.volume):
                what = f"{edge.volume:g} is no whole number of bytes"
                yield Problem(f"types[{g}].edges[{e}].volume", what)


def _specification(scenario: TaskGraphs) -> dict[str, Any]:
    """Tasks t0, t1 ... and a file for each arc that carries data."""
    kind = scenario.types[0]
    ids = {task.name: f"t{t}" for t, task in enumerate(kind.tasks)}
    tasks: dict[str, dict[str, Any]] = {
        task.name: {
            "name": task.name,
            "id": ids[task.name],
            "parents": [],
            "children": [],
            "inputFiles": [],
            "outputFiles": [],
        }
        for task in kind.tasks
    }
    files = []
    for e, edge in enumerate(kind.edges):
        tasks[edge.target]["parents"].append(ids[edge.source])
        tasks[edge.source]["children"].append(ids[edge.target])
        if edge.volume:
            files.append({"id": f"f{e}", "sizeInBytes": int(edge.volume)})
            tasks[edge.source]["outputFiles"].append(f"f{e}")
            tasks[edge.target]["inputFiles"].append(f"f{e}")
    return {"tasks": list(tasks.values()), "files": files}


def _execution(scenario: TaskGraphs) -> dict[str, Any]:
    tick = _PER_SECOND[scenario.time_unit]
    functions = scenario.processors[0].functions
    runs = [
        {"id": f"t{t}", "runtimeInSeconds": float(functions[task.runs].duration * tick)}
        for t, task in enumerate(scenario.types[0].tasks)
    ]
    machines = [
        {"nodeName": processor.name, "cpu": {"coreCount": processor.capacity}}
        for processor in scenario.processors
    ]
    return {
        "makespanInSeconds": 0,
        "executedAt": "1970-01-01T00:00:00Z",
        "tasks": runs,
        "machines": machines,
    }
