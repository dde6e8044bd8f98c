"""Graphs in DOT, the language of Graphviz: tasks are nodes, and edges carry data.

    digraph jpeg {
      read [weight=3]; scale [weight=8]; write [times="4, 6"]
      read -> scale [volume=20] -> write
    }

- A node's time is the first of its attributes `weight`, `time`, `duration`, `cost`, `label` that is
  a number; `times` lists one for each of several processors instead, ``-`` where it cannot run.
- An edge's volume is the first of `volume`, `size`, `data`, `comm`, `weight`, `cost`, `label`
  that is a number, and 0 if none is. Attributes that only say how a graph is drawn are passed over.
- The graph's attributes `bandwidth` (units of volume per tick, 1) and `time_unit` (tick) count too.

Without `times` the graph runs on four equal processors, or on those of a YAML scenario that names
the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast, get_args

from hocket.core.domain import Format
from hocket.core.errors import InputError, NotApplicable, Problem
from hocket.core.files import stem
from hocket.core.findings import refuse_binary
from hocket.core.scenario import LONGEST, TimeUnit
from hocket.taskgraph.formats.dot_parse import Arc, Attributes, Graph, Node, parse_dot
from hocket.taskgraph.formats.drawn import Drawn, graph_of, scenario_of
from hocket.taskgraph.formats.words import LARGEST, Words, cut
from hocket.taskgraph.model.processors import Communication, Function, Processor
from hocket.taskgraph.model.scenario import TaskGraphs

_TIMES = ("weight", "time", "duration", "cost", "label")
_VOLUMES = ("volume", "size", "data", "comm", "weight", "cost", "label")
_OPENING = re.compile(r"(\s|//[^\n]*|/\*.*?\*/|#[^\n]*)*(strict\s+)?(di)?graph\b", re.I | re.S)
_NUMBER = re.compile(r"[-+]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][-+]?\d{1,3})?", re.ASCII)
_NOT_NUMBERS = re.compile(r"[-+]?(inf|infinity|nan)", re.IGNORECASE)
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_KEYWORDS = ("strict", "graph", "digraph", "node", "edge", "subgraph")
_CANNOT = "-"
_UNITS = get_args(TimeUnit)


def sniff(name: str, head: str) -> bool:
    """Whether the text opens with ``digraph`` or ``graph``."""
    return _OPENING.match(head.removeprefix("\ufeff")) is not None


def read(text: str, name: str) -> TaskGraphs:
    """The graph as a scenario. Raises InputError with every problem and its line."""
    findings = Words(name)
    graph = _graph(text, findings)
    if any("times" in node.attributes for node in graph.nodes.values()):
        return _on_several(graph, name, findings)
    return scenario_of(_drawn(graph, name, findings), graph.name or stem(name))


def parse(text: str, name: str) -> Drawn:
    """The graph with its times. Raises InputError with every problem and its line."""
    findings = Words(name)
    return _drawn(_graph(text, findings), name, findings)


def _graph(text: str, findings: Words) -> Graph:
    refuse_binary(text, findings)
    graph = parse_dot(text, findings)
    if not graph.nodes:
        findings.add("the graph has no nodes")
    findings.stop_if_any()
    return graph


def _drawn(graph: Graph, name: str, findings: Words) -> Drawn:
    rounded = 0
    times = []
    for key, node in graph.nodes.items():
        time = _number(node.attributes, _TIMES, f"time of node {cut(key)}", node.line, findings)
        if time is None:
            told = f"node {cut(key)} has no time: give it one, such as [weight=3]"
            findings.add(told, node.line)
        elif time > LONGEST:
            findings.add(f"time of node {cut(key)}: more than {LONGEST} ticks", node.line)
        rounded += time is not None and time != round(time)
        times.append(min(round(time or 0), LONGEST))
    if rounded:
        findings.notes.append(f"times rounded to whole ticks: {rounded}")
    bandwidth, unit = _rates(graph, findings)
    return Drawn(
        type=_type(graph, name, findings),
        times=tuple(times),
        unit=unit,
        bandwidth=bandwidth,
        notes=tuple(findings.notes),
    )


def _rates(graph: Graph, findings: Words) -> tuple[float, TimeUnit]:
    """Bandwidth and unit of time."""
    bandwidth = _number(graph.attributes, ("bandwidth",), "the graph", graph.line, findings)
    if bandwidth == 0 or (bandwidth is None and "bandwidth" in graph.attributes):
        word = graph.attributes["bandwidth"]
        findings.add(f"bandwidth={word[:24]}; expected a number above 0", graph.line)
    unit = graph.attributes.get("time_unit", "tick")
    if unit not in _UNITS:
        findings.add(f"time_unit={unit[:24]}; there is {', '.join(_UNITS)}", graph.line)
    return bandwidth or 1.0, cast(TimeUnit, unit)


def _type(graph: Graph, name: str, findings: Words) -> Any:
    """The job type: nodes in order, edges with their volumes."""
    number = {key: t for t, key in enumerate(graph.nodes)}
    volumes: dict[tuple[int, int], float] = {}
    for arc in graph.arcs:
        what = f"volume of {cut(arc.source)} -> {cut(arc.target)}"
        volume = _number(arc.attributes, _VOLUMES, what, arc.line, findings) or 0.0
        pair = number[arc.source], number[arc.target]
        if pair in volumes and not graph.strict:
            told = f"the edge {cut(arc.source)} -> {cut(arc.target)} stands here a second time"
            findings.add(f"{told}; add the volumes up", arc.line)
            if findings.full:
                findings.stop_if_any()
        volumes[pair] = volume
    _note(graph, findings)
    arcs = [(a, b, volume) for (a, b), volume in volumes.items()]
    lines = [node.line for node in graph.nodes.values()]
    return graph_of(graph.name or stem(name) or "graph", [*graph.nodes], arcs, lines, findings)


def _note(graph: Graph, findings: Words) -> None:
    """Say which attributes mean nothing here."""
    used = {"times", *_TIMES, *_VOLUMES}
    parts: list[Node | Arc] = [*graph.nodes.values(), *graph.arcs]
    other = sorted({key for part in parts for key in part.attributes} - used)
    if other:
        shown = ", ".join(cut(key) for key in other[:8])
        findings.notes.append(f"attributes passed over: {shown}")


def _number(
    attributes: Attributes, keys: Iterable[str], what: str, line: int, findings: Words
) -> float | None:
    """The first of the attributes that is a number; a problem if that is out of bounds."""
    for key in keys:
        word = attributes.get(key, "").strip()
        if _NUMBER.fullmatch(word) or _NOT_NUMBERS.fullmatch(word):
            value = float(word)
            if not 0 <= value <= LARGEST:
                told = f"{key}={word[:24]}; expected a number from 0 to {LARGEST:g}"
                findings.add(f"{what}: {told}", line)
                return 0.0
            return value
    return None


def _on_several(graph: Graph, name: str, findings: Words) -> TaskGraphs:
    """The graph on processors p0, p1 ... whose times the nodes list."""
    count = max(len(_listed(node.attributes)) for node in graph.nodes.values())
    functions: list[dict[str, Function]] = [{} for _ in range(count)]
    for key, node in graph.nodes.items():
        words = _listed(node.attributes)
        if len(words) != count:
            told = f"node {cut(key)} lists {len(words)} times, where others list {count}"
            findings.add(told, node.line)
        if words and set(words) == {_CANNOT}:
            findings.add(f"node {cut(key)} can run nowhere", node.line)
        for p, word in enumerate(words):
            if word == _CANNOT:
                continue
            if not re.fullmatch(r"\d{1,18}", word, re.ASCII) or int(word) > LONGEST:
                told = f"times of node {cut(key)}: {cut(word)} is no whole number of ticks"
                findings.add(f"{told}, nor {_CANNOT}", node.line)
            else:
                functions[p][key] = Function(duration=int(word))
    for p, able in enumerate(functions):
        if not able:
            findings.add(f"no node has a time on processor {p}, counted from 0")
    bandwidth, unit = _rates(graph, findings)
    kind = _type(graph, name, findings)
    scenario = TaskGraphs(
        name=kind.name,
        time_unit=unit,
        processors=tuple(
            Processor(name=f"p{p}", functions=able) for p, able in enumerate(functions)
        ),
        communication=Communication(default=bandwidth),
        types=(kind,),
        remarks=tuple(findings.notes),
    )
    if problems := list(scenario.problems()):
        raise InputError(name, problems)
    return scenario


def _listed(attributes: Attributes) -> list[str]:
    return attributes.get("times", "").replace(",", " ").split()


def write(scenario: Any) -> str:
    """The graph with its times on each processor that can run one of its tasks.

    Power, and bandwidths that differ from pair to pair, have no place in it.

    Raises InputError for scenarios of several graphs or with names that DOT cannot hold, and
    NotApplicable for other problems.
    """
    if not isinstance(scenario, TaskGraphs):
        raise NotApplicable(f"DOT holds task graphs, and this is a {type(scenario).__name__}")
    if problems := list(_problems(scenario)):
        raise InputError(f"{scenario.name or 'this scenario'} as DOT", problems)
    return "\n".join(_lines(scenario)) + "\n"


def _problems(scenario: TaskGraphs) -> Iterator[Problem]:
    if len(scenario.types) != 1:
        yield Problem("types", f"{len(scenario.types)} graphs; a DOT file holds one")
    for g, kind in enumerate(scenario.types):
        for where, name in [("name", kind.name)] + [
            (f"tasks[{t}].name", task.name) for t, task in enumerate(kind.tasks)
        ]:
            if "\\" in name or not name.isprintable():
                yield Problem(f"types[{g}].{where}", f"{name!r} cannot stand in DOT; rename it")


def _lines(scenario: TaskGraphs) -> Iterator[str]:
    kind = scenario.types[0]
    runs = {task.runs for task in kind.tasks}
    processors = [one for one in scenario.processors if runs & one.functions.keys()]
    names = ", ".join(processor.name for processor in processors)
    yield f"// processors: {' '.join(names.split())}"
    yield f"digraph {_quoted(kind.name)} {{"
    bandwidth = scenario.communication.default
    rate = "" if bandwidth is None else f'bandwidth="{float(bandwidth)!r}", '
    yield f"  graph [{rate}time_unit={scenario.time_unit}];"
    for task in kind.tasks:
        able = [processor.functions.get(task.runs) for processor in processors]
        times = " ".join(_CANNOT if one is None else str(one.duration) for one in able)
        yield f'  {_quoted(task.name)} [times="{times}"];'
    for edge in kind.edges:
        ends = f"{_quoted(edge.source)} -> {_quoted(edge.target)}"
        yield f'  {ends} [volume="{float(edge.volume)!r}", label="{edge.volume:g}"];'
    yield "}"


def _quoted(name: str) -> str:
    if _BARE.fullmatch(name) and name.lower() not in _KEYWORDS:
        return name
    return '"' + name.replace('"', '\\"') + '"'


FORMAT = Format(
    name="dot",
    summary="a directed graph in DOT, the language of Graphviz, with times and volumes",
    suffixes=(".dot", ".gv"),
    sniff=sniff,
    read=read,
    write=write,
    comment="//",
)
