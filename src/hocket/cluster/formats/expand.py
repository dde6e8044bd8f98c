"""Scenarios that name files: what stands there for ``{path: ...}``.

nodes: {path: openb_node_list_all_node.csv}
pods: {path: openb_pod_list_default.csv, reading: static, at: 9000000}
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from hocket.cluster.formats import openb, quantities
from hocket.cluster.model.pod_lists import NodeList, PodList
from hocket.core import files
from hocket.core.convert import convert
from hocket.core.errors import InputError, Problem


def expand(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The data of a scenario with its files read, and quantities as whole numbers.

    A dynamic pod list counts seconds, and so does the scenario then. Raises InputError, without a
    source, for all that is wrong in amounts, references and the files.
    """
    problems: list[Problem] = []
    found = dict(data)
    parts: dict[str, Callable[[dict[str, Any], dict[str, Any], Path], Any]]
    parts = {"nodes": _nodes, "pods": _pods}
    for part, read in parts.items():
        item = data.get(part)
        if not isinstance(item, dict):
            continue
        if "path" not in item:
            problems.append(Problem(part, f"expected a list of {part}, or {{path: FILE}}"))
            continue
        try:
            found[part] = msgspec.to_builtins(read(item, found, folder))
        except InputError as error:
            problems += [_told(part, error.source, problem) for problem in error.problems]
    try:
        found = quantities.expand(found)
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError("", problems)
    return found


def _nodes(item: dict[str, Any], found: dict[str, Any], folder: Path) -> Any:
    text, source = _list(convert(item, NodeList, source="").path, folder, "nodes")
    return openb.read_nodes(text, source)


def _pods(item: dict[str, Any], found: dict[str, Any], folder: Path) -> Any:
    chosen = convert(item, PodList, source="")
    text, source = _list(chosen.path, folder, "pods")
    if chosen.reading == "dynamic" and found.setdefault("time_unit", "s") != "s":
        told = f"its times are seconds, and time_unit is {found['time_unit']!r}; set time_unit: s"
        raise InputError("", [Problem("reading", told)])
    return openb.read_pods(text, source, chosen)


def _list(name: str, folder: Path, kind: str) -> tuple[str, str]:
    """The text of an OpenB list, and how messages name it."""
    path = folder / name
    text, source = files.text(path), files.display(path)
    if openb.kind_of(text[:4096]) != kind:
        raise InputError(source, [f"not recognised; expected an OpenB list of {kind}"])
    return text, source


def _told(part: str, source: str, problem: Problem) -> Problem:
    if source:
        return Problem(f"{part}.path", f"{source}: {problem}")
    return Problem(f"{part}.{problem.path}".rstrip("."), problem.message)
