"""Scenarios as resource files and job files of DS3, in the form that gym_ds3 reads.

What DS3 keeps in its configuration (arrivals, horizon, noise, kind of communication, power model)
stands in a comment at the top, with DS3's names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hocket.core.errors import InputError, NotApplicable, Problem
from hocket.taskgraph.formats import ds3_job, ds3_soc
from hocket.taskgraph.model.graph import platform
from hocket.taskgraph.model.jobs import JobType, Stream
from hocket.taskgraph.model.processors import Processor
from hocket.taskgraph.model.scenario import TaskGraphs

_WORDS = ds3_soc.KEYWORDS | ds3_job.KEYWORDS | {"opp", "power_profile"} | ds3_soc.PASSED_OVER
_MEMORY = "MEMORY"


def write(scenario: Any) -> str:
    """Resources and jobs in one text. Raises InputError naming all that DS3 cannot hold."""
    fit = _fitting(scenario)
    return "\n".join([*_configuration(fit), "", *_resources(fit), "", *_jobs(fit)]) + "\n"


def write_resources(scenario: Any) -> str:
    """The resource file. Raises InputError naming all that DS3 cannot hold."""
    fit = _fitting(scenario)
    return "\n".join([*_configuration(fit), "", *_resources(fit)]) + "\n"


def write_jobs(scenario: Any) -> str:
    """The job files, after one another. Raises InputError naming all that DS3 cannot hold."""
    return "\n".join(_jobs(_fitting(scenario))) + "\n"


def _fitting(scenario: Any) -> TaskGraphs:
    """The scenario, if DS3 can hold it."""
    if not isinstance(scenario, TaskGraphs):
        raise NotApplicable(f"DS3 holds task graphs, and this is a {type(scenario).__name__}")
    if problems := list(_problems(scenario)):
        raise InputError(f"{scenario.name or 'this scenario'} as DS3 text", problems)
    return scenario


def _problems(scenario: TaskGraphs) -> Iterator[Problem]:
    for i, processor in enumerate(scenario.processors):
        where = f"processors[{i}]"
        yield from _named(processor.name, f"{where}.name")
        yield from _named(processor.type, f"{where}.type")
        if processor.type == "MEM":
            yield Problem(f"{where}.type", "is MEM, which DS3 takes for memory; rename it")
        for name in processor.functions:
            yield from _named(name, f"{where}.functions")
        for point in processor.points:
            yield from _whole(point.frequency, f"{where}.points")
            yield from _whole(point.voltage, f"{where}.points")
    for g, kind in enumerate(scenario.types):
        yield from _named(kind.name, f"types[{g}].name")
        for e, edge in enumerate(kind.edges):
            yield from _whole(edge.volume, f"types[{g}].edges[{e}].volume")
    for i, link in enumerate(scenario.communication.links):
        yield from _whole(link.bandwidth, f"communication.links[{i}]")
    for name, band in scenario.communication.memory.items():
        yield from _whole(band, f"communication.memory.{name}")
    if scenario.communication.default is not None:
        yield from _whole(scenario.communication.default, "communication.default")


def _named(name: str, where: str) -> Iterator[Problem]:
    if len(name.split()) != 1 or "#" in name or name in _WORDS:
        yield Problem(where, f"{name!r} is no name that DS3 can read; rename it")


def _whole(value: float, where: str) -> Iterator[Problem]:
    if value != int(value):
        yield Problem(where, f"{value:g} is no whole number, which DS3 asks for; round it")


def _configuration(scenario: TaskGraphs) -> Iterator[str]:
    """Comments: the settings that DS3 keeps elsewhere."""
    yield f"# {' '.join(scenario.name.split()) or 'scenario'}, written by hocket"
    arrivals = scenario.arrivals
    settings: dict[str, object] = {
        "shared_memory": "yes" if scenario.communication.mode == "shared-memory" else "no",
        "standard_deviation": scenario.noise,
        "warmup_period": scenario.warm_up,
        "sampling_rate": scenario.sampling.period,
        "job_probabilities": [kind.weight for kind in scenario.types],
    }
    if scenario.horizon is not None:
        settings["simulation_length"] = scenario.horizon
    if isinstance(arrivals, Stream):
        settings["scale"] = arrivals.gap
        settings["fixed_injection_rate"] = "yes" if arrivals.gaps == "constant" else "no"
        if arrivals.capacity is not None:
            settings["max_jobs_in_parallel"] = arrivals.capacity
        if arrivals.jobs is not None:
            settings["max_jobs"] = arrivals.jobs
    for key, value in settings.items():
        yield f"# {key} = {value}"


def _resources(scenario: TaskGraphs) -> Iterator[str]:
    for i, processor in enumerate(scenario.processors):
        head = f"{processor.type} {processor.name} {i} {processor.capacity}"
        yield f"add_new_resource {head} {len(processor.functions)} {_governor(processor)}"
        for point in processor.points:
            yield f"opp {point.frequency:.0f} {point.voltage:.0f}"
        for name, found in processor.functions.items():
            yield f"{name} {found.duration} {found.power!r}"
        yield ""
    count = len(scenario.processors)
    yield f"add_new_resource MEM {_MEMORY} {count} 1 1 none"
    yield "None 0 0"
    yield ""
    compiled = platform(scenario)
    largest = max((e.volume for kind in scenario.types for e in kind.edges), default=0.0)
    free = 10 ** len(str(int(largest)))  # more than any volume: such transfers take no time
    for a in range(count):
        for b in range(a, count):
            band = compiled.bandwidth[a][b]
            if band != 1:
                yield f"comm_band {a} {b} {free if band is None else int(band)}"
        memory = scenario.communication.memory.get(compiled.names[a])
        memory = memory or scenario.communication.default
        if memory not in (None, 1):
            yield f"comm_band {a} {count} {int(memory)}"


def _governor(processor: Processor) -> str:
    if processor.governor == "constant":
        return f"constant-{processor.frequency:.0f}"
    return processor.governor


def _jobs(scenario: TaskGraphs) -> Iterator[str]:
    for i, kind in enumerate(scenario.types):
        yield from [""] if i else []
        yield from _job(kind)


def _job(kind: JobType) -> Iterator[str]:
    number = {task.name: t for t, task in enumerate(kind.tasks)}
    before: list[list[int]] = [[] for _ in kind.tasks]
    sources = set()
    for edge in kind.edges:
        before[number[edge.target]].append(number[edge.source])
        sources.add(edge.source)
    yield f"job_name {kind.name}"
    yield f"add_new_tasks {len(kind.tasks)}"
    for t, task in enumerate(kind.tasks):
        yield " ".join([task.runs, str(t), *map(str, sorted(before[t]))])
        if not before[t]:
            yield f"{task.runs} HEAD"
        if task.name not in sources:
            yield f"{task.runs} TAIL"
        yield f"{task.runs} earliest_start 0 deadline 0 input_vol 0 output_vol 0"
    ends = [(number[edge.target], number[edge.source], edge.volume) for edge in kind.edges]
    for target, source, volume in sorted(ends):
        yield f"comm_vol {source} {target} {int(volume)}"
