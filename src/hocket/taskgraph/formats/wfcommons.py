"""Workflows in the JSON of WfCommons, versions 1.0 to 1.6.

T. Coleman, H. Casanova, L. Pottier, M. Kaushik, E. Deelman, R. Ferreira da Silva, WfCommons: A
framework for enabling scientific workflow research and development, Future Generation Computer
Systems 128 (2022) 16-27. Up to version 1.4 a task has all that is known of it; from 1.5 on its
place in the graph is in ``workflow.specification`` and its time in ``workflow.execution``.

- Times are milliseconds, or microseconds where a runtime is no whole number of those.
- Data are bytes: those of the files that one task writes and the next reads. Files that come from
  nowhere are there at the start. There is no word on bandwidths: machines have 1 GB/s.
- Machines run as many tasks at once as they have cores, and are taken as equally fast: a task has
  one runtime, that on the machine where it happened to run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import msgspec

from hocket.core import structured
from hocket.core.convert import convert
from hocket.core.domain import Format
from hocket.core.errors import InputError, Problem
from hocket.core.files import stem
from hocket.core.scenario import LONGEST, TimeUnit
from hocket.taskgraph.formats.drawn import Drawn, graph_of, scenario_of
from hocket.taskgraph.formats.wfcommons_write import write
from hocket.taskgraph.formats.words import Words, cut
from hocket.taskgraph.model.scenario import TaskGraphs

GIGABYTE = 10**9  # per second

_TELLING = re.compile(r'"schemaVersion"\s*:\s*"|"workflow"\s*:\s*\{')

_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
_Bytes = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
_Cores = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
_Name = Annotated[str, msgspec.Meta(min_length=1)]


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of the document; what is not named here is passed over, as WfCommons asks."""


class _File(_Part, frozen=True, kw_only=True):
    name: str = ""
    id: str = ""
    path: str = ""
    link: str = ""
    size: _Bytes | None = None
    size_in_bytes: _Bytes | None = None

    @property
    def key(self) -> str:
        return self.id or self.path + self.name

    @property
    def bytes(self) -> int:
        return self.size_in_bytes or self.size or 0


class _Task(_Part, frozen=True, kw_only=True):
    """A task before version 1.5, or in the specification since."""

    name: _Name
    id: str = ""
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    files: tuple[_File, ...] = ()
    input_files: tuple[str, ...] = ()
    output_files: tuple[str, ...] = ()
    runtime: _Seconds | None = None
    runtime_in_seconds: _Seconds | None = None
    cores: float | None = None


class _Run(_Part, frozen=True, kw_only=True):
    """What is known of a task's execution, since version 1.5."""

    id: _Name
    runtime_in_seconds: _Seconds
    core_count: float | None = None


class _Cpu(_Part, frozen=True, kw_only=True):
    count: _Cores | None = None
    core_count: _Cores | None = None


class _Machine(_Part, frozen=True, kw_only=True):
    node_name: _Name
    cpu: _Cpu = _Cpu()


class _Specification(_Part, frozen=True, kw_only=True):
    tasks: tuple[_Task, ...]
    files: tuple[_File, ...] = ()


class _Execution(_Part, frozen=True, kw_only=True):
    tasks: tuple[_Run, ...]
    machines: tuple[_Machine, ...] = ()


class _Workflow(_Part, frozen=True, kw_only=True):
    tasks: tuple[_Task, ...] = ()
    jobs: tuple[_Task, ...] = ()
    machines: tuple[_Machine, ...] = ()
    specification: _Specification | None = None
    execution: _Execution | None = None


class _Document(_Part, frozen=True, kw_only=True):
    workflow: _Workflow
    name: str = ""


def sniff(name: str, head: str) -> bool:
    """Whether this is JSON that opens as WfCommons' does."""
    opens = head.lstrip("\ufeff \t\r\n").startswith("{")
    return opens and _TELLING.search(head) is not None


def read(text: str, name: str) -> TaskGraphs:
    """The workflow on its machines, or on four equal processors. Raises InputError."""
    drawn = parse(text, name)
    return scenario_of(drawn, drawn.type.name)


def parse(text: str, name: str) -> Drawn:
    """The workflow with its times. Raises InputError with every problem, and lines."""
    data = structured.parse(text, "json", name)
    if not isinstance(data, dict):
        raise InputError(name, ["a WfCommons document is an object with the key 'workflow'"])
    lines = partial(structured.lines, text, "json")
    document = convert(data, _Document, source=name, lines=lines)
    flow = document.workflow
    where = "workflow.jobs" if flow.jobs else "workflow.tasks"
    tasks, machines = flow.tasks or flow.jobs, flow.machines
    files: tuple[_File, ...] = ()
    if flow.specification is not None:
        where = "workflow.specification.tasks"
        tasks, files = flow.specification.tasks, flow.specification.files
        machines = flow.execution.machines if flow.execution else ()
    reader = _Reader(tasks, where, Words(name), lines)
    return reader.drawn(document.name or stem(name), files, machines, flow.execution)


