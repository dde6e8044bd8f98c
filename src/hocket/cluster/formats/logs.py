"""Scenarios whose jobs are those of a file: what stands there for ``{kind: ..., path: ...}``.

jobs: {kind: eventlog, path: eventlog_v2_app-1, user: [team], sequential: true}
jobs: {kind: trace, path: google.csv, scale: 20, tasks: 32, drop_above: 5}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from hocket.cluster.formats import eventlog, trace
from hocket.cluster.model.log_files import LogFile, TraceFile
from hocket.core.convert import convert
from hocket.core.errors import InputError, Problem


def expand(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The data of a scenario with the file that its jobs name read; what it says itself counts.

    Raises InputError, without a source, for all that is wrong in the reference and the file.
    """
    item = data.get("jobs")
    if not isinstance(item, dict):
        return data
    try:
        found = _eventlog(item, folder) if item.get("kind") == "eventlog" else _trace(item, folder)
    except InputError as error:
        raise InputError("", [_told(error.source, problem) for problem in error.problems]) from None
    if data.get("time_unit", "ms") != "ms":
        told = f"times in such files are ms, and time_unit is {data['time_unit']!r}; drop it"
        raise InputError("", [Problem("time_unit", told)])
    own = data.get("remarks", [])
    remarks = [*own, *found.pop("remarks", ())] if isinstance(own, list) else own
    return found | data | {"jobs": found["jobs"], "remarks": remarks}


def _eventlog(item: dict[str, Any], folder: Path) -> dict[str, Any]:
    how = convert(item, LogFile, source="")
    scenario = eventlog.load(folder / how.path, how)
    found: dict[str, Any] = msgspec.to_builtins(scenario)
    return {key: found[key] for key in ("jobs", "cores", "overheads", "remarks")}


def _trace(item: dict[str, Any], folder: Path) -> dict[str, Any]:
    if item.get("kind") != "trace":
        told = "expected a list of jobs, {kind: eventlog, path: FILE} or {kind: trace, path: FILE}"
        raise InputError("", [Problem("", told)])
    how = convert(item, TraceFile, source="")
    jobs, notes = trace.load(folder / how.path, how)
    return {"jobs": msgspec.to_builtins(jobs), "remarks": notes}


def _told(source: str, problem: Problem) -> Problem:
    if source:
        return Problem("jobs.path", f"{source}: {problem}")
    return Problem(f"jobs.{problem.path}".rstrip("."), problem.message)
