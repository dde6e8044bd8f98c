"""Scenarios that name files: what stands there for ``{path: ...}`` and ``{speeds: ...}``.

processors: {path: SoC.Top.txt}        processors: {speeds: [1, 1, 2]}
types: [{path: job_Top.txt}]           types: [{path: rand0008.stg}, {path: jpeg.dot, weight: 3}]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hocket.core import files
from hocket.core.convert import convert
from hocket.core.errors import InputError, Problem
from hocket.taskgraph.formats import dot, ds3, stg, wfcommons
from hocket.taskgraph.formats.drawn import Drawn, equal
from hocket.taskgraph.model.jobs import JobType
from hocket.taskgraph.model.references import Equal, GraphFile, PlatformFile

T = TypeVar("T")
Entry = dict[str, Any] | JobType | Drawn
"""A job type: as the scenario's file has it, from a DS3 file, or from one with times."""

_DRAWN = ((wfcommons.FORMAT, wfcommons.parse), (dot.FORMAT, dot.parse), (stg.FORMAT, stg.parse))
_KNOWN = "a DS3 job file, STG, DOT or WfCommons JSON"
_HEAD = 2**16


def expand(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The data of a scenario with the files that it names read and put in their place.

    Raises InputError, without a source, for all that is wrong in references and in the files.
    """
    return _Expansion(data, folder).expanded()


class _Expansion:
    """Collects what the files hold, and every problem."""

    def __init__(self, data: dict[str, Any], folder: Path) -> None:
        self.data = data
        self.folder = folder
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def expanded(self) -> dict[str, Any]:
        """The data with everything in place; the same data if no file is named."""
        found = dict(self.data)
        entries = self._entries()
        processors = self.data.get("processors")
        if isinstance(processors, dict):
            if "path" in processors:
                found |= self._platform(processors)
            elif "speeds" in processors:
                found |= self._equal(processors, entries)
            else:
                told = "expected a list of processors, {path: FILE} or {speeds: [1, 1, 2]}"
                self.problems.append(Problem("processors", told))
        if self.problems:
            raise InputError("", self.problems)
        drawn = [one for one in entries if isinstance(one, Drawn)]
        if "types" not in found or found["types"] is self.data.get("types"):
            if drawn:
                self.notes.append("times in files of graphs do not count: processors have theirs")
            if any(not isinstance(one, dict) for one in entries):
                found["types"] = [_plain(one) for one in entries]
        remarks = self.data.get("remarks", [])
        if self.notes and isinstance(remarks, list):
            found["remarks"] = [*remarks, *dict.fromkeys(self.notes)]
        return found

    def _entries(self) -> list[Entry]:
        """The job types, those of files read."""
        listed = self.data.get("types")
        found: list[Entry] = []
        for i, one in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(one, dict) and "path" in one:
                found += self._attempt(f"types[{i}]", partial(self._graphs, one)) or []
            else:
                found.append(one)
        return found

    def _attempt(self, where: str, work: Callable[[], T]) -> T | None:
        """What `work` returns; None, and its problems at this place, if it raises InputError."""
        try:
            return work()
        except InputError as error:
            for problem in error.problems:
                if error.source:
                    told = Problem(f"{where}.path", f"{error.source}: {problem}")
                else:
                    told = Problem(f"{where}.{problem.path}".rstrip("."), problem.message)
                self.problems.append(told)
            return None

    def _graphs(self, item: dict[str, Any]) -> list[Entry]:
        """The job types in a file that an item of `types` names."""
        chosen = convert(item, GraphFile, source="")
        path = self.folder / chosen.path
        text, source = files.text(path), files.display(path)
        head, name = text[:_HEAD], files.plain_name(path)
        if ds3.sniff(name, head):
            parts = ds3.parse(text, source)
            if not parts.types:
                raise InputError(source, ["this DS3 file holds no jobs"])
            self.notes += parts.notes
            return [msgspec.structs.replace(one, weight=chosen.weight) for one in parts.types]
        for form, parse in _DRAWN:
            if form.sniff(name, head):
                drawn = parse(text, source)
                self.notes += drawn.notes
                kind = msgspec.structs.replace(drawn.type, weight=chosen.weight)
                return [msgspec.structs.replace(drawn, type=kind)]
        raise InputError(source, [f"not recognised; expected {_KNOWN}"])

    def _platform(self, item: dict[str, Any]) -> dict[str, Any]:
        """Processors and communication of a DS3 file; what the scenario says counts more."""

        def work() -> dict[str, Any]:
            chosen = convert(item, PlatformFile, source="")
            path = self.folder / chosen.path
            text, source = files.text(path), files.display(path)
            if not ds3.sniff(files.plain_name(path), text[:_HEAD]):
                raise InputError(source, ["not recognised; expected a DS3 resource file"])
            parts = ds3.parse(text, source)
            if not parts.processors:
                raise InputError(source, ["this DS3 file holds no resources"])
            self.notes.extend(parts.notes)
            return {
                "processors": msgspec.to_builtins(parts.processors),
                "communication": self._talk(msgspec.to_builtins(parts.communication)),
            }

        return self._attempt("processors", work) or {}

    def _equal(self, item: dict[str, Any], entries: list[Entry]) -> dict[str, Any]:
        """Processors of the speeds asked for, and the graphs with functions on them."""

        def work() -> dict[str, Any]:
            speeds = convert(item, Equal, source="").speeds
            drawn = [one for one in entries if isinstance(one, Drawn)]
            if not drawn or len(drawn) < len(entries):
                told = "only for graphs of files with times (STG, DOT, WfCommons)"
                raise InputError("", [Problem("speeds", told)])
            unit = self.data.get("time_unit", drawn[0].unit)
            for one in drawn:
                if one.unit not in (unit, "tick"):
                    told = f"times of {one.type.name} are {one.unit}, and time_unit is {unit}"
                    raise InputError("", [Problem("speeds", told)])
            processors, types = equal(drawn, speeds)
            return {
                "time_unit": unit,
                "processors": msgspec.to_builtins(processors),
                "types": msgspec.to_builtins(types),
                "communication": self._talk({"default": drawn[0].bandwidth}),
            }

        return self._attempt("processors", work) or {}

    def _talk(self, found: dict[str, Any]) -> Any:
        """What files say of communication; what the scenario says counts more."""
        own = self.data.get("communication", {})
        return found | own if isinstance(own, dict) else own


def _plain(one: Entry) -> Any:
    """A job type as plain data."""
    if isinstance(one, dict):
        return one
    return msgspec.to_builtins(one.type if isinstance(one, Drawn) else one)