class _Reader:
    """Puts the tasks of a document together; problems are told by their path."""

    def __init__(self, tasks: Sequence[_Task], where: str, findings: Words, lines: Any) -> None:
        self.tasks = tasks
        self.where = where
        self.findings = findings
        self.known: Mapping[str, int] = {}
        self.look_up = lines

    def say(self, task: int, message: str, part: str = "") -> None:
        """Note a problem of a task."""
        path = f"{self.where}[{task}]"
        self.known = self.known or self.look_up()
        line = self.known.get(path + part, self.known.get(path))
        self.findings.add(message, line, path + part)

    def drawn(
        self,
        name: str,
        files: Sequence[_File],
        machines: Sequence[_Machine],
        execution: _Execution | None,
    ) -> Drawn:
        """The graph. Raises InputError."""
        if not self.tasks:
            problem = Problem(self.where, "there are no tasks")
            raise InputError(self.findings.source, [problem])
        seconds = self._seconds(execution)
        arcs = self._arcs({file.key: file.bytes for file in files})
        self.findings.stop_if_any()
        unit, times = self._ticks(seconds)
        per_second = 1000 if unit == "ms" else 10**6
        self.findings.notes.append("the file knows no bandwidths: 1 GB/s between machines")
        return Drawn(
            type=graph_of(name, self._names(), arcs, [0] * len(times), self.findings),
            times=times,
            unit=unit,
            machines=self._machines(machines),
            bandwidth=GIGABYTE / per_second,
            notes=tuple(self.findings.notes),
        )

    def _names(self) -> list[str]:
        """Names of tasks if they differ, else their ids."""
        names = [task.name for task in self.tasks]
        return names if len({*names}) == len(names) else [t.id or t.name for t in self.tasks]

    def _numbers(self) -> dict[str, int]:
        """Tasks by what others call them: ids first, then names that only one has."""
        count = Counter(task.name for task in self.tasks)
        found = {task.name: t for t, task in enumerate(self.tasks) if count[task.name] == 1}
        own: dict[str, int] = {}
        for t, task in enumerate(self.tasks):
            if task.id:
                if task.id in own:
                    self.say(t, f"is that of another task, {cut(task.id)}", ".id")
                own[task.id] = t
            elif count[task.name] > 1:
                self.say(t, f"is that of another task, {cut(task.name)}", ".name")
        return found | own

    def _arcs(self, sizes: dict[str, int]) -> list[tuple[int, int, float]]:
        """From task to task, with the bytes of the files that go along."""
        numbers = self._numbers()
        pairs: dict[tuple[int, int], None] = {}
        for t, task in enumerate(self.tasks):
            for part, others in (("parents", task.parents), ("children", task.children)):
                for i, other in enumerate(others):
                    if other not in numbers:
                        self.say(t, f"there is no task {cut(other)}", f".{part}[{i}]")
                    elif part == "parents":
                        pairs[numbers[other], t] = None
                    else:
                        pairs[t, numbers[other]] = None
        reads = [_files(task, "input", sizes) for task in self.tasks]
        writes = [_files(task, "output", sizes) for task in self.tasks]
        return [
            (a, b, float(sum(size for key, size in writes[a].items() if key in reads[b])))
            for a, b in sorted(pairs)
        ]

    def _seconds(self, execution: _Execution | None) -> list[float]:
        """The runtime of each task."""
        runs = {run.id: run for run in execution.tasks} if execution else {}
        found, wide = [], 0
        for t, task in enumerate(self.tasks):
            run = runs.get(task.id or task.name)
            seconds = task.runtime_in_seconds if task.runtime is None else task.runtime
            if run is not None:
                seconds = run.runtime_in_seconds
            if seconds is None:
                self.say(t, f"task {cut(task.id or task.name)} has no runtime")
            cores = (run.core_count if run else task.cores) or 1
            wide += cores > 1
            found.append(seconds or 0.0)
        if wide:
            told = f"tasks on several cores: {wide}; each is taken to need one"
            self.findings.notes.append(told)
        return found

    def _ticks(self, seconds: Sequence[float]) -> tuple[TimeUnit, tuple[int, ...]]:
        """Whole ticks, of milliseconds if those are enough; no task that takes time loses it."""
        whole = all(abs(s * 1000 - round(s * 1000)) < 1e-6 for s in seconds)
        unit: TimeUnit = "ms" if whole or max(seconds) * 1e6 > LONGEST else "us"
        factor = 1000 if unit == "ms" else 10**6
        times = tuple(max(1, round(s * factor)) if s else 0 for s in seconds)
        changed = sum(abs(s * factor - t) > 1e-3 for s, t in zip(seconds, times, strict=True))
        if changed:
            self.findings.notes.append(f"runtimes rounded to whole {unit}: {changed}")
        return unit, times

    def _machines(self, machines: Sequence[_Machine]) -> tuple[tuple[str, int], ...]:
        found: dict[str, int] = {}
        for machine in machines:
            found[machine.node_name] = machine.cpu.core_count or machine.cpu.count or 1
        return tuple(found.items())


def _files(task: _Task, link: str, sizes: dict[str, int]) -> dict[str, int]:
    """The files that a task reads (``input``) or writes (``output``), with their bytes."""
    listed = task.input_files if link == "input" else task.output_files
    found = {key: sizes.get(key, 0) for key in listed}
    return found | {file.key: file.bytes for file in task.files if file.link.lower() == link}


FORMAT = Format(
    name="wfcommons",
    summary="a workflow in the JSON of WfCommons (WfFormat)",
    suffixes=(".wfcommons",),
    sniff=sniff,
    read=read,
    write=write,
)
